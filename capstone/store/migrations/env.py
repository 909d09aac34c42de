"""How Alembic reaches the database: over the connection that the service gives it, or by the service's settings."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from capstone.store.tables import Base

LOCK = 0x6361_7073_746F_6E65  # the number that processes of ours agree on: "capstone"


def run(connection: Connection) -> None:
    """Run what was asked for, one process at a time, and hold up nobody who serves meanwhile.

    Whoever changes a table waits until nobody reads it, and all who come after wait behind them. So they wait for
    seconds and give up rather; `migrate.upgrading` tries again.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT set_config('lock_timeout', '120s', true)"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text("SELECT set_config('lock_timeout', '2s', true)"))
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_by_settings() -> None:
    """Run it on a connection of our own: from the command line."""
    from capstone.settings import Settings
    from capstone.store import url_of
    from capstone.store.database import address_of, prepare_server, prepare_sqlite
    from capstone.store.migrate import upgrading

    address = address_of(url_of(Settings()))
    embedded = address.get_backend_name() == "sqlite"
    # To connect takes a minute at most; a migration, as long as it takes.
    connect = {} if embedded else prepare_server(60) | {"command_timeout": None}
    engine = create_async_engine(address, poolclass=NullPool, connect_args=connect)
    if embedded:
        prepare_sqlite(engine, "BEGIN IMMEDIATE", foreign_keys=False)
    await upgrading(engine, run)
    await engine.dispose()


if given := context.config.attributes.get("connection"):
    run(given)
else:
    asyncio.run(run_by_settings())
