"""What the store promises: nothing accepted is lost, nobody sees another's, and nobody waits longer than they must."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from capstone.services.usage import UsageQueue, open_usage
from capstone.store import Store, open_store
from capstone.store.database import Database, DatabaseAway
from capstone.store.documents import TooManyDocuments
from capstone.store.outage import UnusableDatabase
from capstone.store.tables import Base, Key, UsageRecord, User


@dataclass
class Wanted:
    """Settings for a store."""

    data: Path
    database_url: Any = None
    database_pool: int = 2
    database_patience_s: float = 5


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Wanted(tmp_path)) as store:
        yield store


def record(number: int, **changes: Any) -> UsageRecord:
    known: dict[str, Any] = {"tenant": "a", "principal_id": "key:1", "request_id": "r", "kind": "chat"}
    known |= {"provider": "p", "model": "m", "prompt_tokens": 3, "completion_tokens": 4}
    return UsageRecord(id=f"u{number}", at=86_400.0 * 10 + number, **{**known, **changes})


async def put(store: Store, tenant: str, name: str, content: bytes = b"text", digest: str = "1") -> Any:
    document, _ = await store.documents.put(
        tenant, name, content=content, media_type="text/plain", digest=digest, meta={}, most=3
    )
    return document


# The database itself.


async def test_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    async with store.database._reading.connect() as connection:
        difference = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), Base.metadata)
        )
    assert difference == []


def test_tables_and_writes_are_postgresql_too() -> None:
    """Tried against a real server by hand; here every statement that makes a table compiles for it."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    for table in Base.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))


async def test_sqlite_is_set_up_for_more_than_one_reader(store: Store) -> None:
    said = {}
    async with store.database.reading() as session:
        for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous"):
            said[name] = await session.scalar(text(f"PRAGMA {name}"))
    assert said == {"journal_mode": "wal", "busy_timeout": 5000, "foreign_keys": 1, "synchronous": 2}


def test_processes_that_start_at_the_same_moment_migrate_once(tmp_path: Path) -> None:
    code = f"""
import asyncio
from pathlib import Path
from tests.capstone.test_store import Wanted, open_store
async def main():
    async with open_store(Wanted(Path({str(tmp_path)!r}))) as store:
        await store.database.ping()
asyncio.run(main())
"""
    started = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    for one in started:
        _, said = one.communicate(timeout=20)
        assert one.returncode == 0, said.decode()


async def test_a_database_that_a_newer_version_has_added_to_is_served_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An instance that starts anew while others are updated already: migrations only add."""
    async with open_store(Wanted(tmp_path)) as store:
        await put(store, "a", "x")
        async with store.database.writing() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    async with open_store(Wanted(tmp_path)) as store:
        assert [one.name for one in await store.documents.of_tenant("a")] == ["x"]
    assert "revision 9999" in caplog.text


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql+aiomysql://u:secret@host/db", "postgresql+psycopg2://u:secret@host/db"]
)
def test_an_address_that_is_not_served_is_refused_in_words_and_without_its_password(url: str) -> None:
    with pytest.raises(UnusableDatabase, match="CAPSTONE_DATABASE_URL") as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_an_address_without_a_driver_is_one_of_asyncpg() -> None:
    for known in ("postgresql", "postgres"):
        url = Database(f"{known}://u:p@host/db?sslmode=verify-full").url
        assert (url.drivername, dict(url.query)) == ("postgresql+asyncpg", {"ssl": "verify-full"})


async def test_many_writers_of_two_processes_wait_for_each_other_and_none_fails(tmp_path: Path) -> None:
    async with open_store(Wanted(tmp_path)) as one, open_store(Wanted(tmp_path)) as other:
        await asyncio.gather(*(put(store, f"t{n}", "x") for n in range(40) for store in (one, other)))
        found = [len(await one.documents.of_tenant(f"t{n}")) for n in range(40)]
    assert found == [1] * 40


async def test_a_writer_that_is_cancelled_changes_nothing_and_lets_the_next_one_in(store: Store) -> None:
    entered = asyncio.Event()

    async def write() -> None:
        async with store.database.writing() as session:
            session.add(User(name="u", password_hash="h", tenant="a", scopes=[], token_limit=1, created_at=0.0))
            await session.flush()
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await entered.wait()
    task.cancel()
    await asyncio.wait({task})
    assert await store.users.find("u") is None
    await put(store, "a", "next")


# Whose things they are: row 20 of the faults, for every method that is asked for somebody.


async def test_a_tenant_never_sees_lists_or_deletes_anothers_document(store: Store) -> None:
    mine = await put(store, "a", "secret.txt", b"of a")
    assert await store.documents.settle(mine, text="of a", chunks=1)
    assert await store.documents.find("b", mine.id) is None
    assert await store.documents.text_of("b", mine.id) is None
    assert await store.documents.of_tenant("b") == []
    assert await store.documents.named("b", ["secret.txt"]) == {}
    assert not await store.documents.doom("b", mine.id)
    assert (await store.documents.find("a", mine.id)).state == "ready"  # type: ignore[union-attr]


async def test_the_same_name_of_two_tenants_is_two_documents(store: Store) -> None:
    mine, other = await put(store, "a", "x", b"of a"), await put(store, "b", "x", b"of b")
    assert mine.id != other.id
    assert await store.documents.content_of(mine.id) == b"of a"


async def test_a_tenant_never_sees_anothers_job(store: Store) -> None:
    await store.jobs.note("j1", "a", principal_id="key:1", model="m", prompts=1)
    assert await store.jobs.find("b", "j1") is None
    assert await store.jobs.of_tenant("b") == []
    assert await store.jobs.find("a", "j1") is not None


async def test_ids_of_documents_cannot_be_guessed(store: Store) -> None:
    ids = {(await put(store, f"t{n}", "x")).id for n in range(20)}
    assert len(ids) == 20
    assert all(len(one) >= 4 + 22 for one in ids), "128 random bits are 22 characters"


# Documents.


async def test_a_document_is_replaced_under_its_id_and_the_same_again_is_nothing_to_do(store: Store) -> None:
    first, new = await store.documents.put("a", "x", content=b"1", media_type="text/plain", digest="1", meta={})
    assert new
    await store.documents.settle(first, text="1", chunks=1)
    _, new = await store.documents.put("a", "x", content=b"1", media_type="text/plain", digest="1", meta={})
    assert not new
    second, new = await store.documents.put("a", "x", content=b"2", media_type="text/plain", digest="2", meta={})
    assert (new, second.id, second.state) == (True, first.id, "queued")
    assert not await store.documents.settle(first, text="1", chunks=1), "the first version is not the one that waits"
    assert await store.documents.settle(second, text="2", chunks=1)


async def test_a_tenant_has_room_for_so_many_documents(store: Store) -> None:
    for n in range(3):
        await put(store, "a", f"{n}")
    with pytest.raises(TooManyDocuments):
        await put(store, "a", "4")
    await put(store, "a", "2", digest="2")  # to replace one is no further one
    await put(store, "b", "1")


async def test_a_doomed_document_is_gone_for_everybody_and_then_in_fact(store: Store) -> None:
    one = await put(store, "a", "x")
    assert await store.documents.doom("a", one.id)
    assert await store.documents.find("a", one.id) is None
    assert not await store.documents.doom("a", one.id)
    assert [task.state for task in await store.documents.to_do()] == ["deleting"]
    await store.documents.forget(one.id)
    assert await store.documents.content_of(one.id) is None, "its bytes are still there"


# Keys and users.


async def test_a_key_ends_once_and_never_later(store: Store) -> None:
    await store.keys.add(
        Key(id="k", digest="d", tenant="a", principal_id="key:k", scopes=["chat"], token_limit=5, created_at=0.0)
    )
    for at in (50.0, 90.0, 40.0):
        await store.keys.end("k", at)
    found = await store.keys.find("k")
    assert found
    assert (found.ends_at, found.scopes) == (40.0, ["chat"])
    assert [one.id for one in await store.keys.of_tenant("a")] == ["k"]
    assert await store.keys.of_tenant("b") == []


async def test_no_hash_is_in_what_a_log_would_show_of_a_row(store: Store) -> None:
    user = User(name="ada", password_hash="$argon2$secret", tenant="a", scopes=[], token_limit=1, created_at=0.0)
    await store.users.put(user)
    assert "argon2" not in repr(await store.users.find("ada"))


# Usage: rows that are written behind the requests.


async def test_usage_written_twice_counts_once_and_adds_up_by_day_and_model(store: Store) -> None:
    await store.usage.add([record(1), record(2, model="n"), record(86_400)])
    await store.usage.add([record(1), record(3, tenant="b")])
    said = [(one.day // 86_400, one.model, one.calls, one.prompt_tokens) for one in await store.usage.by_day("a")]
    assert said == [(11, "m", 1, 3), (10, "m", 1, 3), (10, "n", 1, 3)]
    assert await store.usage.tokens_of("key:1") == 4 * 7
    assert len(await store.usage.latest("a")) == 3


class Stopped:
    """A database that can be stopped."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.stopped = False
        self.asked = 0

    async def add(self, records: list[UsageRecord], /) -> None:
        self.asked += 1
        if self.stopped:
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        self.kept += [one.id for one in records]


@pytest.mark.looptime
async def test_row_24_the_queue_of_records_is_bounded_while_the_database_is_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Stopped()
    database.stopped = True
    async with open_usage(database) as queue:
        for number in range(25_000):
            queue.put(record(number))
        await asyncio.sleep(300)
        assert len(queue) == 10_000
        assert queue.dropped == 15_000
        assert database.asked < 30, "a stopped database is asked without a pause"
        complaints = [one for one in caplog.records if one.levelno >= logging.ERROR]
        assert len(complaints) == 1, "one outage is one line"
        database.stopped = False
        await asyncio.sleep(60)
        assert len(queue) == 0
    assert database.kept == [f"u{number}" for number in range(15_000, 25_000)], "the latest are kept, in order"


@pytest.mark.looptime
async def test_usage_is_written_in_batches_and_the_rest_at_the_end() -> None:
    database = Stopped()
    async with open_usage(database) as queue:
        for number in range(1_000):
            queue.put(record(number))
        await asyncio.sleep(10)
        assert database.asked == 2
        queue.put(record(1_000))
        queue.put(record(1_001))
    assert len(database.kept) == 1_002


@pytest.mark.looptime
async def test_records_that_a_cancel_took_off_the_queue_go_back() -> None:
    class Hanging(Stopped):
        async def add(self, records: list[UsageRecord], /) -> None:
            await asyncio.Event().wait()

    queue = UsageQueue(Hanging())
    queue.put(record(1))
    task = asyncio.create_task(queue.flush())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    assert len(queue) == 1


async def test_a_locked_database_is_waited_for_and_then_written(tmp_path: Path) -> None:
    """The same with a real one, whose lock somebody else holds."""
    async with open_store(Wanted(tmp_path, database_patience_s=0.2)) as store:
        with closing(sqlite3.connect(tmp_path / "capstone.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(DatabaseAway, match="locked"):
                await store.usage.add([record(1)])
        await store.usage.add([record(1)])
        assert await store.usage.tokens_of("key:1") == 7


async def test_no_method_leaves_a_connection_behind(store: Store) -> None:
    for _ in range(20):
        await store.documents.of_tenant("a")
        await put(store, "a", "x")
    assert store.database._reading.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert store.database._writing.pool.checkedout() == 0  # type: ignore[attr-defined]
