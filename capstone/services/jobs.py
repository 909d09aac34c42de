"""Batches of prompts: accepted at once, answered when there is time, whoever leaves or dies meanwhile.

A queue knows which jobs there are and who has them (`jobqueue`); the store keeps whose they are and each answer as it
comes; somebody works on them (`jobwork`), in this process or in another.
"""

import asyncio
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from capstone.errors import ApiError
from capstone.schemas.chat import read_chat
from capstone.schemas.jobs import JobOrder, JobOut, JobResult, PromptAnswer
from capstone.services.jobqueue import KeyReused, Queue
from capstone.services.jobwork import Worker, body_of
from capstone.store.jobs import Jobs as JobRows
from capstone.store.tables import Job

CANCELLED = json.dumps({"cancelled": True})
NO_JOB = ApiError(404, "There is no such job.", code="job_not_found")


@dataclass
class JobService:
    """What `/jobs` asks."""

    queue: Queue
    rows: JobRows
    worker: Worker
    default_model: str

    async def submit(self, principal: Any, order: JobOrder, key: str | None) -> JobOut:
        """Accept a job; once this returns it survives the process. The same key gives the same job, not another."""
        order = order.model_copy(update={"model": order.model or self.default_model})
        await asyncio.to_thread(_check, order)  # what no model would answer is refused here and now
        # The tenant's key, not the world's: another's `import-1` is no reason to refuse mine.
        name = f"{principal.id}\n{key}" if key else secrets.token_hex(32)
        payload = json.dumps({"for": _known(principal), "order": order.model_dump()}, sort_keys=True)
        try:
            job = await self.queue.submit(hashlib.sha256(name.encode()).hexdigest(), payload)
        except KeyReused as error:
            raise ApiError(
                422, "This Idempotency-Key was used for another job.", code="idempotency_key_reused"
            ) from error
        row = await self.rows.note(
            job.id, principal.tenant, principal_id=principal.id, model=order.model or "", prompts=len(order.prompts)
        )
        return self._one(await self._shown(row))

    async def find(self, principal: Any, job_id: str) -> JobOut:
        """Return how a job of the principal's tenant stands."""
        return self._one(await self._shown(await self._row(principal, job_id)))

    async def latest(self, principal: Any, *, limit: int) -> list[JobOut]:
        """Return the latest jobs of the principal's tenant."""
        return await self._shown(*await self.rows.of_tenant(principal.tenant, limit=limit))

    async def result(self, principal: Any, job_id: str) -> JobResult:
        """Return what became of the prompts of a job that is over."""
        shown = await self.find(principal, job_id)
        if shown.state in ("queued", "running"):
            raise ApiError(409, f"The job is {shown.state}.", code="job_not_finished", headers={"Retry-After": "1"})
        rows = await self.rows.answers(job_id)
        answers = [
            PromptAnswer(
                index=place,
                text=row.text,
                error=row.error,
                usage={"prompt_tokens": row.prompt_tokens, "completion_tokens": row.completion_tokens},
            )
            for place, row in sorted(rows.items())
        ]
        return JobResult(id=job_id, state=shown.state, answers=answers)

    async def cancel(self, principal: Any, job_id: str) -> JobOut:
        """End a job now: what is being asked is cancelled, what was answered stays."""
        row = await self._row(principal, job_id)
        await self.queue.cancel(job_id, CANCELLED)
        self.worker.drop(job_id)
        shown = self._one(await self._shown(row))
        if shown.state != "cancelled":
            raise ApiError(409, f"The job is {shown.state} already.", code="job_finished")
        return shown

    async def _row(self, principal: Any, job_id: str) -> Job:
        if row := await self.rows.find(principal.tenant, job_id):
            return row
        raise NO_JOB

    def _one(self, shown: list[JobOut]) -> JobOut:
        if shown:
            return shown[0]
        raise NO_JOB  # it is being deleted

    async def _shown(self, *rows: Job) -> list[JobOut]:
        """Return jobs as they stand, without those that are being deleted."""
        ids = [row.id for row in rows]
        known, answered = await self.queue.statuses(ids), await self.rows.count_answers(ids)
        return [_seen(row, known[row.id], answered.get(row.id, 0)) for row in rows if row.id in known]


def _seen(row: Job, job: Any, answered: int) -> JobOut:
    said = from_json(job.result) if job.result else {}
    error = str(said.get("error", "")) if job.state == "failed" else ""
    if job.state == "failed" and not job.result:
        error = "its worker died again and again"
    return JobOut(
        id=row.id,
        state="cancelled" if said.get("cancelled") else job.state,
        model=row.model,
        prompts=row.prompts,
        answered=answered,
        created_at=row.created_at,
        error=error,
    )


def _known(principal: Any) -> dict[str, Any]:
    """Return the fields of a principal, always in the same order: the payload of a key has to stay the same."""
    return {**principal.model_dump(mode="json"), "scopes": sorted(principal.scopes)}


def _check(order: JobOrder) -> None:
    for prompt in order.prompts:
        read_chat(to_json(body_of(order, prompt)))
