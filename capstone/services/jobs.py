"""Batches of prompts: accepted at once, answered when there is time, whoever leaves or dies meanwhile.

Lesson 07's queue knows which jobs there are and hands them out; the store keeps whose they are and each answer as it
comes. A queue's lease is counted in turns here and not in seconds (`turns`): a worker holds its job as long as it
lives, however long that is, and what a dead one held is taken up by the next turn at once.
"""

import asyncio
import hashlib
import json
import logging
import secrets
import sqlite3
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import HTTPException
from pydantic_core import from_json, to_json

from capstone import ports
from capstone.errors import ApiError
from capstone.schemas.chat import read_chat
from capstone.schemas.jobs import JobOrder, JobOut, JobResult, PromptAnswer
from capstone.services.door import Answers
from capstone.store.database import DatabaseAway
from capstone.store.jobs import Jobs as JobRows
from capstone.store.tables import Job

log = logging.getLogger("capstone.jobs")
CANCELLED = json.dumps({"cancelled": True})
NO_JOB = ApiError(404, "There is no such job.", code="job_not_found")


@dataclass
class JobService:
    """What `/jobs` asks, and the worker behind it."""

    queue: ports.JobQueue
    key_reused: type[Exception]
    calls: ports.Calls
    rows: JobRows
    answers: Answers
    principal: Any  # makes one of its fields: lesson 08's
    default_model: str
    at_once: int = 2  # jobs
    calls_at_once: int = 4  # of one job
    pause_s: float = 1.0  # between two looks for work that another process has accepted
    _work: asyncio.Event = field(default_factory=asyncio.Event)
    _running: dict[str, asyncio.Task[Any]] = field(default_factory=dict[str, asyncio.Task[Any]])

    async def submit(self, principal: Any, order: JobOrder, key: str | None) -> JobOut:
        """Accept a job; once this returns it survives the process. The same key gives the same job, not another."""
        order = order.model_copy(update={"model": order.model or self.default_model})
        await asyncio.to_thread(_check, order)  # what no model would answer is refused here and now
        # The tenant's key, not the world's: another's `import-1` is no reason to refuse mine.
        name = f"{principal.id}\n{key}" if key else secrets.token_hex(32)
        payload = json.dumps({"for": _known(principal), "order": order.model_dump()}, sort_keys=True)
        try:
            job = await asyncio.to_thread(self.queue.submit, hashlib.sha256(name.encode()).hexdigest(), payload)
        except self.key_reused as error:
            raise ApiError(
                422, "This Idempotency-Key was used for another job.", code="idempotency_key_reused"
            ) from error
        row = await self.rows.note(
            job.id, principal.tenant, principal_id=principal.id, model=order.model or "", prompts=len(order.prompts)
        )
        self._work.set()
        return await self._shown(row)

    async def find(self, principal: Any, job_id: str) -> JobOut:
        """Return how a job of the principal's tenant stands."""
        return await self._shown(await self._row(principal, job_id))

    async def latest(self, principal: Any, *, limit: int) -> list[JobOut]:
        """Return the latest jobs of the principal's tenant."""
        return [await self._shown(row) for row in await self.rows.of_tenant(principal.tenant, limit=limit)]

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
        await asyncio.to_thread(self.queue.finish, job_id, CANCELLED, state="failed")
        if task := self._running.get(job_id):
            task.cancel()
        shown = await self._shown(row)
        if shown.state != "cancelled":
            raise ApiError(409, f"The job is {shown.state} already.", code="job_finished")
        return shown

    async def _row(self, principal: Any, job_id: str) -> Job:
        if row := await self.rows.find(principal.tenant, job_id):
            return row
        raise NO_JOB

    async def _shown(self, row: Job) -> JobOut:
        job = await asyncio.to_thread(self.queue.status, row.id)
        said = from_json(job.result) if job.result else {}
        error = str(said.get("error", "")) if job.state == "failed" else ""
        if job.state == "failed" and not job.result:
            error = "its worker died again and again"
        return JobOut(
            id=row.id,
            state="cancelled" if said.get("cancelled") else job.state,
            model=row.model,
            prompts=row.prompts,
            answered=await self.rows.count_answers(row.id),
            created_at=row.created_at,
            error=error,
        )

    async def work(self, turn: int) -> None:
        """Do jobs until cancelled. For one process at a time: `turn` is its number."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.at_once):
                group.create_task(self._work_on(turn * 1_000))

    async def _work_on(self, now: float) -> None:
        while True:
            self._work.clear()
            job = await asyncio.to_thread(self.queue.claim, now, lease_s=1)
            if job is None:
                await self._wait()
                continue
            self._running[job.id] = task = asyncio.create_task(self._do(job), name=f"job {job.id}")
            try:
                await asyncio.wait({task})
            finally:
                task.cancel()  # when this worker ends; the next turn takes the job up where it stands
                await asyncio.wait({task})
                del self._running[job.id]

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.pause_s):
                await self._work.wait()
        except TimeoutError:
            pass

    async def _do(self, job: Any) -> None:
        """Do a job, however long the database may be away meanwhile."""
        wait_s = self.pause_s
        while True:
            try:
                state, result = await self._answered(job)
                await asyncio.to_thread(self.queue.finish, job.id, json.dumps(result), state=state)
                return
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("job %s waits for the database: %s", job.id, error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, 60)

    async def _answered(self, job: Any) -> tuple[str, dict[str, Any]]:
        """Answer the prompts that have no answer yet; return how the job ends."""
        try:
            asked = from_json(job.payload)
            order, principal = JobOrder.model_validate(asked["order"]), self.principal(**asked["for"])
            await self.rows.note(
                job.id, principal.tenant, principal_id=principal.id, model=order.model or "", prompts=len(order.prompts)
            )
            there = await self.rows.answers(job.id)
            left = [(place, prompt) for place, prompt in enumerate(order.prompts) if place not in there]
            llm = _Asking(self, job.id, principal, order, _places(left))
            if left:
                await self.calls.generate_batch(llm, [prompt for _, prompt in left], limit=self.calls_at_once)
        except Exception as error:
            if is_away(error):
                raise
            log.exception("job %s failed", job.id)  # a bug of ours ends this job, not the worker
            return "failed", {"error": "something went wrong on our side"}
        return "done", {"answered": len(order.prompts)}


@dataclass(frozen=True)
class _Asking:
    """Lesson 03's model port: asks for a job, and keeps each answer as it comes."""

    service: JobService
    job_id: str
    principal: Any
    order: JobOrder
    places: dict[str, deque[int]]  # of each prompt; of two that are alike it does not matter which gets which answer

    async def generate(self, messages: Sequence[Any], *, max_tokens: int = 0) -> Any:
        prompt = messages[-1].content
        place = self.places[prompt].popleft()
        job = await asyncio.to_thread(self.service.queue.status, self.job_id)
        if job.state not in ("queued", "running"):  # another process was told to cancel it
            raise self.service.calls.LLMError("cancelled")
        try:
            asked = read_chat(to_json(_body(self.order, prompt)))
            said = from_json(await self.service.answers.complete(self.principal, asked, "job"))
        except (ApiError, HTTPException) as error:  # the latter is how lesson 08 says that the quota is used up
            said = error.message if isinstance(error, ApiError) else str(error.detail)
            await self._keep(place, error=said)
            raise self.service.calls.LLMError(said) from error
        except self.service.calls.LLMError:
            await self._keep(place, error="the provider did not answer")  # what it said is for the log
            raise
        usage = said.get("usage") or {}
        text = said["choices"][0]["message"].get("content") or ""
        await self._keep(
            place,
            text=text,
            prompt_tokens=usage.get("prompt_tokens", 0),
            completion_tokens=usage.get("completion_tokens", 0),
        )
        return text

    async def _keep(self, place: int, **said: Any) -> None:
        await self.service.rows.answer(self.job_id, place, **said)


def _known(principal: Any) -> dict[str, Any]:
    """Return the fields of a principal, always in the same order: the payload of a key has to stay the same."""
    return {**principal.model_dump(mode="json"), "scopes": sorted(principal.scopes)}


def is_away(error: Exception) -> bool:
    """Say whether an error means that a database did not answer, and nothing else."""
    if isinstance(error, ExceptionGroup):
        return all(is_away(one) for one in error.exceptions)
    return isinstance(error, DatabaseAway | sqlite3.OperationalError)


def _check(order: JobOrder) -> None:
    for prompt in order.prompts:
        read_chat(to_json(_body(order, prompt)))


def _body(order: JobOrder, prompt: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": order.model, "messages": messages, "max_tokens": order.max_tokens}


def _places(left: Sequence[tuple[int, str]]) -> dict[str, deque[int]]:
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, prompt in left:
        places[prompt].append(place)
    return places
