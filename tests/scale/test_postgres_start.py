"""How the service starts on a PostgreSQL, and goes on when it is gone: in words, at once, and with all others."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from capstone.store import Store, open_store, vectors
from capstone.store.database import Database
from capstone.store.migrate import COMMAND
from capstone.store.outage import DatabaseAway, UnusableDatabase
from capstone.store.vectors import Vectors
from tests.capstone.test_store import Wanted, put
from tests.conftest import ROOT
from tests.scale.neighbors import EMPTY, Postgres
from tests.scale.stores import chunks, eventually, opened, turned, upgraded
from tests.scale.wire import wire

pytestmark = pytest.mark.timeout(60)


def test_instances_that_start_at_the_same_moment_on_an_empty_server_migrate_once(
    postgres: Postgres, tmp_path: Path
) -> None:
    name = postgres.create(EMPTY)
    code = f"""
import asyncio
from pathlib import Path
from pydantic import SecretStr
from tests.capstone.test_store import Wanted, open_store
async def main():
    async with open_store(Wanted(Path({str(tmp_path)!r}), SecretStr({postgres.url(name)!r}))) as store:
        assert await store.documents.every() == []
asyncio.run(main())
"""
    started = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, cwd=ROOT) for _ in range(3)]
    for one in started:
        _, said = one.communicate(timeout=40)
        assert one.returncode == 0, said.decode()
    assert postgres.ask("SELECT count(*) FROM alembic_version", name) == [["1"]]
    postgres.drop(name)


def test_without_the_setting_nothing_of_postgresql_is_imported(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from tests.capstone.test_store import Wanted, open_store
async def main():
    async with open_store(Wanted(Path(sys.argv[1]))) as store:
        await store.documents.every()
asyncio.run(main())
import capstone.services.work
print([name for name in ("asyncpg", "pgvector") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_server_without_pgvector_is_refused_with_the_way_out(
    postgres: Postgres, database: str, tmp_path: Path
) -> None:
    postgres.ask(f"ALTER DATABASE {database} SET extension_control_path = '/nowhere'")
    with pytest.raises(UnusableDatabase, match=r"no pgvector.*postgresql-18-pgvector.*pgvector/pgvector"):
        async with opened(postgres, database, tmp_path):
            pass


async def test_who_may_not_change_tables_is_told_what_their_owner_has_to_run(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = postgres.create(EMPTY)
    postgres.ask("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    guest = SecretStr(postgres.url(name).replace("postgres@", "guest@"))
    with pytest.raises(UnusableDatabase) as refused:
        async with open_store(Wanted(tmp_path, guest)):
            pass
    assert COMMAND in str(refused.value)
    await upgraded(postgres.url(name), "head")
    postgres.ask("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest", name)
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 1)
    async with open_store(Wanted(tmp_path, guest)) as store:
        there = Vectors(store.database, "m")
        await there.put(await put(store, "a", "x"), "text", chunks(turned(0), turned(1)))
        assert await there.index_if_many(turned(0)), "it is not tried again and again"
        assert len(await there.nearest("a", turned(0), k=2, floor=0, where={})) == 2
    command = next(line.args[0] for line in caplog.records if "Let the owner run" in line.msg)  # type: ignore[index]
    postgres.ask(str(command), name)
    postgres.drop(name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("postgres@", "nobody@"), "does not let us in.*nobody"),
        (("/cluster", "/no_such"), "does not let us in.*no_such"),
        (("?host=/", "?host=/nowhere/"), "does not answer"),
    ],
)
async def test_a_server_that_does_not_let_us_in_is_told_in_words_and_without_a_password(
    postgres: Postgres, database: str, tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    url = postgres.url(database).replace(*change).replace("@/", ":hush-hush@/")
    with pytest.raises(UnusableDatabase, match=words) as refused:
        async with open_store(Wanted(tmp_path, SecretStr(url), database_patience_s=0.5)):
            pass
    assert "hush-hush" not in str(refused.value)


async def test_a_migration_stands_back_for_those_who_serve_and_is_done_when_they_are(
    postgres: Postgres, tmp_path: Path
) -> None:
    """Whoever changes a table waits for its readers, and everybody who comes then waits behind them."""
    name = postgres.create(EMPTY)
    await upgraded(postgres.url(name), "0002")
    old = Database(postgres.url(name), patience_s=10)
    async with old.reading() as reader:
        await reader.execute(text("SELECT count(*) FROM documents"))  # and its transaction stays open
        migrating = asyncio.create_task(_serve_once(postgres, name, tmp_path))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        async with old.reading() as other:
            while not await other.scalar(waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            # Behind the migration, until that stands back.
            assert await other.scalar(text("SELECT count(*) FROM documents")) == 0
        assert not migrating.done()
    await migrating
    await old.close()
    postgres.drop(name)


async def _serve_once(postgres: Postgres, database: str, folder: Path) -> None:
    async with opened(postgres, database, folder) as store:
        assert await store.documents.every() == []


# A server that is gone.


async def test_a_server_that_is_frozen_costs_everybody_our_patience_and_those_who_come_then_nothing(
    postgres: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with wire(postgres.socket) as way:
        one = Database(f"postgresql://postgres@127.0.0.1:{way.port}/{database}", pool=2, patience_s=0.3)
        await asyncio.gather(one.ping(), one.ping())
        way.freeze()
        said = await asyncio.gather(*(one.ping() for _ in range(20)), return_exceptions=True)
        assert all(isinstance(error, DatabaseAway) for error in said)
        for _ in range(1_000):
            with pytest.raises(DatabaseAway):
                await one.ping()
        assert caplog.text.count("the database is away") == 1
        way.mend()
        await eventually(lambda: _answers(one))
        assert caplog.text.count("is there again") == 1
        await one.close()


async def _answers(database: Database) -> bool:
    try:
        await database.ping()
    except DatabaseAway:
        return False
    return True


async def test_a_database_whose_connections_are_all_lent_is_busy_and_not_gone(
    postgres: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = Database(postgres.url(database), pool=1, patience_s=0.5)
    async with one.reading() as session:
        await session.execute(text("SELECT 1"))
        said = await asyncio.gather(*(one.ping() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(error, DatabaseAway) for error in said)
    await one.ping()
    assert [line.getMessage()[:16] for line in caplog.records if line.name == "capstone.store"] == ["every connection"]
    await one.close()


async def test_a_server_that_lets_us_in_no_more_is_one_that_is_gone(
    postgres: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A password that was changed, a role that was closed: callers get 503, and it mends itself."""
    postgres.ask(f"CREATE ROLE {database} LOGIN")
    one = Database(postgres.url(database).replace("postgres@", f"{database}@"))
    await one.ping()
    ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
    postgres.ask(f"ALTER ROLE {database} NOLOGIN; {ours}'{database}'")
    for _ in range(3):
        with pytest.raises(DatabaseAway):
            await one.ping()
    assert caplog.text.count("the database is away") == 1
    postgres.ask(f"ALTER ROLE {database} LOGIN")
    await eventually(lambda: _answers(one))
    await one.close()
    postgres.ask(f"DROP ROLE {database}")


async def test_a_connection_that_the_server_has_ended_is_noticed_before_it_is_used(
    postgres: Postgres, store: Store, database: str
) -> None:
    ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'capstone' AND datname = "
    for _ in range(3):
        await put(store, "a", "x")
        postgres.ask(f"{ours}'{database}'")
    assert await store.documents.find("a", "nothing") is None
