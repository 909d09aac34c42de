"""The way to the database: short sessions, one writer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as SQLTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from capstone.store.outage import (
    DatabaseAway,
    DatabaseGone,
    Outage,
    Unstorable,
    UnusableDatabase,
    driver_error,
    is_away,
    is_gone,
    is_unstorable,
    words_of,
)

__all__ = ["Database", "DatabaseAway"]


class Database:
    """One database, read through a pool of connections and written through one.

    SQLite takes one writer at a time. Here writers wait for their turn in the pool, in order and without a thread;
    they wait in SQLite itself (`busy_timeout`) only for writers of another process. PostgreSQL takes many, and gets
    one pool for both.

    A session lasts as long as a method of a repository, never as long as a request: whoever streams for a minute holds
    no connection in the meantime.
    """

    def __init__(self, url: str, *, pool: int = 5, patience_s: float = 10.0) -> None:
        self.url = address_of(url)
        self.embedded = self.url.get_backend_name() == "sqlite"
        self.patience_s = patience_s
        options: dict[str, Any] = {"max_overflow": 0, "pool_timeout": patience_s, "hide_parameters": True}
        if not self.embedded:
            options["pool_timeout"] = 0.8 * patience_s  # before a session's time is over: to be busy is no outage
            self.connect = prepare_server(patience_s)
            self._reading = self._writing = create_async_engine(
                self.url, pool_size=pool, pool_pre_ping=True, connect_args=self.connect, **options
            )
            event.listen(self._reading.sync_engine, "before_cursor_execute", without_nul, retval=True)
        else:
            self.connect = {"timeout": patience_s}
            self._reading = create_async_engine(self.url, pool_size=pool, connect_args=self.connect, **options)
            self._writing = create_async_engine(self.url, pool_size=1, connect_args=self.connect, **options)
            for engine, begin in ((self._reading, "BEGIN"), (self._writing, "BEGIN IMMEDIATE")):
                prepare_sqlite(engine, begin)
        self._read = async_sessionmaker(self._reading, expire_on_commit=False, autoflush=False)
        self._write = async_sessionmaker(self._writing, expire_on_commit=False)
        self.outage = Outage(self._ask_anew)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Lend a session that only reads."""
        async with self._bounded(self.patience_s), self._read() as session:
            yield session

    @asynccontextmanager
    async def writing(self, *, long: bool = False) -> AsyncIterator[AsyncSession]:
        """Lend a session whose changes are all there afterwards, on disk, or none.

        Args:
            long: it may take more than our patience in all; each of its statements may not.
        """
        async with self._bounded(None if long else self.patience_s), self._write() as session, session.begin():
            yield session

    @asynccontextmanager
    async def _bounded(self, patience_s: float | None) -> AsyncIterator[None]:
        """Say in one way that the database is away. A server has so many seconds; a file's own timeout is enough."""
        if self.outage.since:
            raise DatabaseGone(self.outage.since)
        try:
            async with asyncio.timeout(None if self.embedded else patience_s):
                yield
        except Exception as error:
            if is_unstorable(error):
                # Not in its own words: they show the value, which is out of somebody's document or prompt.
                raise Unstorable(type(driver_error(error)).__name__) from None
            if not is_away(error):
                raise
            if self.embedded:
                raise DatabaseAway(words_of(error)) from error
            if isinstance(error, SQLTimeout):
                self.outage.busy()
            elif is_gone(error):
                self.outage.begin(error)
            else:
                raise DatabaseAway(words_of(error)) from error
            raise DatabaseGone(words_of(error)) from error

    def insert_unless_there(self, table: type[Any]) -> Any:
        """Return a statement that inserts rows and passes over those whose key is taken, whoever else writes."""
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[self.url.get_backend_name()]
        return dialect.insert(table).on_conflict_do_nothing()

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def _ask_anew(self) -> None:
        """Ask on a connection of its own: those in the pool may wait for a server that is no more."""
        engine = create_async_engine(self.url, poolclass=NullPool, connect_args=self.connect)
        try:
            async with asyncio.timeout(self.patience_s), engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def at_leisure(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection without a transaction, for what may take minutes. Only on a server."""
        engine = create_async_engine(
            self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"timeout": self.patience_s}
        )
        try:
            async with self._bounded(None), engine.connect() as connection:
                yield connection
        finally:
            await engine.dispose()

    async def close(self) -> None:
        """Close every connection."""
        await self.outage.close()
        await self._reading.dispose()
        if self._writing is not self._reading:
            await self._writing.dispose()


def address_of(url: str) -> URL:
    """Return the address of a database. What a provider hands out names no driver: asyncpg is meant.

    Raises:
        UnusableDatabase: no database of ours lives there.
    """
    try:
        known = make_url(url)
    except ArgumentError:
        raise UnusableDatabase(
            "CAPSTONE_DATABASE_URL is no address. Write postgresql://user:password@host/name"
        ) from None
    if known.drivername in ("postgresql", "postgres"):
        known = known.set(drivername="postgresql+asyncpg")
    if "sslmode" in known.query:  # the same under libpq's name
        known = known.update_query_dict({"ssl": known.query["sslmode"]}).difference_update_query(["sslmode"])
    if known.drivername not in ("postgresql+asyncpg", "sqlite+aiosqlite"):
        raise UnusableDatabase(
            f"CAPSTONE_DATABASE_URL begins with {known.drivername}://, which is not served. "
            "Write postgresql://user:password@host/name, or unset it for a file in the data folder."
        )
    return known


def prepare_server(patience_s: float) -> dict[str, Any]:
    """Return what a connection to a server is opened with: no step of it waits for ever.

    Raises:
        UnusableDatabase: a package is not installed.
    """
    try:
        import asyncpg  # noqa: F401
        import pgvector.sqlalchemy  # noqa: F401 - from now on SQLAlchemy knows the type that it finds in a table
    except ModuleNotFoundError as error:
        raise UnusableDatabase(
            f"CAPSTONE_DATABASE_URL names a PostgreSQL, and {error.name} is missing. Run: pip install asyncpg pgvector"
        ) from None
    return {"timeout": patience_s, "command_timeout": patience_s, "server_settings": {"application_name": "capstone"}}


def without_nul(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _m: bool) -> tuple[str, Any]:
    """Leave out the one character that PostgreSQL keeps in no text, in what is written and in what is looked for."""

    def clean(row: Any) -> Any:
        if not any(isinstance(one, str) and "\0" in one for one in row):
            return row
        return tuple(one.replace("\0", "") if isinstance(one, str) else one for one in row)

    return statement, [clean(row) for row in parameters] if isinstance(parameters, list) else clean(parameters)


def prepare_sqlite(engine: AsyncEngine, begin: str, *, foreign_keys: bool = True) -> None:
    """Set what SQLite does not do by itself, on every new connection; let transactions begin with `begin`.

    Source: https://docs.sqlalchemy.org/en/21/dialects/sqlite.html, https://www.sqlite.org/wal.html
    """

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # else the driver begins transactions in its own way, late
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other
        cursor.execute("PRAGMA synchronous = FULL")  # what was accepted survives a power cut too, not only a kill
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        # A writer that began as a reader and finds another writer there cannot wait: it would fail at once.
        connection.exec_driver_sql(begin)
