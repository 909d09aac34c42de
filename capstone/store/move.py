"""`python -m capstone.store.move`: copy what the data folder keeps into the PostgreSQL of CAPSTONE_DATABASE_URL.

Keys, users, usage and documents; the vectors are made anew from these. Jobs stay: let them end first. Run it while no
instance writes to the folder. What is there already is left as it is, so a second run does no harm.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Table, select

from capstone.settings import Settings
from capstone.startup import BadSettings, read_settings
from capstone.store import file_of
from capstone.store.database import Database
from capstone.store.migrate import migrate
from capstone.store.outage import DatabaseAway, UnusableDatabase
from capstone.store.tables import Document, DocumentContent, Key, UsageRecord, User

AT_ONCE = 200  # rows of one statement; of documents one, which may be 8 MB
MOVED = (Key, User, UsageRecord, Document, DocumentContent)


async def move(source: Database, target: Database) -> dict[str, int]:
    """Copy rows; return how many of each table were not there before."""
    copied: dict[str, int] = {}
    for kind in MOVED:
        copied[kind.__tablename__] = 0
        async for rows in _rows(source, kind.__table__, 1 if kind is DocumentContent else AT_ONCE):  # type: ignore[arg-type]
            async with target.writing(long=True) as session:
                if kind is DocumentContent and not await session.get(Document, rows[0]["document_id"]):
                    continue  # the tenant has another document of this name there
                insert = target.insert_unless_there(kind).returning(*kind.__table__.primary_key)
                copied[kind.__tablename__] += len((await session.execute(insert, rows)).all())
    return copied


async def _rows(source: Database, table: Table, at_once: int) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the rows of a table, so many at a time."""
    (key,) = table.primary_key
    last: Any = ""
    while True:
        async with source.reading() as session:
            found = await session.execute(select(table).where(key > last).order_by(key).limit(at_once))
            rows = [dict(row) for row in found.mappings()]
        if not rows:
            return
        yield rows
        last = rows[-1][key.name]


async def _by_settings(settings: Settings) -> str:
    file = settings.data / "capstone.db"
    if settings.database_url is None:
        raise UnusableDatabase("CAPSTONE_DATABASE_URL is not set: where to? Write postgresql://user:password@host/name")
    if not await asyncio.to_thread(file.exists):
        raise UnusableDatabase(f"There is no {file}. CAPSTONE_DATA names the folder.")
    source, target = Database(file_of(settings.data)), Database(settings.database_url.get_secret_value())
    try:
        for database in (source, target):
            await migrate(database)
        copied = await move(source, target)
    finally:
        await source.close()
        await target.close()
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in copied.items())
    if settings.secret is None:
        told += f"\nThe keys work where CAPSTONE_SECRET is what stands in {settings.data / 'secret'}."
    return f"copied: {told}"


if __name__ == "__main__":
    try:
        print(asyncio.run(_by_settings(read_settings())))  # noqa: T201
    except (BadSettings, UnusableDatabase, DatabaseAway) as error:
        sys.exit(f"capstone: {error}")
