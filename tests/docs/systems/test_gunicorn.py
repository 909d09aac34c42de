"""gunicorn: the command, and a worker that is taken for dead. Shown on docs/systems/gunicorn.md."""

import importlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.docs.systems.servers import command
from tests.lessons.deployment.processes import Process, until

pytestmark = pytest.mark.timeout(120)
ONE_WORKER = ("--workers 2", "--workers 1")
IMPATIENT = ("--timeout 30", "--timeout 3")  # so that the test need not wait for half a minute


class Caller(threading.Thread):
    """Asks for something that takes long, and notes what came."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.said = url, "nothing yet"
        self.start()

    def run(self) -> None:
        try:
            self.said = httpx.get(self.url, timeout=60, trust_env=False).text
        except httpx.TransportError as error:
            self.said = type(error).__name__


@dataclass
class Patient:
    process: Process
    url: str
    folder: Path
    worker: int
    report: Caller
    began: float


def pid(url: str) -> int:
    return httpx.get(f"{url}/pid", timeout=20, trust_env=False).json()


def test_two_workers_serve_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    with command("gunicorn", tmp_path) as (process, url):
        workers: set[int] = set()
        until(lambda: workers.add(pid(url)) or len(workers) == 2, "two processes to answer")
        os.kill(min(workers), signal.SIGKILL)
        until(lambda: len({pid(url) for _ in range(8)} - workers) == 1, f"a third one to answer:\n{process.said}")
        process.terminate()
        assert process.status() == 0


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """A gunicorn that works on a report in a thread, while the test beside it waits for a worker to be killed."""
    folder = tmp_path_factory.mktemp("patient")
    with command("gunicorn", folder, ONE_WORKER, IMPATIENT) as (process, url):
        yield Patient(process, url, folder, pid(url), Caller(f"{url}/report/in-a-thread"), time.monotonic())


def test_a_worker_that_is_busy_is_killed_with_all_that_it_has(tmp_path: Path, patient: Patient) -> None:
    with command("gunicorn", tmp_path, ONE_WORKER, IMPATIENT) as (process, url):
        # --8<-- [start:seen]
        before = pid(url)
        report = Caller(f"{url}/report")
        report.join(60)
        assert report.said == "RemoteProtocolError"  # no status: the connection ended
        # "the loop has not turned for `--timeout` seconds"
        assert "WORKER TIMEOUT" in process.said
        assert pid(url) != before  # with every stream that the old one had open
        # --8<-- [end:seen]


def test_a_loop_that_turns_is_alive_however_long_a_request_takes(patient: Patient) -> None:
    time.sleep(max(0, patient.began + 4.5 - time.monotonic()))  # longer than --timeout, and than the arbiter's turn
    assert "WORKER TIMEOUT" not in patient.process.said
    (patient.folder / "go").touch()
    patient.report.join(60)
    assert patient.report.said == '"a report"'
    assert pid(patient.url) == patient.worker


def test_it_has_a_worker_of_its_own_for_asgi(tmp_path: Path) -> None:
    own = ("--worker-class uvicorn_worker.UvicornWorker", "--worker-class asgi")
    with command("gunicorn", tmp_path, ONE_WORKER, own) as (process, url):
        assert pid(url) != process.popen.pid
        assert httpx.get(f"{url}/pid", trust_env=False).headers["server"] == "gunicorn/asgi"


def test_the_class_of_older_pages_says_where_it_went() -> None:
    with pytest.warns(DeprecationWarning, match="uvicorn-worker"):
        importlib.import_module("uvicorn.workers")
