"""Jobs whose workers are killed in the middle: with Celery on Redis and on SQS, and with the embedded worker."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.lessons.deployment.brokers import redis, sqs
from tests.lessons.deployment.processes import Process, running, until, uvicorn

pytestmark = pytest.mark.timeout(240)
Broker = Callable[[Path], AbstractContextManager[str]]


@contextlib.contextmanager
def worker(folder: Path, broker: str) -> Iterator[Process]:
    app = "tests.lessons.deployment.services:queue"
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]
    command = ["python", "-m", "celery", "--app", app, "worker", "--concurrency", "2", *quiet]
    with running(*command, folder=folder, BROKER_URL=broker) as process:
        yield process


def order(port: int, key: str) -> tuple[str, str]:
    """Order a job; its address and its id."""
    url = f"http://127.0.0.1:{port}"
    reply = httpx.post(f"{url}/jobs", json={"prompt": "hi"}, headers={"Idempotency-Key": key}, trust_env=False)
    assert reply.status_code == 202, reply.text
    return url + reply.headers["location"], reply.json()["id"]


def begun(folder: Path) -> list[tuple[int, str]]:
    """Who has begun which job: process and id."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / "begun").read_text().splitlines()
        return [(int(line.split()[0]), line.split()[1]) for line in lines]
    return []


def state(address: str) -> dict[str, str | None]:
    return httpx.get(address, trust_env=False).json()


def done(address: str) -> dict[str, str | None]:
    """Wait until a job is done."""
    until(lambda: state(address)["state"] == "done", f"{address} to be done")
    return state(address)


def test_a_child_that_is_killed_gives_its_job_back(tmp_path: Path) -> None:
    with redis(tmp_path) as broker, uvicorn("with_celery", folder=tmp_path, BROKER_URL=broker) as (_, port):
        with worker(tmp_path, broker) as working:
            address, id = order(port, "k1")
            until(lambda: begun(tmp_path), f"the job to be begun:\n{working.said}")
            child = begun(tmp_path)[0][0]
            assert child != working.popen.pid
            os.kill(child, signal.SIGKILL)
            until(lambda: len(begun(tmp_path)) == 2, f"another child to begin it:\n{working.said}")
            (tmp_path / "go").touch()
            assert done(address)["result"] == f"done by {begun(tmp_path)[1][0]}"
            assert [one for _, one in begun(tmp_path)] == [id, id]
        assert order(port, "k1")[1] == id, "and who asks again gets the job that is done"


@pytest.mark.parametrize("broker_of", [redis, sqs], ids=["redis", "sqs"])
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, broker_of: Broker) -> None:
    """Nobody is left to give the message back: it is handed out again when its visibility timeout is over."""
    with broker_of(tmp_path) as broker, uvicorn("with_celery", folder=tmp_path, BROKER_URL=broker) as (_, port):
        with worker(tmp_path, broker) as first:
            addresses = [order(port, f"k{n}")[0] for n in range(2)]
            until(lambda: len(begun(tmp_path)) == 2, f"both jobs to be begun:\n{first.said}")
            first.kill_all()
        assert [state(address)["state"] for address in addresses] == ["queued", "queued"]
        (tmp_path / "go").touch()
        with worker(tmp_path, broker) as second:
            results = [done(address)["result"] for address in addresses]
            assert set(results).isdisjoint(f"done by {pid}" for pid, _ in begun(tmp_path)[:2]), second.said
            before = len(begun(tmp_path))
            again = [order(port, f"k{n}")[0] for n in range(2)]
            assert again == addresses
            assert len(begun(tmp_path)) == before, "what is done is not sent again"


def test_an_embedded_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    with uvicorn("embedded", folder=tmp_path) as (first, port):
        address, id = order(port, "k1")
        until(lambda: begun(tmp_path), "the job to be begun")
        first.kill_all()
    (tmp_path / "go").touch()
    with uvicorn("embedded", folder=tmp_path) as (_, port):
        assert order(port, "k1")[1] == id
        address = f"http://127.0.0.1:{port}/jobs/{id}"
        assert done(address)["result"] is not None
        assert [one for _, one in begun(tmp_path)] == [id, id]
