"""A database, a provider or a kill at a bad moment: what it was good for comes back, and nothing else goes with it."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from capstone.errors import ProviderError
from capstone.services import jobage
from capstone.services.access import secret_of
from capstone.services.indexing import Keeper
from capstone.services.jobage import OldJobs
from capstone.services.jobwork import Worker
from capstone.services.quota import AGAIN_S, DailyQuota
from capstone.store.outage import DatabaseAway, UnusableDatabase

NOON = 20_000 * 86_400 + 43_200.0


class Records:
    """Usage records: (at, tokens) of one principal."""

    def __init__(self, *records: tuple[float, int]) -> None:
        self.records, self.away, self.reads = list(records), False, 0
        self.hold: asyncio.Event | None = None

    async def tokens_of(self, _: str, *, since: float = 0, until: float = 1e12) -> int:
        self.reads += 1
        if self.hold:
            await self.hold.wait()
        if self.away:
            raise DatabaseAway("gone")
        return sum(tokens for at, tokens in self.records if since <= at < until)


async def test_a_quota_that_could_not_be_read_is_read_later_and_no_call_counts_twice() -> None:
    records, now = Records((NOON - 100_000, 400), (NOON - 60, 700)), [NOON]
    quota = DailyQuota(records, now=lambda: now[0])  # type: ignore[arg-type]
    records.away = True
    assert await quota.spend("ada", 100, 1_000), "counted from 0: nobody waits for the database"
    records.records.append((NOON, 100))  # the call that was just let in, written late
    now[0] += 1
    records.away = False
    assert await quota.spend("ada", 1, 1_000)
    assert records.reads == 1, "not with every request"
    now[0] += AGAIN_S
    assert await quota.spent("ada") == 801
    assert not await quota.spend("ada", 200, 1_000)
    now[0] += AGAIN_S
    assert (await quota.spent("ada"), records.reads) == (801, 2), "read once"


@pytest.mark.parametrize("away", [False, True])
async def test_what_somebody_knows_better_is_not_added_to(away: bool) -> None:
    records, now = Records((NOON - 60, 700)), [NOON]
    quota = DailyQuota(records, now=lambda: now[0])  # type: ignore[arg-type]
    records.away = away
    records.hold = asyncio.Event()
    late = asyncio.create_task(quota.spent("ada"))
    await asyncio.sleep(0)
    quota.note("ada", 750)
    records.hold.set()
    assert await late == 750
    records.away = False
    now[0] += AGAIN_S
    assert await quota.spent("ada") == 750


async def test_what_was_read_before_midnight_is_not_counted_after_it() -> None:
    records, now = Records((NOON, 700)), [NOON + 43_199]
    records.hold = asyncio.Event()
    quota = DailyQuota(records, now=lambda: now[0])  # type: ignore[arg-type]
    late = asyncio.create_task(quota.spent("ada"))
    await asyncio.sleep(0)
    now[0] += 2
    quota.today()
    records.hold.set()
    await late
    assert await quota.spent("ada") == 0


@pytest.mark.parametrize(("away", "tenants", "pause_s"), [(0, "", None), (0, "abcdef", 2), (1_100, "", 60)])
async def test_a_provider_that_is_away_holds_the_index_up_once_a_round_and_never_ends_it(
    away: int, tenants: str, pause_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    class Shelf:
        work = asyncio.Event()

        @asynccontextmanager
        async def tasks(self, _: object) -> AsyncIterator[list[Any]]:
            self.work.set()
            kept = {"state": "queued", "media_type": "text/plain"}
            yield [SimpleNamespace(id=one, tenant=one, **kept) for one in tenants]

        async def put(self, *_: object) -> None:
            raise ProviderError("away", 503, None)

        @property
        def documents(self) -> Any:
            return self

        async def content_of(self, _: str) -> bytes:
            return b"text"

    keeper = Keeper(Shelf(), indexer=str, _away=away)  # type: ignore[arg-type]
    monkeypatch.setattr("capstone.services.indexing.asyncio.sleep", sleep)
    await keeper._round()
    assert waits == ([] if pause_s is None else [pause_s])


async def test_a_table_of_jobs_that_is_locked_for_a_moment_ends_no_worker() -> None:
    asked = asyncio.Event()

    class Queue:
        news, claims = asyncio.Event(), 0

        async def claim(self) -> None:
            self.claims += 1
            if self.claims == 1:
                raise sqlite3.OperationalError("database is locked")
            asked.set()

    worker = Worker(Queue(), None, None, None, None, at_once=1, pause_s=0.001)  # type: ignore[arg-type]
    work = asyncio.create_task(worker.work())
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    failed = work.done() and work.exception()
    for task in (work, waiting):
        task.cancel()
    await asyncio.wait({work, waiting})
    assert not failed and asked.is_set()


@pytest.mark.parametrize("error", [DatabaseAway("locked"), sqlite3.OperationalError("database is locked")])
async def test_old_jobs_that_cannot_be_deleted_now_are_deleted_later(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rows:
        async def unfinished(self, *, after: str) -> list[str]:
            raise error

    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(jobage.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await OldJobs(None, Rows(), 30).keep_deleting()  # type: ignore[arg-type]
    assert waits == [jobage.AGAIN_S] * 2


async def test_a_password_anywhere_in_an_address_is_not_shown(tmp_path: Path) -> None:
    from capstone.store import open_store

    url = "postgresql://127.0.0.1:1/name?user=u&password=hunter22"
    wanted = SimpleNamespace(
        data=tmp_path, database_url=SimpleNamespace(get_secret_value=lambda: url), database_pool=1,
        database_patience_s=0.3,
    )  # fmt: skip
    with pytest.raises(UnusableDatabase) as raised:
        async with open_store(wanted):  # type: ignore[arg-type]
            pass
    assert "127.0.0.1:1/name" in str(raised.value) and "hunter22" not in str(raised.value)


def test_half_a_secret_of_a_process_that_was_killed_holds_up_no_start(tmp_path: Path) -> None:
    (tmp_path / f"secret.{os.getpid()}").touch()  # in a container every process has the same number
    settings: Any = SimpleNamespace(secret=None, data=tmp_path, database_url=None)
    assert len(secret_of(settings)) > 32
    assert secret_of(settings) == secret_of(settings)
