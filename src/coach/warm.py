"""Runs of pytest that need not import FastAPI again: forks of one process that has imported it.

`Warm` belongs to the side that grades; `main` is the other process. It imports modules that the course trusts, then
forks once for each request. It never runs anything of a submission itself, and holds nothing that a fork may not see.
"""

import ast
import contextlib
import gc
import importlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coach.lesson import CourseError, Lesson

# In this order: the alias has to come before anything that imports httpx.
ALWAYS = ("mockllm.alias", "pytest", "coach.plugin", "coach.sandbox", "mockllm.mock", "mockllm.router")


class Fork:
    """One run: a process that is the leader of its session."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self.args: list[str] = []
        self.returncode: int | None = None
        self._control = control

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it was still running after `timeout` seconds.
        """
        if self.returncode is None:
            self._control.settimeout(timeout)
            try:
                self.returncode = int(_receive(self._control)[0]["code"])
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            except (EOFError, OSError):
                self.returncode = -signal.SIGKILL  # whoever would tell was ended by the run: the run is ended too
            finally:
                self._control.settimeout(None)
        return self.returncode


class Warm:
    """Starts runs of pytest in forks of one process, one at a time."""

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        """Start the process; it imports `modules` and keeps `env` until a run brings its own.

        Raises:
            OSError: the process cannot be started.
        """
        self._latest: Fork | None = None
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "coach.warm", str(theirs.fileno())],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        _send(self._control, {"modules": list(modules)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def start(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: int, records: int | None = None
    ) -> Fork:
        """Run pytest with `arguments`; `{records}` in one of them becomes the descriptor of `records` over there.

        Args:
            arguments: as on the command line, without the program.
            cwd: where it runs.
            env: its whole environment.
            output: descriptor for standard output and error.
            records: a descriptor that is handed on.

        Raises:
            CourseError: the process is gone.
        """
        try:
            request = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
            _send(self._control, request, (output,) if records is None else (output, records))
            self._latest = Fork(int(_receive(self._control)[0]["pid"]), self._control)
            return self._latest
        except (OSError, EOFError) as error:
            raise CourseError(f"The process that starts gradings is gone ({error!r}). Run the command again.") from None

    @property
    def alive(self) -> bool:
        """Whether it can start another run."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, and a run that is still going on."""
        if self._latest and self._latest.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._latest.pid, signal.SIGKILL)
        self._control.close()
        self._process.wait()


def modules_of(lesson: Lesson) -> list[str]:
    """Return what the lesson's suite and reference import, wherever in the file: a fork then has it already.

    A file that cannot be read adds nothing; the run will say what is wrong with it.
    """
    found: dict[str, None] = dict.fromkeys(ALWAYS)
    files = [lesson.suite, *sorted(lesson.solution.rglob("*.py"))]
    if lesson.capstone:  # the capstone itself is only there in the run; what it imports is here as well
        course = lesson.path.parent.parent
        files += sorted(file for place in ("capstone", "solutions") for file in (course / place).rglob("*.py"))
    for file in files:
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= dict.fromkeys(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found[node.module] = None
    return list(found)


def main() -> None:
    """Import, then fork a run for every request until the other side closes its end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        for name in _receive(control)[0]["modules"]:
            with contextlib.suppress(ImportError):  # an extra that is not installed: the run will say so itself
                importlib.import_module(name)
        gc.freeze()  # so that collecting in a fork does not copy every page
        for request, descriptors in _requests(control):
            pid = os.fork()
            if pid == 0:
                control.close()
                _run(request, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            _send(control, {"pid": pid})
            _, status = os.waitpid(pid, 0)
            _send(control, {"code": os.waitstatus_to_exitcode(status)})
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _requests(control: socket.socket) -> Iterator[tuple[dict[str, Any], list[int]]]:
    while True:
        yield _receive(control)


def _run(request: Mapping[str, Any], output: int, records: int = -1) -> None:
    """Become the run: own session, own output, own environment; never returns."""
    import pytest

    os.setsid()
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    random.seed()
    code = 3  # pytest's own word for an internal error
    try:
        code = int(pytest.main([one.replace("{records}", str(records)) for one in request["arguments"]]))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _send(to: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    data = json.dumps(message).encode()
    data = struct.pack("!I", len(data)) + data
    sent = socket.send_fds(to, [data], list(descriptors)) if descriptors else 0
    to.sendall(data[sent:])


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read one message and the descriptors that came with it.

    Raises:
        EOFError: the other side has closed its end.
    """
    head, descriptors, _, _ = socket.recv_fds(control, 4, 4)
    if len(head) < 4:
        raise EOFError("the other side is gone")
    (length,) = struct.unpack("!I", head)
    data = b""
    while len(data) < length:
        if not (part := control.recv(length - len(data))):
            raise EOFError("the other side is gone")
        data += part
    return json.loads(data), list(descriptors)


if __name__ == "__main__":
    main()
