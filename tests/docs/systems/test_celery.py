"""Celery and SQS: a job over a real queue, and one that nobody has ever sent. Shown on docs/systems/celery.md."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import task_postrun
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from tests.docs.systems.queue_app import BILL, JOBS, answer_prompt, queue
from tests.lessons.deployment.brokers import sqs
from tests.lessons.deployment.processes import until

pytestmark = pytest.mark.timeout(60)


def broken(queue: Celery) -> FastAPI:
    app = FastAPI()

    # --8<-- [start:broken]
    @app.get("/jobs/{job_id}")
    def read_job(job_id: str) -> dict[str, str]:
        return {"state": queue.AsyncResult(job_id).state}

    # --8<-- [end:broken]
    return app


def repaired(jobs: dict[str, str]) -> FastAPI:
    app = FastAPI()

    # --8<-- [start:repaired]
    @app.get("/jobs/{job_id}")
    def read_job(job_id: str) -> dict[str, str]:
        # our own table, written before the 202
        if (state := jobs.get(job_id)) is None:
            raise HTTPException(404, "There is no such job.")
        return {"state": state}

    # --8<-- [end:repaired]
    return app


def test_a_job_goes_over_sqs_and_is_done_once(tmp_path: Path) -> None:
    handled: list[str] = []
    order: Any = answer_prompt

    def note(**signal: Any) -> None:
        handled.append(signal["args"][0])

    task_postrun.connect(note)
    with sqs(tmp_path) as broker, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kombu's and the worker's own
        options = {**queue.conf.broker_transport_options, "is_secure": False}  # moto speaks HTTP alone
        queue.conf.update(broker_url=broker, broker_transport_options=options)
        JOBS["j1"] = "queued"
        order.delay("j1")
        order.delay("j1")
        working: Any = start_worker(queue, pool="solo", perform_ping_check=False, shutdown_timeout=20)
        with working:
            until(lambda: len(handled) == 2, "both messages to be handled")
    assert handled == ["j1", "j1"]
    assert (JOBS["j1"], BILL) == ("done", ["j1"])


def test_a_job_that_never_was_is_pending() -> None:
    caller = TestClient(broken(Celery("jobs", broker="memory://", backend="cache+memory://")))
    # --8<-- [start:seen]
    # for ever, like one whose result has expired
    assert caller.get("/jobs/made-up").json() == {"state": "PENDING"}
    # --8<-- [end:seen]


def test_a_job_that_never_was_is_404() -> None:
    caller = TestClient(repaired({"j1": "queued"}))
    assert caller.get("/jobs/j1").json() == {"state": "queued"}
    assert caller.get("/jobs/made-up").status_code == 404
