"""Jobs: work that takes longer than a request may. Accepted, kept in a table, never lost, done once in effect."""

import asyncio
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from anyio import to_thread
from fastapi import APIRouter, Header, HTTPException, Response
from pydantic import BaseModel, Field

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """Given: work that takes longer than a request may."""

    id: str
    payload: str
    state: Literal["queued", "running", "done", "failed"] = "queued"
    result: str | None = None


class KeyReused(Exception):
    """Given: an idempotency key came again, with another payload."""


class Jobs(Protocol):
    """Given: the port. Routes know no more of jobs than this."""

    def submit(self, key: str, payload: str) -> Job:
        """Accept a job, or return the one that this key was accepted for; KeyReused if its payload was another."""
        ...

    def status(self, id: str) -> Job | None:
        """Return a job as it stands, None if there is none."""
        ...


class SQLiteJobs:
    """Jobs in a table, which outlives every process. For one machine; for more, the same SQL on a server."""

    most_tries = 3  # a job whose workers have died as often as this is given up

    def __init__(self, path: str | Path = ":memory:") -> None:
        self.lock, self.db = threading.Lock(), sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, payload TEXT NOT NULL,"
            " state TEXT NOT NULL DEFAULT 'queued', result TEXT, tries INTEGER NOT NULL DEFAULT 0, lease_until REAL)"
        )

    def run(self, sql: str, *values: object) -> list[Job]:
        """Given: run one statement, which happens as a whole or not at all; return its rows as jobs."""
        with self.lock:
            rows = self.db.execute(sql, values).fetchall()
        return [Job(row["id"], row["payload"], row["state"], row["result"]) for row in rows]

    def status(self, id: str) -> Job | None:
        """Given: return a job as it stands, None if there is none."""
        return next(iter(self.run("SELECT * FROM jobs WHERE id = ?", id)), None)

    def submit(self, key: str, payload: str) -> Job:
        """Accept a job, or return the one that this key was accepted for; KeyReused if its payload was another."""
        # TODO 07.7: one job for one key, whoever else asks at the same moment.
        # >>> solution
        # The database decides who was first. Who looks, finds nothing and then inserts is not alone in doing so.
        sql = "INSERT INTO jobs (id, key, payload) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
        self.run(sql, uuid.uuid4().hex, key, payload)
        (job,) = self.run("SELECT * FROM jobs WHERE key = ?", key)
        if job.payload != payload:
            raise KeyReused(key)
        return job
        # <<< solution

    def claim(self, now: float, *, lease_s: float = 60) -> Job | None:
        """Take the next job to do, for `lease_s` seconds; None if there is none."""
        # TODO 07.8: the oldest that waits, or whose lease has run out; after `most_tries` leases it is `failed`.
        # >>> solution
        # A lease that has run out is a worker that died, and a job may be what killed it.
        sql = "UPDATE jobs SET state = 'failed' WHERE state = 'running' AND lease_until <= ? AND tries >= ?"
        self.run(sql, now, self.most_tries)
        sql = (
            "UPDATE jobs SET state = 'running', tries = tries + 1, lease_until = ? WHERE id = (SELECT id FROM jobs"
            " WHERE state = 'queued' OR state = 'running' AND lease_until <= ? ORDER BY rowid LIMIT 1) RETURNING *"
        )
        return next(iter(self.run(sql, now + lease_s, now)), None)
        # <<< solution

    def finish(self, id: str, result: str, *, state: str = "done") -> bool:
        """Keep the result of a job. False if it was finished before: then that result stands."""
        # TODO 07.8: the first result counts, also when two workers come with one at the same moment.
        # >>> solution
        sql = "UPDATE jobs SET state = ?, result = ? WHERE id = ? AND state NOT IN ('done', 'failed') RETURNING *"
        return bool(self.run(sql, state, result, id))
        # <<< solution


def work_once(jobs: SQLiteJobs, work: Callable[[Job], str], *, lease_s: float = 60) -> bool:
    """Given: the embedded worker's turn. False if there is nothing to do."""
    if not (job := jobs.claim(time.time(), lease_s=lease_s)):
        return False
    try:
        jobs.finish(job.id, work(job))
    except Exception as error:
        logger.exception("job %s failed", job.id)
        jobs.finish(job.id, type(error).__name__, state="failed")
    return True


async def work_on(turn: Callable[[], bool]) -> None:
    """Given: the embedded worker. One turn after the other, in a thread, until this is cancelled."""
    try:
        while True:
            if not await to_thread.run_sync(turn, abandon_on_cancel=True):
                await asyncio.sleep(0.2)
    except Exception:
        logger.exception("no job is worked on any more")


def create_celery(broker_url: str, jobs: SQLiteJobs, work: Callable[[Job], str], *, longest_job_s: float = 600) -> Any:
    """Make a Celery application whose task `run_job` takes the id of a job, does it, and keeps its result in `jobs`."""
    from celery import Celery

    # TODO 07.8: a job goes back to the queue when its worker dies, and is done once in effect.
    # >>> solution
    celery = Celery("jobs", broker=broker_url)
    celery.conf.update(
        task_acks_late=True,  # as it comes, Celery takes a message off the queue before the work is begun
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_transport_options={"visibility_timeout": 2 * longest_job_s},
    )

    @celery.task(name="run_job")
    def run_job(id: str) -> None:
        job = jobs.status(id)
        if job and job.state not in ("done", "failed"):
            jobs.finish(id, work(job))

    return celery
    # --- stub
    # raise NotImplementedError("TODO 07.8")
    # <<< solution


@dataclass(frozen=True)
class CeleryJobs:
    """Given: the same port with Celery behind it. The table knows the jobs, the broker hands them out."""

    table: SQLiteJobs
    celery: Any

    def submit(self, key: str, payload: str) -> Job:
        """Accept a job and send it; again if it still waits, since the last try may have ended between the two."""
        job = self.table.submit(key, payload)
        if job.state == "queued":
            self.celery.send_task("run_job", [job.id], task_id=job.id)
        return job

    def status(self, id: str) -> Job | None:
        """Return a job as it stands."""
        return self.table.status(id)


class Order(BaseModel):
    """Given: what may be asked."""

    prompt: str = Field(min_length=1, max_length=8_000)


def jobs_router(jobs: Jobs) -> APIRouter:
    """Make the two routes for work that takes longer than a request may."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])
    # TODO 07.7: `POST /jobs` accepts a job, `GET /jobs/{id}` says how it stands.
    # >>> solution

    def shown(job: Job) -> dict[str, Any]:
        return {"id": job.id, "state": job.state, "result": job.result}

    @router.post("", status_code=202)
    def create_job(
        order: Order, response: Response, key: Annotated[str, Header(alias="Idempotency-Key", min_length=1)]
    ) -> dict[str, Any]:
        try:
            job = jobs.submit(key, order.prompt)
        except KeyReused as error:
            raise HTTPException(422, "This Idempotency-Key was used for something else.") from error
        response.headers["Location"] = f"/jobs/{job.id}"
        return shown(job)

    @router.get("/{id}")
    def read_job(id: str) -> dict[str, Any]:
        if job := jobs.status(id):
            return shown(job)
        raise HTTPException(404, "There is no such job.")

    # --- stub
    #
    # @router.post("")
    # @router.get("/{id}")
    # async def todo() -> None:
    #     raise NotImplementedError("TODO 07.7")
    #
    # <<< solution
    return router
