"""How Alembic reaches the database: over the connection that the service gives it, or by the service's settings."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from capstone.store.tables import Base


def run(connection: Connection) -> None:
    """Run what was asked for."""
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_by_settings() -> None:
    """Run it on a connection of our own: from the command line."""
    from capstone.settings import Settings
    from capstone.store import url_of
    from capstone.store.database import prepare_sqlite

    engine = create_async_engine(url_of(Settings()), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine, "BEGIN IMMEDIATE", foreign_keys=False)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


if given := context.config.attributes.get("connection"):
    run(given)
else:
    asyncio.run(run_by_settings())
