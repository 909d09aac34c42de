"""What the service must not lose: keys, users, usage, documents, jobs.

Reading order: `tables`, `database`, then a file for each thing that is kept; `migrate` brings an older database up.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from capstone.store.database import Database
from capstone.store.documents import Documents
from capstone.store.jobs import Jobs
from capstone.store.keys import Keys, Users
from capstone.store.migrate import migrate
from capstone.store.usage import UsageRecords


class Wanted(Protocol):
    """What the store needs of the settings."""

    data: Path
    database_url: SecretStr | None
    database_pool: int
    database_patience_s: float


@dataclass(frozen=True)
class Store:
    """All that is kept. Every method of its parts is one transaction, and holds a connection no longer."""

    database: Database
    keys: Keys
    users: Users
    usage: UsageRecords
    documents: Documents
    jobs: Jobs

    @property
    def is_away(self) -> bool:
        """Whether the server does not answer, as far as we know."""
        return bool(self.database.outage.since)


def url_of(settings: Wanted) -> str:
    """Return where the database is."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)  # documents and prompts: nobody else on this machine
    if settings.database_url:
        return settings.database_url.get_secret_value()
    return file_of(settings.data)


def file_of(data: Path) -> str:
    """Return where the database of one machine is."""
    return f"sqlite+aiosqlite:///{data.resolve() / 'capstone.db'}"


@asynccontextmanager
async def open_store(settings: Wanted) -> AsyncIterator[Store]:
    """Hold the database open: the one of `settings.database_url`, or a file in the folder `settings.data`.

    It is brought up to date first, by whichever of several processes comes first.

    Raises:
        UnusableDatabase: the service cannot start on it; the text says what to do.
    """
    database = Database(url_of(settings), pool=settings.database_pool, patience_s=settings.database_patience_s)
    try:
        await migrate(database)
        yield Store(
            database, Keys(database), Users(database), UsageRecords(database), Documents(database), Jobs(database)
        )
    finally:
        await database.close()
