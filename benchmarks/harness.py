"""What the benchmarks share: servers on cores of their own, stopped whatever happens, and the machine in words."""

import contextlib
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SERVERS = ROOT / "benchmarks" / "servers"
INSTALL = "pip install -r requirements-bench.lock"
START_WITHIN_S = 30.0
ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def stop_cleanly() -> None:
    """Turn the signals that end a benchmark into KeyboardInterrupt, so that what it started is stopped."""
    for one in ENDINGS:
        signal.signal(one, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C does not disturb the unwinding.
    for one in ENDINGS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def write(file: Path, text: str) -> None:
    """Write a file, and its folder where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")
    say(f"wrote {file}")


def say(words: str) -> None:
    """Tell the person who waits, and keep stdout for the result."""
    print(words, file=sys.stderr, flush=True)


def uvicorn(app: str, port: int, *more: str) -> list[str]:
    """Return the command that serves an ASGI app on a port."""
    return [
        *(sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools", "--timeout-keep-alive", "75"),
        *("--no-access-log", "--log-level", "warning", *more),
    ]


@contextlib.contextmanager
def started(
    command: Sequence[str], port: int, environment: Mapping[str, str], core: int | None, cwd: Path = SERVERS
) -> Iterator[int]:
    """Start a server in a process group of its own, wait until it listens, yield the group, stop it.

    What it prints goes to a file, as a service's log does, and is shown only if it does not start.
    """
    with tempfile.TemporaryFile() as log:
        with pinned(core):
            process = subprocess.Popen(
                command, cwd=cwd, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            try:
                wait_until_it_listens(process, port, command)
            except SystemExit:
                log.seek(0)
                say(log.read().decode(errors="replace")[-3000:])
                raise
            yield process.pid  # the leader's id is the group's
        finally:
            stop(process)


def stop(process: "subprocess.Popen[Any]") -> None:
    """End a process, and then whatever is left of the group that it leads."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)  # a server that waits for open requests need not be waited for
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_it_listens(process: "subprocess.Popen[Any]", port: int, command: Sequence[str]) -> None:
    """Return when something accepts connections on the port."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    sys.exit(f"No server within {START_WITHIN_S:.0f} s from: {' '.join(command)}\nInstalled? {INSTALL}")


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cores() -> tuple[int | None, int | None]:
    """Return a core for the server and another for the rest, or nothing where there is no choice."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Stay on a core, so that a process started meanwhile inherits it from its first thread on."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def load_average() -> list[float]:
    """Return how many processes wanted a core, on average over 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]


def machine() -> dict[str, Any]:
    """Return what a reader has to know about the machine that figures were taken on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "pinned": cores()[0] is not None,
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of what is compared, or leave with the command that installs it."""
    try:
        return {name: version(name) for name in packages}
    except PackageNotFoundError as error:
        sys.exit(f"{error.name} is not installed: {INSTALL}")
