"""Whose jobs there are, and what was answered so far."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update

from capstone.store.database import Database
from capstone.store.tables import Job, JobAnswer


@dataclass(frozen=True)
class Jobs:
    """The jobs of all tenants."""

    database: Database

    async def note(self, job_id: str, tenant: str, *, principal_id: str, model: str, prompts: int) -> Job:
        """Keep whose job this is; return what is kept of it, which is older if it was noted before."""
        row: dict[str, Any] = {"id": job_id, "tenant": tenant, "principal_id": principal_id, "model": model}
        row |= {"prompts": prompts, "created_at": time.time()}
        async with self.database.writing() as session:
            await session.execute(self.database.insert_unless_there(Job), row)
            return await session.get_one(Job, job_id)

    async def find(self, tenant: str, job_id: str) -> Job | None:
        """Return a job of a tenant; None if there is none, or it is somebody else's."""
        async with self.database.reading() as session:
            return await session.scalar(select(Job).where(Job.id == job_id, Job.tenant == tenant))

    async def of_tenant(self, tenant: str, *, limit: int = 100) -> list[Job]:
        """Return the latest jobs of a tenant, the newest first."""
        asked = select(Job).where(Job.tenant == tenant).order_by(Job.created_at.desc(), Job.id).limit(limit)
        async with self.database.reading() as session:
            return list(await session.scalars(asked))

    async def answer(self, job_id: str, place: int, **said: Any) -> None:
        """Keep the answer to one prompt: `text` and tokens, or `error`. The first one stands."""
        async with self.database.writing() as session:
            await session.execute(
                self.database.insert_unless_there(JobAnswer), {"job_id": job_id, "place": place, **said}
            )

    async def answers(self, job_id: str) -> dict[int, JobAnswer]:
        """Return the answers that are there, by place."""
        async with self.database.reading() as session:
            found = await session.scalars(select(JobAnswer).where(JobAnswer.job_id == job_id))
            return {one.place: one for one in found}

    async def count_answers(self, job_ids: Sequence[str]) -> dict[str, int]:
        """Return how many answers are there, for each of these jobs that has any."""
        asked = select(JobAnswer.job_id, func.count()).where(JobAnswer.job_id.in_(job_ids)).group_by(JobAnswer.job_id)
        async with self.database.reading() as session:
            return dict((await session.execute(asked)).all())

    async def unfinished(self, *, after: str = "", limit: int = 500) -> list[str]:
        """Return jobs that nobody has noted as over: the ids behind `after`, in order."""
        asked = select(Job.id).where(Job.finished_at.is_(None), Job.id > after).order_by(Job.id).limit(limit)
        async with self.database.reading() as session:
            return list(await session.scalars(asked))

    async def note_over(self, job_ids: Sequence[str]) -> None:
        """Note that jobs are over."""
        asked = update(Job).where(Job.id.in_(job_ids), Job.finished_at.is_(None)).values(finished_at=time.time())
        async with self.database.writing() as session:
            await session.execute(asked)

    async def over_since(self, at: float, *, limit: int = 500) -> list[str]:
        """Return jobs that were over at `at`."""
        async with self.database.reading() as session:
            return list(await session.scalars(select(Job.id).where(Job.finished_at <= at).limit(limit)))

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Take jobs off, and what was answered."""
        async with self.database.writing() as session:
            await session.execute(delete(Job).where(Job.id.in_(job_ids)))
