"""A capstone in a process of its own, as its users have it: a real uvicorn on a free port, and it can be killed."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

ROOT = Path(__file__).resolve().parents[2]
STARTED_WITHIN_S = 30
APP = os.environ.get("CAPSTONE_TEST_APP", "capstone.main:app")


@dataclass
class Service:
    """One running capstone."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    client: httpx.Client  # with the key `demo`

    def kill(self) -> None:
        """End it as `kill -9` does: nothing of it runs any more."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as a deployment does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    @property
    def memory(self) -> int:
        """Bytes of memory that it has."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait_for_line(self, words: str, *, within_s: float = 15) -> None:
        """Wait until its log says these words."""
        deadline = time.monotonic() + within_s
        while words not in self.log.read_text(errors="replace"):
            assert time.monotonic() < deadline, f"nothing in the log says {words!r}:\n{self.log.read_text()}"
            time.sleep(0.02)

    def until(self, path: str, ready: Callable[[Any], bool], *, within_s: float = 15) -> Any:
        """Return what `GET path` says as soon as that is `ready`."""
        deadline = time.monotonic() + within_s
        while True:
            said = self.client.get(path).json()
            if ready(said):
                return said
            assert time.monotonic() < deadline, f"GET {path} still says {said}"
            time.sleep(0.02)


@contextmanager
def serve(data: Path, *options: str, app: str = APP, **env: Any) -> Iterator[Service]:
    """Start a capstone with its files in `data`; `env` are more variables of its environment."""
    log = data.with_name(f"{data.name}.{time.monotonic_ns()}.log")
    known = {
        name: value for name, value in os.environ.items() if not name.startswith(("CAPSTONE_", "OPENAI_", "ANTHROPIC_"))
    }
    settings = {"CAPSTONE_DATA": str(data), "CAPSTONE_PARTS": "reference", "CAPSTONE_CORPUS": "nowhere", **env}
    command = [sys.executable, "-m", "uvicorn", app, "--port", "0", *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=out, env={**known, **{k: str(v) for k, v in settings.items()}}
        )
    try:
        url = _url(process, log)
        with httpx.Client(base_url=url, headers={"Authorization": "Bearer demo"}, timeout=20) as client:
            yield Service(process, url, log, client)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line in which uvicorn says where it listens."""
    deadline = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < deadline:
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text(errors="replace")):
            host, port = found[1].removeprefix("http://").split(":")
            try:  # with several workers the line comes before the first of them listens
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return found[1]
        assert process.poll() is None, f"it did not start:\n{log.read_text()}"
        time.sleep(0.02)
    raise AssertionError(f"it did not start within {STARTED_WITHIN_S} s:\n{log.read_text()}")
