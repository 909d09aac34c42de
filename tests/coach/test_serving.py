"""`coach run`, `coach llm` and `coach watch` as a person starts and stops them."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tiny_course import TinyCourse

APP = """
from fastapi import FastAPI

app = FastAPI(title="Tiny")


@app.get("/who")
async def who():
    import os
    return {"openai": os.environ.get("OPENAI_BASE_URL", "")}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def coach(folder: Path, *args: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        # Whoever started the tests may have them ignore Ctrl-C, and children inherit that.
        ["env", "--default-signal=INT", sys.executable, "-u", "-m", "coach", *args],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the whole foreground group
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            if process.stdout:
                process.stdout.close()


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """Read what is printed up to a line with these words; the test's own time limit bounds it."""
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if re.search(words, line):
            return "".join(said)
    raise AssertionError(f"{words!r} was never printed, only:\n{''.join(said)}")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server on 127.0.0.1
        return answer.read().decode()


@pytest.mark.timeout(60)
def test_run_serves_the_lesson_with_a_complete_docs_page(tiny: TinyCourse) -> None:
    tiny.write(APP)
    port = free_port()
    with coach(tiny.root, "run", "03", "--port", str(port), "--no-reload") as process:
        read_until(process, "Uvicorn running")
        assert get(f"http://127.0.0.1:{port}/who") == '{"openai":""}'
        page = get(f"http://127.0.0.1:{port}/docs")
        (script,) = re.findall(r'<script src="([^"]+)"', page)
        assert len(get(f"http://127.0.0.1:{port}{script}")) > 100_000
    assert process.returncode == 0


@pytest.mark.timeout(60)
def test_run_starts_the_fake_provider_beside_a_lesson_that_talks_to_one(tiny: TinyCourse) -> None:
    tiny.write(APP)
    toml = tiny.lesson / "lesson.toml"
    toml.write_text("provider = true\n" + toml.read_text())
    port, llm_port = free_port(), free_port()
    with coach(tiny.root, "run", "03", "--port", str(port), "--llm-port", str(llm_port), "--no-reload") as process:
        read_until(process, "Uvicorn running on .*:" + str(port))
        assert get(f"http://127.0.0.1:{port}/who") == f'{{"openai":"http://127.0.0.1:{llm_port}/v1"}}'
        assert "mock-large" in get_models(llm_port)
    with pytest.raises(OSError, match="refused"):
        get_models(llm_port)


def get_models(port: int) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": "Bearer sk-offline"}
    )
    for attempt in range(50):  # the fake starts beside the lesson, so it may be a moment later
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.read().decode()
        except OSError:
            if attempt == 49:
                raise
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.1)"], check=True)
    raise AssertionError("unreachable")


@pytest.mark.timeout(60)
def test_a_port_that_is_taken_is_one_line(tiny: TinyCourse) -> None:
    tiny.write(APP)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "coach", "run", "03", "--port", str(port)],
            cwd=tiny.root,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert f"coach: port {port} is taken" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(60)
def test_watch_checks_again_at_a_save(tiny: TinyCourse) -> None:
    with coach(tiny.root, "watch", "03") as process:
        assert "03.1  to do" in read_until(process, "Ctrl-C ends")
        tiny.solve(1)
        seen = threading.Event()
        # Saved again until it is noticed: nothing tells from outside when the watcher stands.
        saving = threading.Thread(target=save_until, args=(tiny.app, seen), daemon=True)
        saving.start()
        try:
            assert "03.1  done" in read_until(process, "3 passed, 3 to do")
        finally:
            seen.set()
            saving.join()


def save_until(file: Path, seen: threading.Event) -> None:
    text = file.read_text()
    while not seen.wait(0.5):
        file.write_text(text)
