"""A database on a server can be gone, for seconds or for good. Nobody waits for it longer than they must."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as SQLTimeout

log = logging.getLogger("capstone.store")
# What PostgreSQL says when nothing is wrong with the statement: connections, resources, shutting down and starting up,
# a password or a database that is another by now, read-only after a failover, and two that got into each other's way.
# Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
OWN_FAULT = ("08", "53", "57", "58", "28", "3D", "25006", "40001", "40P01", "55P03")
INSUFFICIENT_PRIVILEGE = "42501"
CLOSED = ("28", "3D")  # of these: we are not let in


class DatabaseAway(Exception):
    """The database did not do what was asked within our patience: it is down, locked, or every connection is lent."""

    level = logging.WARNING  # at which it is logged by whoever answers


class DatabaseGone(DatabaseAway):
    """The server does not answer, or has no connection left for us; that is in the log already."""

    level = logging.DEBUG


class UnusableDatabase(Exception):
    """The service cannot start on this database. The text says why, and what to do."""


class Unstorable(Exception):
    """A value cannot be kept as it is: too long, too large, or not of the kind that the column has."""


def state_of(error: BaseException) -> str:
    """Return PostgreSQL's code of an error, "" if it has none."""
    found = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    return found if isinstance(found, str) else ""


def is_away(error: BaseException) -> bool:
    """Say whether an error means that the database did not answer."""
    if state := state_of(error):
        return state.startswith(OWN_FAULT)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | SQLTimeout | OSError)


def driver_error(error: BaseException) -> BaseException:
    """Return what the driver raised, from which SQLAlchemy made what we see."""
    orig = getattr(error, "orig", None)
    return getattr(orig, "__cause__", None) or orig or error


def is_unstorable(error: BaseException) -> bool:
    """Say whether it is a value that is wrong: the server says so, or the driver before it asks."""
    return state_of(error).startswith("22") or type(driver_error(error)).__name__ == "DataError"


def words_of(error: BaseException) -> str:
    """Say what a database has, for the log; errors of SQLAlchemy bring the whole statement along."""
    return f"{type(error).__name__}: {getattr(error, 'orig', None) or str(error) or 'no answer in time'}"


def is_gone(error: BaseException) -> bool:
    """Say whether it is the server that is gone, and not only a connection or a row that somebody else has."""
    return is_away(error) and not isinstance(error, SQLTimeout) and not state_of(error).startswith(("25", "40", "55"))


@dataclass
class Outage:
    """Whether a server is gone. While it is, requests are refused at once, and one task asks it again and again.

    Without this each of them would wait for its own connection, and those that wait for the ones that wait.
    """

    ping: Callable[[], Awaitable[object]]
    pause_s: float = 0.25  # between two questions
    since: str = ""  # what was wrong when it began; "" while the server is well
    _asking: asyncio.Task[None] | None = None
    _told_busy: float = float("-inf")

    def begin(self, error: BaseException) -> None:
        """Refuse from now on, until the server answers."""
        if not self.since:
            self.since = words_of(error)
            log.warning("the database is away: %s", self.since)
            self._asking = asyncio.create_task(self._ask(), name="asking the database")

    def busy(self) -> None:
        """Say that every connection is lent: at most once in a while, since whoever asks then meets it."""
        if time.monotonic() > self._told_busy + 10:
            self._told_busy = time.monotonic()
            log.warning("every connection to the database is lent; CAPSTONE_DATABASE_POOL says how many there are")

    async def _ask(self) -> None:
        while self.since:
            try:
                await self.ping()
            except Exception:
                await asyncio.sleep(self.pause_s)
            else:
                self.since = ""
                log.warning("the database is there again")

    async def close(self) -> None:
        """Ask no more."""
        if self._asking:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
