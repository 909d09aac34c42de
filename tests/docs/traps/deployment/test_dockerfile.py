"""The Dockerfile of many tutorials. The three sections are shown on the page of lesson 07."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs.traps.deployment.files import hadolint

BROKEN = """
# --8<-- [start:broken]
FROM python:3.11-slim
WORKDIR /app
COPY . .
RUN pip install -r requirements.txt
RUN adduser --disabled-password --gecos '' appuser
USER appuser
HEALTHCHECK CMD curl -f http://localhost:8000/health || exit 1
CMD alembic upgrade head && uvicorn main:app --host 0.0.0.0
# --8<-- [end:broken]
"""

REPAIRED = """
# --8<-- [start:repaired]
FROM python:3.13.9-slim-trixie
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY *.py ./
USER 10001:10001
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live')"]
CMD ["uvicorn", "main:app", "--host", "0.0.0.0"]
# --8<-- [end:repaired]
"""


def start_of(dockerfile: str) -> str:
    """What is behind CMD."""
    return next(line for line in dockerfile.splitlines() if line.startswith("CMD")).removeprefix("CMD ")


def hears_sigterm(start: str, folder: Path) -> bool:
    """Run a CMD as an engine does, with a server in place of uvicorn that notes the signal; send it SIGTERM."""
    server = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: (open('heard', 'w'), exit(0)))\n"
    (folder / "uvicorn").write_text(f"#!{sys.executable}\n{server}open('up', 'w')\ntime.sleep(20)\n")
    (folder / "alembic").write_text("#!/bin/sh\n")
    for name in ("uvicorn", "alembic"):
        (folder / name).chmod(0o755)
    command = eval(start) if start.startswith("[") else ["/bin/sh", "-c", start]  # noqa: S307 - a literal of ours
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        end = time.monotonic() + 20
        while not (folder / "up").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        return (folder / "heard").exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_the_signal_stays_with_the_shell_and_the_linter_says_little(tmp_path: Path) -> None:
    # --8<-- [start:seen]
    assert not hears_sigterm(start_of(BROKEN), tmp_path)  # the shell got it: SIGKILL is next
    assert not any("HEALTHCHECK" in said for said in hadolint(BROKEN))  # no linter knows that there is no curl
    # --8<-- [end:seen]
    warnings = {said.split(": ")[1] for said in hadolint(BROKEN) if said.endswith("warning")}
    assert warnings == {"DL3042, warning", "DL3025, warning"}, "--no-cache-dir, and a list for CMD"


def test_without_a_shell_the_server_hears_it(tmp_path: Path) -> None:
    assert hears_sigterm(start_of(REPAIRED), tmp_path)
    assert hadolint(REPAIRED) == []


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="this is not a Debian")
def test_curl_is_no_part_of_a_small_debian() -> None:
    """Debian itself calls it optional, so no minimal image has it."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Priority} ${Essential}", "curl"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode != 0 or done.stdout == "optional no"
