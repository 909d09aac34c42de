"""uvicorn: the command, and connections that end too early. Shown on docs/systems/uvicorn.md."""

# ruff: noqa: RET504 - what the page shows is the assignment

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import uvicorn

from tests.docs.systems.servers import command
from tests.docs.systems.service import app
from tests.docs.traps.serving import served


def broken() -> uvicorn.Config:
    # --8<-- [start:broken]
    config = uvicorn.Config(app)  # or `uvicorn main:app`
    # --8<-- [end:broken]
    return config


def repaired() -> uvicorn.Config:
    # --8<-- [start:repaired]
    # longer than whoever stands in front
    config = uvicorn.Config(app, timeout_keep_alive=75)
    # --8<-- [end:repaired]
    return config


class Balancer:
    """A load balancer in its one habit that matters: it keeps its connection, and sends the next request on it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def get(self, path: str) -> int:
        """Return the status; 502 if there is none."""
        try:
            self.connection.sendall(f"GET {path} HTTP/1.1\r\nhost: service.test\r\n\r\n".encode())
            response = HTTPResponse(self.connection)
            response.begin()
            response.read()
        except OSError:  # the connection has ended; RemoteDisconnected is one too
            return 502
        return response.status

    def is_left(self, patience_s: float = 20) -> bool:
        """Wait until the service hangs up; False if it does not."""
        self.connection.settimeout(patience_s)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False


@contextmanager
def balanced(url: str) -> Iterator[Balancer]:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        yield Balancer(connection)


def test_the_command_serves_and_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    with command("uvicorn", tmp_path) as (process, url):
        assert httpx.get(f"{url}/pid", trust_env=False).json() == process.popen.pid, "no shell in between"
        process.terminate()
        assert process.status() in (0, -15)
        assert "Finished server process" in process.said


def test_an_idle_connection_is_left_under_the_balancer() -> None:
    # --8<-- [start:seen]
    # seconds; a load balancer keeps idle connections for a minute
    assert broken().timeout_keep_alive == 5
    with served(app, timeout_keep_alive=1) as url, balanced(url) as balancer:
        assert balancer.get("/pid") == 200
        assert balancer.is_left()  # after a second; the balancer does not look
        # for whoever asked, and your log has no line of it
        assert balancer.get("/pid") == 502
    # --8<-- [end:seen]


def test_who_waits_longer_than_the_balancer_leaves_nobody() -> None:
    with served(app, timeout_keep_alive=repaired().timeout_keep_alive) as url, balanced(url) as balancer:
        assert balancer.get("/pid") == 200
        assert not balancer.is_left(patience_s=2)
        assert balancer.get("/pid") == 200
