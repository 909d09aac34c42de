"""SIGTERM at a real uvicorn that runs the reference, with streams open."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lessons.deployment.processes import listens, until, uvicorn

pytestmark = pytest.mark.timeout(180)


class Reader(threading.Thread):
    """Reads one stream to its end. `error` is what a real client would raise."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.got = b""
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps({"prompt": "hello", "stream": True})
            connection.request("POST", "/chat", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            while chunk := response.read1(65_536):
                self.got += chunk
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    @property
    def last(self) -> bytes:
        """Its last event."""
        return self.got.removesuffix(b"\n\n").rpartition(b"\n\n")[2]


def ready(port: int) -> int | None:
    """The status of the readiness probe, None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@contextmanager
def streams(port: int, number: int) -> Iterator[list[Reader]]:
    """So many readers, each of which has got something."""
    readers = [Reader(port) for _ in range(number)]
    until(lambda: all(reader.got or reader.error for reader in readers), "every stream to begin")
    assert [reader.error for reader in readers] == [None] * number
    yield readers
    for reader in readers:
        reader.join(60)


def test_twenty_streams_finish_nobody_new_comes_in_and_the_status_is_zero(tmp_path: Path) -> None:
    with uvicorn("streaming", folder=tmp_path, NOTICE_S="3", DEADLINE_S="60") as (server, port):
        assert ready(port) == 200
        with streams(port, 20) as readers:
            server.terminate()
            until(lambda: ready(port) == 503, "the probe to say that it drains", seconds=2.9)
            late = Reader(port)  # the load balancer has not noticed yet
            until(lambda: late.got or late.error, "a late request to be served")
            until(lambda: not listens(port), "the door to be closed")
            before = [len(reader.got) for reader in readers]
            until(lambda: all(len(r.got) > n for r, n in zip(readers, before, strict=True)), "the streams to go on")
            (tmp_path / "finish").touch()
        late.join(60)
        assert server.status() == 0, server.said
    for reader in [*readers, late]:
        assert reader.error is None
        assert reader.last == b'event: delta\ndata: {"text": "end"}'


def test_who_has_not_finished_at_the_deadline_is_told_and_the_status_is_zero(tmp_path: Path) -> None:
    with (
        uvicorn("streaming", folder=tmp_path, NOTICE_S="0", DEADLINE_S="2") as (server, port),
        streams(port, 5) as readers,
    ):
        server.terminate()
        assert server.status() == 0, server.said
    for reader in readers:
        assert reader.error is None, "the chunked body has its end"
        name, _, data = reader.last.partition(b"\ndata: ")
        assert (name, json.loads(data)["type"]) == (b"event: error", "shutting_down")


def test_with_two_workers_it_is_the_same(tmp_path: Path) -> None:
    with (
        uvicorn("streaming", "--workers", "2", folder=tmp_path, NOTICE_S="0", DEADLINE_S="2") as (server, port),
        streams(port, 4) as readers,
    ):
        server.terminate()
        assert server.status() == 0, server.said
    assert {reader.last.split(b"\n")[0] for reader in readers} == {b"event: error"}


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    with (
        uvicorn("streaming", folder=tmp_path, NOTICE_S="0", DEADLINE_S="3") as (server, port),
        streams(port, 2) as readers,
    ):
        server.terminate()
        until(lambda: not listens(port), "the door to be closed")
        server.terminate()
        assert server.status() == 0, server.said
    assert {reader.last.split(b"\n")[0] for reader in readers} == {b"event: error"}


def test_the_untouched_stub_serves_and_ends(tmp_path: Path) -> None:
    """Who has not written the drain yet can try the other tasks by hand, and stop what `coach run 07` started."""
    with uvicorn("untouched", folder=tmp_path) as (server, port):
        reader = Reader(port)
        reader.join(60)
        assert reader.error is None
        server.terminate()
        assert server.status() == 0, server.said
        assert "TODO 07.6" in server.said, "of the route that was asked"
        assert "TODO 07.2" in server.said, "of the drain"
