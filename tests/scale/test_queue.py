"""Jobs in a PostgreSQL that several instances ask: each is one holder's, and comes back when that one dies."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from capstone.parts import deployment
from capstone.services.jobage import DAY_S, OldJobs
from capstone.services.jobqueue import KeyReused, ManyMachines, OneMachine, Queue
from capstone.store import Store, open_store
from capstone.store.queue import QueuedJobs
from tests.capstone.test_store import Wanted
from tests.scale.neighbors import Postgres


@pytest.fixture
async def store(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Store]:
    name = await asyncio.to_thread(postgres.create)
    async with open_store(Wanted(tmp_path, database_url=SecretStr(postgres.url(name)))) as store:
        yield store
    await asyncio.to_thread(postgres.drop, name)


@pytest.fixture
async def table(store: Store) -> QueuedJobs:
    return QueuedJobs(store.database)


def dying(table: QueuedJobs) -> QueuedJobs:
    """The same table, for somebody whose leases are over when they begin."""
    return QueuedJobs(table.database, lease_s=-1)


async def test_of_many_who_ask_at_once_each_job_is_one_ones(table: QueuedJobs) -> None:
    ids = {(await table.submit(f"key-{n}", "payload")).id for n in range(8)}
    taken = await asyncio.gather(*(table.claim(f"holder-{n}") for n in range(20)))
    assert sorted(one.id for one in taken if one) == sorted(ids)
    assert len([one for one in taken if one is None]) == 12


async def test_a_job_is_begun_by_one_of_many_who_were_told_of_it(table: QueuedJobs) -> None:
    job = await table.submit("key", "payload")
    taken = await asyncio.gather(*(table.claim(f"holder-{n}", job.id) for n in range(10)))
    assert len([one for one in taken if one]) == 1


async def test_the_same_key_is_the_same_job_at_all_instances(store: Store, table: QueuedJobs) -> None:
    one, two = ManyMachines(table), ManyMachines(QueuedJobs(store.database))
    jobs = await asyncio.gather(*((one if n % 2 else two).submit("key", "payload") for n in range(10)))
    assert len({job.id for job in jobs}) == 1
    with pytest.raises(KeyReused):
        await two.submit("key", "another")


async def test_whoever_lost_a_job_can_neither_hold_nor_finish_it(table: QueuedJobs) -> None:
    job = await table.submit("key", "payload")
    dead = dying(table)
    assert await dead.claim("dead", job.id)
    assert await table.claim("alive", job.id)
    assert not await dead.hold("dead", job.id)
    assert not await dead.finish(job.id, '"dead"', "done", "dead")
    assert not await dead.release("dead", job.id)
    assert await table.finish(job.id, '"alive"', "done", "alive")
    assert not await table.finish(job.id, "{}", "failed"), "a cancel comes too late"
    found = await table.find(job.id)
    assert found
    assert (found.state, found.result) == ("done", '"alive"')


async def test_a_job_that_kills_its_workers_is_given_up_and_one_that_is_given_back_is_not(table: QueuedJobs) -> None:
    deadly, job = await table.submit("deadly", "payload"), await table.submit("fine", "payload")
    dead = dying(table)
    for _ in range(5):
        assert await table.claim("worker", job.id)
        assert await table.release("worker", job.id)
    tries = [await dead.claim("worker", deadly.id) for _ in range(5)]
    assert [one is not None for one in tries] == [True] * 3 + [False] * 2
    states = [(await table.find(one.id)).state for one in (deadly, job)]  # type: ignore[union-attr]
    assert states == ["failed", "queued"]


async def test_workers_are_told_of_a_job_once_and_again_when_nobody_begins_it_or_its_worker_dies(
    table: QueuedJobs,
) -> None:
    ids = {(await table.submit(f"key-{n}", "payload")).id for n in range(5)}
    told = await asyncio.gather(*(table.due() for _ in range(5)))
    assert sorted(job_id for some in told for job_id in some) == sorted(ids), "each is told by one instance"
    await table.not_told(sorted(ids))
    assert await table.due() == [], "not yet"
    at_once = QueuedJobs(table.database, lease_s=-1, again_s=-1)
    job_id = min(ids)
    await at_once.submit("another", "payload")
    assert await at_once.due()
    assert await at_once.due(), "nobody has begun it"
    assert await at_once.claim("dead", job_id)
    assert job_id in await table.due(), "its worker has died"
    assert await table.claim("alive", job_id)
    assert job_id not in await table.due()


@pytest.mark.parametrize("engine", ["file", "server"])
async def test_jobs_that_are_over_are_deleted_after_their_time_and_no_other(
    store: Store, table: QueuedJobs, tmp_path: Path, engine: str
) -> None:
    async with open_store(Wanted(tmp_path / "file")) as embedded:
        rows = store.jobs if engine == "server" else embedded.jobs
        lesson = deployment.SQLiteJobs(tmp_path / "jobs.db")
        queue: Queue = ManyMachines(table) if engine == "server" else OneMachine(lesson, deployment.KeyReused, turn=1)
        ids = [(await queue.submit(f"key-{n}", "a secret prompt")).id for n in range(3)]
        for id in ids:
            await rows.note(id, "a", principal_id="key:a", model="m", prompts=1)
            await rows.answer(id, 0, text="an answer")
        first = await queue.claim()
        assert await queue.finish(first.id, "{}")

        old = OldJobs(queue, rows, kept_days=1)
        assert await old.delete() == 0, "it is over since now"
        old.now = lambda: time.time() + DAY_S
        assert await old.delete() == 1
        assert await queue.status(first.id) is None
        assert await rows.find("a", first.id) is None
        assert await rows.answers(first.id) == {}
        for id in set(ids) - {first.id}:
            assert (await queue.status(id)).state == "queued"
            assert await rows.answers(id)
