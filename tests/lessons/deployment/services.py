"""What the tests of this folder start in other processes, made of the reference and of what the environment says."""

import importlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from fastapi import FastAPI

lesson: Any = importlib.import_module("solutions.07_deployment.app")
HERE = Path(os.environ.get("TEST_FOLDER", "."))  # where the processes of one test meet


async def until_told(prompt: str) -> AsyncIterator[str]:
    """A model that says a word every tenth of a second, until the file `finish` is there."""
    while not await anyio.Path(HERE / "finish").exists():
        yield "word "
        await anyio.sleep(0.1)
    yield "end"


def streaming() -> FastAPI:
    """A service whose streams end when the test says so, or when it is drained."""
    notice_s, deadline_s = (float(os.environ[name]) for name in ("NOTICE_S", "DEADLINE_S"))
    return lesson.create_app(drain=lesson.Drain(notice_s=notice_s, deadline_s=deadline_s), model=until_told)


def untouched() -> FastAPI:
    """The stub of the lesson, as `coach run 07` serves it on the first day."""
    return importlib.import_module("lessons.07_deployment.app").app


def work(job: Any) -> str:
    """A job that says who does it, and waits until the test lets it go."""
    with (HERE / "begun").open("a") as begun:
        begun.write(f"{os.getpid()} {job.id}\n")
    while not (HERE / "go").exists():
        time.sleep(0.05)
    return f"done by {os.getpid()}"


def table() -> Any:
    """The jobs of one test."""
    return lesson.SQLiteJobs(HERE / "jobs.db")


def embedded() -> FastAPI:
    """A service that works through its jobs itself."""
    jobs = table()
    return lesson.create_app(jobs=jobs, turn=lambda: lesson.work_once(jobs, work, lease_s=1))


def with_celery() -> FastAPI:
    """A service that hands its jobs to Celery."""
    return lesson.create_app(jobs=lesson.CeleryJobs(table(), celery()))


def celery() -> Any:
    """The reference's Celery on the broker of the environment; for SQS, at the address of the fake."""
    made = lesson.create_celery(os.environ["BROKER_URL"], table(), work, longest_job_s=1)
    if made.conf.broker_url.startswith("sqs"):
        here = {"region": "eu-central-1", "is_secure": False, "wait_time_seconds": 1, "polling_interval": 0.2}
    else:  # as it comes, a worker looks for messages whose time is over every 100 s
        here = {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    made.conf.broker_transport_options |= here
    return made


if "BROKER_URL" in os.environ:
    queue = celery()  # for `celery -A tests.lessons.deployment.services:queue worker`
