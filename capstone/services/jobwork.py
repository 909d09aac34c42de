"""Who works on jobs: asks the prompts that have no answer yet, whoever began, and keeps each answer as it comes."""

import asyncio
import json
import logging
import sqlite3
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import HTTPException
from pydantic_core import from_json, to_json

from capstone import ports
from capstone.errors import ApiError
from capstone.schemas.chat import read_chat
from capstone.schemas.jobs import JobOrder
from capstone.services.door import Answers
from capstone.services.jobqueue import Queue
from capstone.store.database import DatabaseAway
from capstone.store.jobs import Jobs as JobRows

log = logging.getLogger("capstone.jobs")
T = TypeVar("T")


@dataclass
class Worker:
    """Does jobs of a queue."""

    queue: Queue
    calls: ports.Calls
    rows: JobRows
    answers: Answers
    principal: Any  # makes one of its fields: lesson 08's
    at_once: int = 2  # jobs
    calls_at_once: int = 4  # of one job
    pause_s: float = 1.0  # between two looks for work that another process has accepted
    _running: dict[str, asyncio.Task[Any]] = field(default_factory=dict[str, asyncio.Task[Any]])

    async def work(self) -> None:
        """Do jobs until cancelled, as they wait."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.at_once):
                group.create_task(self._work_on())

    async def _work_on(self) -> None:
        wait_s = self.pause_s
        while True:
            self.queue.news.clear()
            try:
                job = await self.queue.claim()
                wait_s = self.pause_s
            except Exception as error:
                if not is_away(error):
                    raise
                job, wait_s = None, min(2 * wait_s, 60)
            if job is not None:
                await self.do(job)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self.queue.news.wait()

    async def take(self, job_id: str) -> None:
        """Do this job, unless it is done or somebody else does it."""
        if job_id not in self._running and (job := await self.queue.claim(job_id)):
            await self.do(job)

    async def do(self, job: Any) -> None:
        """Do a job that was claimed here, until it is over or ours no longer. Cancelled, it is given back."""
        if job.id in self._running:
            return
        self._running[job.id] = work = asyncio.create_task(self._do(job), name=f"job {job.id}")
        lost = asyncio.create_task(self.queue.lost(job.id), name=f"hold {job.id}")
        try:
            await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(work, lost)
            with suppress(DatabaseAway):
                await self.queue.release(job.id)
            raise
        finally:
            await _end(work, lost)
            del self._running[job.id]
        if not work.cancelled() and (error := work.exception()):
            log.error("job %s stands still", job.id, exc_info=error)

    def drop(self, job_id: str) -> None:
        """Stop what is being asked for a job that was cancelled."""
        if task := self._running.get(job_id):
            task.cancel()

    async def _do(self, job: Any) -> None:
        """Do a job, however long the database may be away meanwhile."""
        wait_s = self.pause_s
        while True:
            try:
                state, result = await self._answered(job)
                await self.queue.finish(job.id, json.dumps(result), state=state)
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

    worker: Worker
    job_id: str
    principal: Any
    order: JobOrder
    places: dict[str, deque[int]]  # of each prompt; of two that are alike it does not matter which gets which answer

    async def generate(self, messages: Sequence[Any], *, max_tokens: int = 0) -> Any:
        prompt = messages[-1].content
        place = self.places[prompt].popleft()
        job = await self._patiently(lambda: self.worker.queue.status(self.job_id))
        if job.state not in ("queued", "running"):  # another process was told to cancel it
            raise self.worker.calls.LLMError("cancelled")
        try:
            asked = read_chat(to_json(body_of(self.order, prompt)))
            said = from_json(await self.worker.answers.complete(self.principal, asked, "job"))
        except (ApiError, HTTPException) as error:  # the latter is how lesson 08 says that the quota is used up
            said = error.message if isinstance(error, ApiError) else str(error.detail)
            await self._keep(place, error=said)
            raise self.worker.calls.LLMError(said) from error
        except self.worker.calls.LLMError:
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
        await self._patiently(lambda: self.worker.rows.answer(self.job_id, place, **said))

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something however long the database is away: what others of the batch were answered is paid for."""
        told = False
        while True:
            try:
                return await work()
            except Exception as error:
                if not is_away(error):
                    raise
                if not told:
                    log.warning("job %s waits for the database: %s", self.job_id, error)
                told = True
            await asyncio.sleep(self.worker.pause_s)


def is_away(error: Exception) -> bool:
    """Say whether an error means that a database did not answer, and nothing else."""
    if isinstance(error, ExceptionGroup):
        return all(is_away(one) for one in error.exceptions)
    return isinstance(error, DatabaseAway | sqlite3.OperationalError)


def body_of(order: JobOrder, prompt: str) -> dict[str, Any]:
    """Return one prompt of a job as it is asked."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": order.model, "messages": messages, "max_tokens": order.max_tokens}


def _places(left: Sequence[tuple[int, str]]) -> dict[str, deque[int]]:
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, prompt in left:
        places[prompt].append(place)
    return places


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
