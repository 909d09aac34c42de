"""Jobs that other processes work on: Celery on Redis and on SQS, and PostgreSQL that knows all else about them."""

import contextlib
import io
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from capstone.main import create_app
from capstone.services.broker import make_celery
from capstone.settings import Settings
from capstone.startup import UnsafeSettings
from mockllm import MockLLM
from tests.capstone.inside import Running, capstone
from tests.conftest import ROOT
from tests.lessons.deployment.brokers import sqs
from tests.lessons.deployment.processes import Process
from tests.scale.cluster import Cluster, open_cluster
from tests.scale.neighbors import Postgres

pytestmark = pytest.mark.timeout(90)
LEASE = {"CAPSTONE_JOB_LEASE_S": 1}
LEAN = ("--without-mingle", "--without-gossip", "--without-heartbeat")  # a worker of ours has nothing to say to others


@contextlib.contextmanager
def accepting(cluster: Cluster, **more: Any) -> Iterator[Running]:
    """One instance of a cluster, in this process."""
    given = {
        name.removeprefix("CAPSTONE_").lower() if name.startswith("CAPSTONE_") else name: value
        for name, value in cluster.env(**more).items()
    }
    with capstone(cluster.folder / f"inside-{time.monotonic_ns()}", **{**given, "corpus": None}) as running:
        yield running


@pytest.fixture(scope="module")
def shared(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Running, Process]]:
    """A cluster with one instance and one worker, which nobody stops."""
    with open_cluster(postgres, tmp_path_factory.mktemp("celery")) as one, accepting(one, **LEASE) as running:
        yield one, running, one.worker(*LEAN, **LEASE)


def order(running: Running, *prompts: str) -> str:
    """Order a job; return its id."""
    reply = running.client.post("/jobs", json={"prompts": list(prompts)})
    assert reply.status_code == 202, reply.text
    return reply.json()["id"]


def job(running: Running, job_id: str) -> dict[str, Any]:
    return running.client.get(f"/jobs/{job_id}").json()


def until(seen: Callable[[], Any], what: Callable[[], object], *, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < end, what()
        time.sleep(0.02)
    return found


def until_over(running: Running, job_id: str, *workers: Process) -> dict[str, Any]:
    def said() -> str:
        lines = [line for line in running.log.getvalue().splitlines() if "capstone.requests" not in line]
        return "\n".join([str(job(running, job_id)), *lines, *(one.said for one in workers)])

    return until(lambda: job(running, job_id)["state"] not in ("queued", "running") and job(running, job_id), said)


def texts(running: Running, job_id: str) -> list[str]:
    answers = running.client.get(f"/jobs/{job_id}/result").json()["answers"]
    return [one["text"].rsplit(maxsplit=1)[-1] for one in answers]


def asked(llm: MockLLM) -> list[str]:
    return [one.json["messages"][-1]["content"] for one in llm.requests if one.path.endswith("/chat/completions")]


def test_a_worker_that_is_killed_in_mid_job_loses_nothing_and_pays_for_no_answer_twice(cluster: Cluster) -> None:
    llm = cluster.llm
    llm.when("slow").hang()
    with accepting(cluster, **LEASE) as running:
        first = cluster.worker(*LEAN, **LEASE)
        id = order(running, "fast", "slow", "last")
        until(lambda: job(running, id)["answered"] == 2 and "slow" in asked(llm), lambda: first.said)
        first.kill_all()
        llm.reset()
        second = cluster.worker(*LEAN, **LEASE)
        assert until_over(running, id, second)["state"] == "done"
        assert texts(running, id) == ["fast", "slow", "last"]
        assert asked(llm) == ["slow"], "what was answered is asked again"


def test_a_worker_that_is_told_to_end_gives_its_jobs_back_at_once(cluster: Cluster) -> None:
    cluster.llm.when("slow").hang()
    with accepting(cluster) as running:
        worker = cluster.worker(*LEAN)
        id = order(running, "fast", "slow")
        until(lambda: job(running, id)["answered"] == 1 and cluster.llm.in_flight, lambda: worker.said)
        worker.terminate()
        assert worker.status() == 0, worker.said
        assert job(running, id)["state"] == "queued", "its lease is half a minute"
        assert not cluster.llm.in_flight


def test_a_message_that_comes_again_and_again_is_one_job(shared: tuple[Cluster, Running, Process]) -> None:
    cluster, running, worker = shared
    celery, id = make_celery(running.service.settings), order(running, "once", "only")
    for _ in range(5):
        celery.send_task("run_job", [id])
    celery.close()
    until_over(running, id, worker)
    until(lambda: worker.log.read_text().count("succeeded in") >= 6, lambda: worker.said)
    assert sorted(one for one in asked(cluster.llm) if one in ("once", "only")) == ["once", "only"]


def test_a_cancel_ends_the_call_that_is_open_in_another_process(shared: tuple[Cluster, Running, Process]) -> None:
    cluster, running, worker = shared
    cluster.llm.when("long").hang()
    id = order(running, "short", "long")
    until(lambda: job(running, id)["answered"] == 1 and cluster.llm.in_flight, lambda: worker.said)
    assert running.client.post(f"/jobs/{id}/cancel").json()["state"] == "cancelled"
    until(lambda: not cluster.llm.in_flight, lambda: "the provider still works")
    assert texts(running, id) == ["short"]


def test_while_the_broker_is_away_jobs_are_accepted_and_then_they_are_done(
    shared: tuple[Cluster, Running, Process],
) -> None:
    cluster, running, worker = shared
    cluster.redis.kill()  # with whatever waited in it
    id = order(running, "patience")
    until(lambda: "the broker is away" in running.log.getvalue(), running.log.getvalue)
    assert job(running, id)["state"] == "queued"
    cluster.redis.start()
    assert until_over(running, id, worker)["state"] == "done"


def test_jobs_go_through_sqs_as_well(cluster: Cluster) -> None:
    with sqs(cluster.folder) as url:
        broker = {"CAPSTONE_BROKER_URL": url}
        with accepting(cluster, **broker) as running:
            worker = cluster.worker(*LEAN, **broker)
            id = order(running, "one", "two")
            assert until_over(running, id, worker)["state"] == "done"
            assert texts(running, id) == ["one", "two"]
            assert sorted(asked(cluster.llm)) == ["one", "two"]
            worker.terminate()
            assert worker.status() == 0, worker.said


def test_without_a_broker_instances_do_the_jobs_themselves_and_each_once(cluster: Cluster) -> None:
    alone = {**LEASE, "CAPSTONE_BROKER_URL": None}
    with accepting(cluster, **alone) as one, accepting(cluster, **alone) as two:
        ids = [order(one if n % 2 else two, f"a{n}", f"b{n}") for n in range(10)]
        for id in ids:
            assert until_over(one, id)["state"] == "done"
    assert sorted(asked(cluster.llm)) == sorted(f"{part}{n}" for n in range(10) for part in "ab")


def test_an_answer_that_is_paid_for_outlives_an_outage_of_the_database(cluster: Cluster) -> None:
    gate = cluster.llm.when("slow").tokens(["quite ", "slow"]).step()
    with accepting(cluster, **LEASE, CAPSTONE_BROKER_URL=None) as running:
        id = order(running, "fast", "slow", "last")
        until(lambda: job(running, id)["answered"] == 2 and cluster.llm.in_flight, running.log.getvalue)
        cluster.database.cut()
        gate.open()
        until(lambda: f"job {id} waits for the database" in running.log.getvalue(), running.log.getvalue)
        time.sleep(1.5)  # until its lease is over as well
        cluster.database.mend()
        until(lambda: running.client.get(f"/jobs/{id}").status_code == 200, running.log.getvalue)
        assert until_over(running, id)["state"] == "done"
        assert texts(running, id) == ["fast", "slow", "last"]
        assert sorted(asked(cluster.llm)) == ["fast", "last", "slow"]


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"broker_url": "redis://localhost"}, "CAPSTONE_DATABASE_URL"),
        ({"broker_url": "redis://localhost", "database_url": "sqlite+aiosqlite:///x.db"}, "CAPSTONE_DATABASE_URL"),
        ({"broker_url": "amqp://:secret@localhost", "database_url": "postgresql://x"}, "redis:// or sqs://"),
        ({"redis_url": "localhost:6379"}, "CAPSTONE_REDIS_URL"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start_in_words(tmp_path: Path, chosen: dict[str, Any], says: str) -> None:
    with pytest.raises(UnsafeSettings) as refused:
        create_app(Settings(_env_file=None, data=tmp_path, **chosen), io.StringIO())  # type: ignore[call-arg]
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_broker_has_to_show_a_certificate() -> None:
    settings = Settings(_env_file=None, broker_url=SecretStr("rediss://:x@localhost:1"))  # type: ignore[call-arg]
    with make_celery(settings).connection_for_write() as connection:
        assert connection.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}


NOBODY = {"CAPSTONE_BROKER_URL": "redis://127.0.0.1:1", "CAPSTONE_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}
NOBODY["CAPSTONE_DATABASE_PATIENCE_S"] = "0.1"


@pytest.mark.parametrize(
    ("more", "says"), [({}, "capstone: CAPSTONE_BROKER_URL is not set"), (NOBODY, "is CAPSTONE_DATABASE_URL right?")]
)
def test_a_worker_that_cannot_work_says_why_and_ends(tmp_path: Path, more: dict[str, str], says: str) -> None:
    env = {"PATH": os.environ["PATH"], "CAPSTONE_DATA": str(tmp_path), "CAPSTONE_PARTS": "reference", **more}
    command = [sys.executable, "-m", "celery", "-A", "capstone.worker", "worker"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
