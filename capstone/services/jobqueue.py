"""Where jobs wait, and who has which: lesson 07's table for one machine, PostgreSQL for several.

A queue's lease is counted in turns on one machine (`turns`): a worker holds its job as long as it lives, however long
that is, and what a dead one held is taken up by the next turn at once. Where machines share a database nobody sees
another die, so a worker says again and again that it lives.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from capstone import ports
from capstone.store.database import DatabaseAway
from capstone.store.queue import QueuedJobs

LOOK_S = 1.0  # between two looks whether a job is still ours


class KeyReused(Exception):
    """An idempotency key came again, for another job."""


class Queue(Protocol):
    """What jobs are accepted into and taken from. A job has `id`, `payload`, `state` and `result`."""

    news: asyncio.Event
    """Set when a job was accepted here."""

    async def submit(self, key: str, payload: str) -> Any:
        """Accept a job, or return the one that this key was accepted for; KeyReused if it was another."""
        ...

    async def status(self, job_id: str) -> Any:
        """Return a job as it stands, None if there is none."""
        ...

    async def statuses(self, job_ids: Sequence[str]) -> dict[str, Any]:
        """Return those of these jobs that there are, as they stand, by id."""
        ...

    async def claim(self, job_id: str | None = None) -> Any:
        """Take this job or the next; None if there is none to take."""
        ...

    async def lost(self, job_id: str) -> None:
        """Return when a job that was claimed here is ours no longer: cancelled, or given to somebody else."""
        ...

    async def release(self, job_id: str) -> None:
        """Give back a job that was claimed here."""
        ...

    async def finish(self, job_id: str, result: str, *, state: str = "done") -> bool:
        """Keep the result of a job that was claimed here; False if it is ours no longer."""
        ...

    async def cancel(self, job_id: str, result: str) -> bool:
        """End a job, whoever has it; False if it was finished before."""
        ...

    async def forget(self, job_ids: list[str]) -> None:
        """Take jobs off that are over."""
        ...


@dataclass
class OneMachine:
    """Lesson 07's table. Its methods block, so each has a thread."""

    table: ports.JobQueue
    key_reused: type[Exception]
    turn: int = 0  # whose work this is: leases are counted by it
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, key: str, payload: str) -> Any:
        """Accept a job, or return the one that this key was accepted for; KeyReused if it was another."""
        try:
            job = await asyncio.to_thread(self.table.submit, key, payload)
        except self.key_reused as error:
            raise KeyReused from error
        self.news.set()
        return job

    async def status(self, job_id: str) -> Any:
        """Return a job as it stands, None if there is none."""
        return await asyncio.to_thread(self.table.status, job_id)

    async def statuses(self, job_ids: Sequence[str]) -> dict[str, Any]:
        """Return those of these jobs that there are, as they stand, by id."""
        found = await asyncio.to_thread(lambda: [self.table.status(job_id) for job_id in job_ids])
        return {job.id: job for job in found if job}

    async def claim(self, job_id: str | None = None) -> Any:
        """Take the next job; None if there is none to take."""
        return await asyncio.to_thread(self.table.claim, self.turn * 1_000, lease_s=1)

    async def lost(self, job_id: str) -> None:
        """Wait for ever: the next turn begins when this one is over."""
        await asyncio.Event().wait()

    async def release(self, job_id: str) -> None:
        """Do nothing: the next turn takes the job up where it stands."""

    async def finish(self, job_id: str, result: str, *, state: str = "done") -> bool:
        """Keep the result of a job; False if it was finished before."""
        return await asyncio.to_thread(self.table.finish, job_id, result, state=state)

    async def cancel(self, job_id: str, result: str) -> bool:
        """End a job; False if it was finished before."""
        return await self.finish(job_id, result, state="failed")

    async def forget(self, job_ids: list[str]) -> None:
        """Take jobs off that are over."""
        for job_id in job_ids:
            await asyncio.to_thread(self.table.run, "DELETE FROM jobs WHERE id = ?", job_id)


@dataclass
class ManyMachines:
    """The table that all instances share, for this process."""

    table: QueuedJobs
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, key: str, payload: str) -> Any:
        """Accept a job, or return the one that this key was accepted for; KeyReused if it was another."""
        job = await self.table.submit(key, payload)
        if job.payload != payload:
            raise KeyReused
        self.news.set()
        return job

    async def status(self, job_id: str) -> Any:
        """Return a job as it stands, None if there is none."""
        return await self.table.find(job_id)

    async def statuses(self, job_ids: Sequence[str]) -> dict[str, Any]:
        """Return those of these jobs that there are, as they stand, by id."""
        return {job.id: job for job in await self.table.find_all(job_ids)}

    async def claim(self, job_id: str | None = None) -> Any:
        """Take this job or the one that has waited longest; None if there is none to take."""
        return await self.table.claim(self.holder, job_id)

    async def lost(self, job_id: str) -> None:
        """Hold a job, and return when it is ours no longer. While the database is away nobody can take it either."""
        third, held_at, held = self.table.lease_s / 3, time.monotonic(), True
        while held:
            await asyncio.sleep(min(LOOK_S, third))
            now = time.monotonic()
            with suppress(DatabaseAway):
                if now < held_at + third:
                    held = await self.table.is_held(self.holder, job_id)
                elif held := await self.table.hold(self.holder, job_id):
                    held_at = now

    async def release(self, job_id: str) -> None:
        """Give back a job that was claimed here."""
        if await self.table.release(self.holder, job_id):
            self.news.set()

    async def finish(self, job_id: str, result: str, *, state: str = "done") -> bool:
        """Keep the result of a job that was claimed here; False if it is ours no longer."""
        return await self.table.finish(job_id, result, state, self.holder)

    async def cancel(self, job_id: str, result: str) -> bool:
        """End a job, whoever has it; False if it was finished before."""
        return await self.table.finish(job_id, result, "failed")

    async def forget(self, job_ids: list[str]) -> None:
        """Take jobs off that are over."""
        await self.table.forget(job_ids)
