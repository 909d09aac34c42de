"""Bring a database up to the tables that this version knows."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from capstone.store.database import Database, prepare_sqlite
from capstone.store.outage import CLOSED, INSUFFICIENT_PRIVILEGE, UnusableDatabase, is_away, state_of, words_of

log = logging.getLogger("capstone.store")
INI = Path(__file__).with_name("alembic.ini")
COMMAND = "alembic -c capstone/store/alembic.ini upgrade head"
PGVECTOR = (0, 8)  # the first whose index goes on looking when a tenant has few of the nearest
LOCK_NOT_AVAILABLE = "55P03"
IMAGE = "the image pgvector/pgvector:0.8.5-pg18-trixie has it, and so do the managed services"


class OldDatabase(UnusableDatabase):
    """The database has not the tables of this version, and we may not make them. The text says what to do."""


async def migrate(database: Database) -> None:
    """Upgrade a database. Of several processes that start together, one does it and the others wait for it.

    One that is ahead of us is left as it is: a newer version has only added to it.

    Raises:
        UnusableDatabase: it cannot be reached, or lacks what only its owner can give it.
    """
    if database.embedded:
        engine = create_async_engine(database.url, poolclass=NullPool)
        # Without foreign keys: SQLite changes a table by making another, and dropping the old one would take along
        # whatever refers to it. The transaction that begins as a writer lets one process upgrade and the others wait.
        prepare_sqlite(engine, "BEGIN IMMEDIATE", foreign_keys=False)
    else:
        # To connect takes no longer than our patience; what a migration does, or waits for, may.
        engine = create_async_engine(database.url, poolclass=NullPool, connect_args={"timeout": database.patience_s})
    try:
        if not database.embedded:
            await _reach(engine, database.patience_s)
        await _upgrade(engine)
    finally:
        await engine.dispose()


async def _reach(engine: AsyncEngine, patience_s: float) -> None:
    """Wait for a server that starts together with us."""
    # Without what stands behind the "?": a password may be there too.
    where, last = engine.url.set(query={}).render_as_string(hide_password=True), ""
    try:
        async with asyncio.timeout(patience_s):
            while True:
                try:
                    async with engine.connect() as connection:
                        await _look_at(connection)
                        return
                except Exception as error:
                    if not is_away(error) or state_of(error).startswith(CLOSED):
                        raise
                    last = words_of(error)
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise UnusableDatabase(
            f"{where} does not answer ({last}). Is it running, and is CAPSTONE_DATABASE_URL right?"
        ) from None
    except UnusableDatabase:
        raise
    except Exception as error:
        raise UnusableDatabase(f"{where} does not let us in: {words_of(error)}. See CAPSTONE_DATABASE_URL.") from None


async def _look_at(connection: AsyncConnection) -> None:
    """Refuse a server without pgvector, or with one that is too old."""
    asked = "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'vector'"
    found = (await connection.execute(text(asked))).one_or_none()
    needed = ".".join(map(str, PGVECTOR))
    if found is None:
        raise UnusableDatabase(
            f"This PostgreSQL has no pgvector, where the vectors of documents are kept. Install it beside the server "
            f"(Debian: postgresql-18-pgvector); {IMAGE}. Without CAPSTONE_DATABASE_URL all is kept in files."
        )
    version = found.installed_version or found.default_version
    if tuple(map(int, version.split(".")[:2])) < PGVECTOR:
        way = "ALTER EXTENSION vector UPDATE" if found.installed_version else "install a newer one"
        raise UnusableDatabase(f"This PostgreSQL has pgvector {version}, and {needed} is needed: {way}; {IMAGE}.")


async def _upgrade(engine: AsyncEngine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config(INI)
    scripts = await asyncio.to_thread(ScriptDirectory.from_config, config)
    head = scripts.get_current_head()
    known = {one.revision for one in scripts.walk_revisions()}

    def current(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.begin() as connection:
        there = await connection.run_sync(current)
    if there == head:
        return
    if there and there not in known:
        log.warning("the database has revision %s, newer than ours (%s): we serve on it as it is", there, head)
        return
    await upgrading(engine, upgrade)


async def upgrading(engine: AsyncEngine, upgrade: Callable[[Connection], None]) -> None:
    """Run a migration in one transaction; again where it stood back for those who serve (`migrations/env.py`).

    Raises:
        OldDatabase: we may not.
    """
    for pause_s in (1, 2, 4, 8, 16, None):
        try:
            async with engine.begin() as connection:
                await connection.run_sync(upgrade)
            return
        except DBAPIError as error:
            if state_of(error) == INSUFFICIENT_PRIVILEGE:
                raise OldDatabase(
                    f"The tables of the database are not those of this version, and we may not change them "
                    f"({words_of(error)}). Let its owner run: {COMMAND}. If that may not create the extension, let a "
                    "superuser do so first, in this database: CREATE EXTENSION vector"
                ) from None
            if state_of(error) != LOCK_NOT_AVAILABLE or pause_s is None:
                raise
            log.warning("a table is in use; the migration begins anew in %d s", pause_s)
            await asyncio.sleep(pause_s)
