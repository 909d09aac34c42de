"""Stores over a real PostgreSQL, in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from capstone.store import Store, open_store
from capstone.store.migrate import INI, upgrading
from capstone.store.vectors import NewChunk
from tests.capstone.test_store import Wanted
from tests.scale.neighbors import Postgres

DIMENSIONS = 8


@asynccontextmanager
async def opened(postgres: Postgres, database: str, folder: Path, **wanted: Any) -> AsyncIterator[Store]:
    async with open_store(Wanted(folder, SecretStr(postgres.url(database)), **wanted)) as store:
        yield store


async def upgraded(url: str, revision: str) -> None:
    """Bring a database up to a revision."""
    from alembic import command
    from alembic.config import Config

    def upgrade(connection: Any) -> None:
        config = Config(INI)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine(url, poolclass=NullPool)
    await upgrading(engine, upgrade)
    await engine.dispose()


async def eventually(ready: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(20):
        while not (said := await ready()):  # noqa: ASYNC110 - it is a database that is asked, and rings no bell
            await asyncio.sleep(0.01)
    return said


def chunks(*rows: Any) -> list[NewChunk]:
    return [NewChunk(n, n + 1, f"{n}", np.asarray(row, np.float32)) for n, row in enumerate(rows)]


def turned(degrees: float) -> list[float]:
    """Return a vector so many degrees away from the first axis."""
    return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), *[0.0] * (DIMENSIONS - 2)]
