"""Jobs of several instances: who works on which, by the clock of the one database that all of them ask."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, cast, delete, extract, func, or_, select, update

from capstone.store.database import Database
from capstone.store.tables import QueuedJob

NOW: Any = cast(extract("epoch", func.clock_timestamp()), Float(53))  # PostgreSQL's own: clocks of machines differ
OPEN = QueuedJob.state.in_(("queued", "running"))
LEFT = (QueuedJob.state == "running") & (QueuedJob.held_until <= NOW)  # whoever held it has died


@dataclass(frozen=True)
class QueuedJobs:
    """The jobs of all instances, on PostgreSQL. Each method is one step, whoever else takes one."""

    database: Database
    lease_s: float = 30.0
    most_tries: int = 3  # a job whose workers have died as often as this is given up
    again_s: float = 10.0  # until a worker is told again of a job that nobody has begun; then twice as long, and so on

    async def submit(self, key: str, payload: str) -> QueuedJob:
        """Keep a job, due at once; or return the one that was kept under this key."""
        row = {"id": uuid.uuid4().hex, "key": key, "payload": payload, "due_at": NOW}
        rest = {"state": "queued", "told": 0, "tries": 0, "holder": "", "held_until": 0.0}
        async with self.database.writing() as session:
            await session.execute(self.database.insert_unless_there(QueuedJob).values(**row, **rest))
            return (await session.scalars(select(QueuedJob).where(QueuedJob.key == key))).one()

    async def find(self, job_id: str) -> QueuedJob | None:
        """Return a job as it stands, None if there is none."""
        async with self.database.reading() as session:
            return await session.get(QueuedJob, job_id)

    async def find_all(self, job_ids: Sequence[str]) -> list[QueuedJob]:
        """Return those of these jobs that there are."""
        async with self.database.reading() as session:
            return list(await session.scalars(select(QueuedJob).where(QueuedJob.id.in_(job_ids))))

    async def claim(self, holder: str, job_id: str | None = None) -> QueuedJob | None:
        """Take this job, or the one that has waited longest; None if there is none to take."""
        wanted = [] if job_id is None else [QueuedJob.id == job_id]
        given_up = update(QueuedJob).where(LEFT, QueuedJob.tries >= self.most_tries, *wanted).values(state="failed")
        first = select(QueuedJob.id).where(or_(QueuedJob.state == "queued", LEFT), *wanted)
        first = first.order_by(QueuedJob.due_at).limit(1).with_for_update(skip_locked=True)
        taken = {"state": "running", "tries": QueuedJob.tries + 1, "holder": holder, "told": 0}
        taken |= {"held_until": NOW + self.lease_s, "due_at": NOW + self.lease_s}
        claim = update(QueuedJob).where(QueuedJob.id == first.scalar_subquery()).values(**taken).returning(QueuedJob)
        async with self.database.writing() as session:
            await session.execute(given_up)
            return await session.scalar(claim)

    async def hold(self, holder: str, job_id: str) -> bool:
        """Hold a job for another lease; False if it is this holder's no longer."""
        until = {"held_until": NOW + self.lease_s, "due_at": NOW + self.lease_s}
        return await self._change(*_held(holder, job_id), **until)

    async def is_held(self, holder: str, job_id: str) -> bool:
        """Say whether a job is still this holder's."""
        async with self.database.reading() as session:
            return await session.scalar(select(QueuedJob.id).where(*_held(holder, job_id))) is not None

    async def release(self, holder: str, job_id: str) -> bool:
        """Give a job back, as if it had not been taken: somebody else does it at once."""
        again = {"state": "queued", "tries": QueuedJob.tries - 1, "told": 0, "due_at": NOW, "holder": ""}
        return await self._change(*_held(holder, job_id), **again)

    async def finish(self, job_id: str, result: str, state: str, holder: str | None = None) -> bool:
        """Keep the result of a job; False if it was finished before, or another holds it than who says so."""
        whose = [QueuedJob.id == job_id, OPEN] if holder is None else _held(holder, job_id)
        return await self._change(*whose, state=state, result=result)

    async def due(self, *, limit: int = 100) -> list[str]:
        """Return jobs that a worker is to be told of, each to one caller only, and later again if nobody begins it."""
        found = select(QueuedJob.id).where(OPEN, QueuedJob.due_at <= NOW).order_by(QueuedJob.due_at).limit(limit)
        later = NOW + self.again_s * func.power(2, func.least(QueuedJob.told, 8))
        tell = update(QueuedJob).where(QueuedJob.id.in_(found.with_for_update(skip_locked=True)))
        async with self.database.writing() as session:
            told = await session.scalars(tell.values(due_at=later, told=QueuedJob.told + 1).returning(QueuedJob.id))
            return list(told)

    async def not_told(self, job_ids: Sequence[str]) -> None:
        """Take back that a worker was told of these: it was not."""
        nobody = {"due_at": NOW + 1, "told": func.greatest(QueuedJob.told - 1, 0)}
        await self._change(QueuedJob.id.in_(job_ids), OPEN, **nobody)

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Take jobs off, payload and all."""
        async with self.database.writing() as session:
            await session.execute(delete(QueuedJob).where(QueuedJob.id.in_(job_ids)))

    async def _change(self, *which: Any, **values: Any) -> bool:
        async with self.database.writing() as session:
            changed = await session.scalars(update(QueuedJob).where(*which).values(**values).returning(QueuedJob.id))
            return changed.first() is not None


def _held(holder: str, job_id: str) -> list[Any]:
    return [QueuedJob.id == job_id, QueuedJob.state == "running", QueuedJob.holder == holder]
