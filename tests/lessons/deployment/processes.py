"""Processes of a test: started with what they need and nothing else, waited for, and ended with all their children."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.conftest import ROOT

PATIENCE_S = 60.0
T = TypeVar("T")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def until(seen: Callable[[], T], what: str, *, seconds: float = PATIENCE_S) -> T:
    """Wait until `seen()` is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.02)
    return found


def listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


class Process:
    """A process of a test, its output in a file."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str], cwd: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def kill_all(self) -> None:
        """End it and its children with SIGKILL, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(PATIENCE_S)

    def status(self) -> int:
        """Wait for its end."""
        try:
            return self.popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self.said}") from None

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4_000:]


@contextlib.contextmanager
def running(*command: str, folder: Path, cwd: Path = ROOT, **environment: str) -> Iterator[Process]:
    """Run a command; `python` is ours."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TEST_FOLDER": str(folder),
        **environment,
    }
    words = [sys.executable if word == "python" else word for word in command]
    process = Process(words, folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log", given, cwd)
    try:
        yield process
    finally:
        process.kill_all()


@contextlib.contextmanager
def uvicorn(factory: str, *options: str, folder: Path, **environment: str) -> Iterator[tuple[Process, int]]:
    """Serve a factory of `services.py` in a process of its own; returns when it listens."""
    port = free_port()
    address = f"tests.lessons.deployment.services:{factory}"
    command = ["python", "-m", "uvicorn", "--factory", address, "--port", str(port), *options]
    with running(*command, folder=folder, cwd=ROOT, **environment) as process:
        until(lambda: listens(port) or process.popen.poll() is not None, "uvicorn to listen")
        assert process.popen.poll() is None, process.said
        yield process, port
