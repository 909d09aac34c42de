"""Bring a database up to the tables that this version knows."""

import asyncio
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from capstone.store.database import Database, prepare_sqlite

INI = Path(__file__).with_name("alembic.ini")
COMMAND = "alembic -c capstone/store/alembic.ini upgrade head"


class OldDatabase(Exception):
    """The database on the server has not the tables of this version. The text says what to do."""


async def migrate(database: Database) -> None:
    """Upgrade an embedded database; look at one on a server, which only its owner upgrades.

    Raises:
        OldDatabase: it is on a server and not up to date.
    """
    engine = create_async_engine(database.url, poolclass=NullPool)
    if database.embedded:
        # Without foreign keys: SQLite changes a table by making another, and dropping the old one would take along
        # whatever refers to it. The transaction that begins as a writer lets one process upgrade and the others wait.
        prepare_sqlite(engine, "BEGIN IMMEDIATE", foreign_keys=False)
    try:
        await _upgrade(engine, allowed=database.embedded)
    finally:
        await engine.dispose()


async def _upgrade(engine: AsyncEngine, *, allowed: bool) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config(INI)
    head = await asyncio.to_thread(lambda: ScriptDirectory.from_config(config).get_current_head())

    def current(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.begin() as connection:
        there = await connection.run_sync(current)
        if there == head:
            return
        if not allowed:
            raise OldDatabase(f"The database has revision {there}, this version needs {head}. Run: {COMMAND}")
        await connection.run_sync(upgrade)
