"""Usage records, as they are kept and summed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Integer, cast, func, select

from capstone.store.database import Database
from capstone.store.tables import UsageRecord

DAY_S = 86_400
MOST = 2**31 - 1  # that a column of whole numbers holds
COLUMNS = UsageRecord.__table__.columns.keys()
ROW = attrgetter(*COLUMNS)


def fitting(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a record as PostgreSQL takes it: one that it refused would hold up all that come after it for ever."""
    return tuple(
        one[:200] if type(one) is str and len(one) > 200 else min(one, MOST) if type(one) is int else one for one in row
    )


@dataclass(frozen=True)
class UsageSum:
    """What a tenant used of one model on one day."""

    day: int  # seconds since 1970 at which it began, in UTC
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


@dataclass(frozen=True)
class UsageRecords:
    """The usage of all tenants."""

    database: Database

    async def add(self, records: Sequence[UsageRecord]) -> None:
        """Keep records, all of them or none; one that is there already (the same id) is not counted again."""
        if not records:
            return
        async with self.database.writing() as session:
            connection = await session.connection()
            # Past the ORM: with it a record costs three times as much, and one is written for each request.
            insert = self.database.insert_unless_there(UsageRecord)
            sql = str(insert.compile(dialect=connection.dialect, column_keys=COLUMNS))
            rows = [ROW(one) for one in records]
            await connection.exec_driver_sql(sql, rows if self.database.embedded else [fitting(row) for row in rows])

    async def by_day(self, tenant: str, *, since: float = 0, until: float = 1e12) -> list[UsageSum]:
        """Return what a tenant used, by day and model, the latest day first."""
        day = (cast(func.floor(UsageRecord.at / DAY_S), Integer) * DAY_S).label("day")
        sums = [
            func.count(),
            func.sum(UsageRecord.prompt_tokens),
            func.sum(UsageRecord.completion_tokens),
            func.sum(UsageRecord.cost_usd),
        ]
        asked = (
            select(day, UsageRecord.model, *sums)
            .where(UsageRecord.tenant == tenant, UsageRecord.at >= since, UsageRecord.at < until)
            .group_by(day, UsageRecord.model)
            .order_by(day.desc(), UsageRecord.model)
        )
        async with self.database.reading() as session:
            return [UsageSum(*row) for row in await session.execute(asked)]

    async def latest(self, tenant: str, *, limit: int = 100) -> list[UsageRecord]:
        """Return the latest records of a tenant, the newest first."""
        asked = select(UsageRecord).where(UsageRecord.tenant == tenant).order_by(UsageRecord.at.desc()).limit(limit)
        async with self.database.reading() as session:
            return list(await session.scalars(asked))

    async def tokens_of(self, principal_id: str, *, since: float = 0, until: float = 1e12) -> int:
        """Return the tokens that a principal used, so that a restart gives nobody a new quota."""
        tokens = func.coalesce(func.sum(UsageRecord.prompt_tokens + UsageRecord.completion_tokens), 0)
        when = (UsageRecord.at >= since, UsageRecord.at < until)
        asked = select(tokens).where(UsageRecord.principal_id == principal_id, *when)
        async with self.database.reading() as session:
            return int(await session.scalar(asked) or 0)
