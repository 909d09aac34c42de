"""The way to the database: short sessions, one writer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as SQLTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine


class DatabaseAway(Exception):
    """The database did not do what was asked within our patience: it is down, locked, or every connection is lent."""


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, SQLTimeout, OSError) as error:
        raise DatabaseAway(f"{type(error).__name__}: {getattr(error, 'orig', None) or error}") from error


class Database:
    """One database, read through a pool of connections and written through one.

    SQLite takes one writer at a time. Here writers wait for their turn in the pool, in order and without a thread;
    they wait in SQLite itself (`busy_timeout`) only for writers of another process. PostgreSQL takes many, and gets
    one pool for both.

    A session lasts as long as a method of a repository, never as long as a request: whoever streams for a minute holds
    no connection in the meantime.
    """

    def __init__(self, url: str, *, pool: int = 5, patience_s: float = 10.0) -> None:
        self.url = make_url(url)
        self.embedded = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"max_overflow": 0, "pool_timeout": patience_s}
        if not self.embedded:
            self._reading = self._writing = create_async_engine(self.url, pool_size=pool, pool_pre_ping=True, **options)
        else:
            connect: dict[str, Any] = {"timeout": patience_s}
            self._reading = create_async_engine(self.url, pool_size=pool, connect_args=connect, **options)
            self._writing = create_async_engine(self.url, pool_size=1, connect_args=connect, **options)
            for engine, begin in ((self._reading, "BEGIN"), (self._writing, "BEGIN IMMEDIATE")):
                prepare_sqlite(engine, begin)
        self._read = async_sessionmaker(self._reading, expire_on_commit=False, autoflush=False)
        self._write = async_sessionmaker(self._writing, expire_on_commit=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Lend a session that only reads."""
        with _away():
            async with self._read() as session:
                yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Lend a session whose changes are all there afterwards, on disk, or none."""
        with _away():
            async with self._write() as session, session.begin():
                yield session

    def insert_unless_there(self, table: type[Any]) -> Any:
        """Return a statement that inserts rows and passes over those whose key is taken, whoever else writes."""
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[self.url.get_backend_name()]
        return dialect.insert(table).on_conflict_do_nothing()

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self._reading.dispose()
        if self._writing is not self._reading:
            await self._writing.dispose()


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
