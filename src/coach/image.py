"""Build, start and stop the image of a lesson's reference, where a Docker engine answers."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from coach.lesson import Lesson

BUILD_S, HEALTHY_S, STOP_S = 900, 60, 40


class _Failed(Exception):
    """A docker command ended with an error; the text says which, and the last line that it wrote."""


def image_problems(lesson: Lesson, *, docker: str = "docker") -> Iterator[str]:
    """Yield what is wrong with the image of the reference; that nothing could be tried is a problem too.

    Args:
        lesson: the lesson; one whose reference has no Dockerfile has no problems.
        docker: the command of the engine.
    """
    if not (lesson.solution / "Dockerfile").is_file():
        return
    name = f"coach-check-{lesson.number}"
    folder = f"solutions/{lesson.folder}"
    try:
        _call(docker, "info", "--format", "{{.ServerVersion}}", seconds=20)
    except _Failed as error:
        yield f"{folder}: its image was not built, since no Docker engine answers. {error}"
        return
    try:
        _call(docker, "build", "--tag", name, str(lesson.solution), seconds=BUILD_S)
        _call(docker, "run", "--detach", "--name", name, "--publish", "127.0.0.1::8000", name)
        yield from _running(docker, name, folder)
    except _Failed as error:
        yield f"{folder}: {error}"
    finally:
        for leftover in (("rm", "--force", name), ("rmi", "--force", name)):
            subprocess.run([docker, *leftover], capture_output=True, check=False, timeout=60)


def _running(docker: str, name: str, folder: str) -> Iterator[str]:
    deadline = time.monotonic() + HEALTHY_S
    while (health := _call(docker, "inspect", "--format", "{{.State.Health.Status}}", name)) != "healthy":
        if health == "unhealthy" or time.monotonic() > deadline:
            logs = _call(docker, "logs", "--tail", "5", name).splitlines()
            yield f"{folder}: the container is {health}, not healthy. {' / '.join(logs)}"
            return
        time.sleep(0.5)
    if _call(docker, "exec", name, "id", "-u") == "0":
        yield f"{folder}: the container runs as root."
    ports = json.loads(_call(docker, "inspect", "--format", "{{json .NetworkSettings.Ports}}", name))
    address = f"http://127.0.0.1:{ports['8000/tcp'][0]['HostPort']}/health/ready"
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except OSError as error:
        yield f"{folder}: GET /health/ready from outside: {error}"
    began = time.monotonic()
    _call(docker, "stop", "--time", str(STOP_S), name, seconds=STOP_S + 20)
    status = _call(docker, "inspect", "--format", "{{.State.ExitCode}}", name)
    if status != "0":
        took = time.monotonic() - began
        killed = ", which is SIGKILL: SIGTERM did not reach the server" if status == "137" else ""
        yield f"{folder}: the container ended with status {status} {took:.0f} s after SIGTERM{killed}."


def _call(docker: str, *arguments: str, seconds: float = 60) -> str:
    """Run a docker command; return what it wrote, without the last line end."""
    try:
        done = subprocess.run(
            [docker, *arguments], capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise _Failed(f"`{Path(docker).name}` is not installed.") from None
    except subprocess.TimeoutExpired:
        raise _Failed(f"`docker {arguments[0]}` was not done after {seconds:g} s.") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise _Failed(f"`docker {arguments[0]}` failed: {last}")
    return done.stdout.strip()
