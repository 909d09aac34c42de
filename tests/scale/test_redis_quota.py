"""A day's tokens, counted by several instances in a real Redis: exact, given back, renewed, settled once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from capstone.services.quota import DailyQuota
from capstone.services.quota_shared import Bill, SharedQuota
from capstone.services.shared import RedisAway, Shared, client_of
from tests.scale.neighbors import Redis

ADA = "key:ada"


@dataclass
class Records:
    """Usage records: what was written of each principal."""

    of: dict[str, int] = field(default_factory=dict[str, int])

    async def tokens_of(self, principal_id: str, *, since: float = 0) -> int:
        return self.of.get(principal_id, 0)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    one = Redis(tmp_path_factory.mktemp("redis"))
    yield one
    one.thaw()
    one.close()


@dataclass
class Instances:
    """Makes what each instance has."""

    port: int
    records: Records = field(default_factory=Records)
    all: list[SharedQuota] = field(default_factory=list[SharedQuota])
    tasks: list[Any] = field(default_factory=list[Any])

    def start(self, lease_s: float = 60, **options: Any) -> SharedQuota:
        shared = Shared(client_of(f"redis://127.0.0.1:{self.port}"), CollectorRegistry(), pulse_s=0.02, **options)
        quota = SharedQuota(shared, DailyQuota(self.records), lease_s)  # type: ignore[arg-type]
        self.all.append(quota)
        self.tasks.append(asyncio.create_task(shared.watch()))
        return quota


@pytest.fixture
async def instances(redis: Redis) -> AsyncIterator[Instances]:
    with redis.client() as client:
        client.flushall()
    made = Instances(redis.port)
    yield made
    redis.thaw()
    for task in made.tasks:
        task.cancel()
    for one in made.all:
        await one.shared.client.aclose()


async def spent(quota: SharedQuota) -> int:
    return await quota.spent(ADA)


async def eventually(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not seen():  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.01)


async def until(quota: SharedQuota, total: int) -> None:
    await eventually(lambda: not quota.shared.is_away)
    async with asyncio.timeout(10):
        while await spent(quota) != total:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)


async def test_row_10_of_many_calls_at_three_instances_as_many_pass_as_the_budget_holds(instances: Instances) -> None:
    instances.records.of[ADA] = 40
    quotas = [instances.start() for _ in range(3)]
    passed = await asyncio.gather(*(quotas[n % 3].for_call().spend(ADA, 80, 1_000) for n in range(60)))
    assert sum(passed) == 12, "12 times 80 and the 40 that were used before are 1,000"
    assert {await spent(one) for one in quotas} == {1_000}


async def test_what_was_set_aside_and_not_used_is_given_back_to_all(instances: Instances) -> None:
    one, two = instances.start(), instances.start()
    call = one.for_call()
    assert await call.spend(ADA, 900, 1_000)
    assert not await two.for_call().spend(ADA, 200, 1_000)
    await call.settle(ADA, 30 - 900)
    assert await spent(two) == 30
    assert await two.for_call().spend(ADA, 970, 1_000)


async def test_a_lesson_of_somebodys_may_settle_in_two_steps(instances: Instances) -> None:
    one, two = instances.start(), instances.start()
    call = one.for_call()
    assert await call.spend(ADA, 900, 1_000)
    await call.settle(ADA, -900)
    await call.settle(ADA, 30)
    assert await spent(two) == 30


async def test_the_lease_of_an_instance_that_was_killed_ends(instances: Instances) -> None:
    killed, other = instances.start(lease_s=0.1), instances.start()
    assert await killed.for_call().spend(ADA, 900, 1_000)
    async with asyncio.timeout(10):
        while not await other.for_call().spend(ADA, 900, 1_000):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.02)
    assert await spent(other) == 900


async def test_a_lease_that_ended_too_early_is_still_charged_and_once(instances: Instances) -> None:
    slow, other = instances.start(lease_s=0.05), instances.start()
    call = slow.for_call()
    assert await call.spend(ADA, 900, 1_000)
    bill = Bill(call.leases[0], 850, time.time())
    await asyncio.sleep(0.1)
    assert await other.for_call().spend(ADA, 1, 1_000)
    await slow._pay(bill)
    await slow._pay(bill)  # as one does whose answer got lost
    assert await spent(other) == 851


async def test_the_lease_of_a_call_that_lasts_is_renewed(instances: Instances, redis: Redis) -> None:
    one = instances.start(lease_s=0.9)
    call = one.for_call()
    assert await call.spend(ADA, 900, 1_000)
    (lease,) = call.leases

    def ends() -> float | None:
        with redis.client() as client:
            return client.zscore(lease.keys[1], lease.name)

    before, keeping = ends(), asyncio.create_task(one.keep())
    assert before
    await eventually(lambda: (ends() or 0) > before + 0.5)
    await call.settle(ADA, 0)
    keeping.cancel()
    assert ends() is None
    assert await spent(one) == 900


async def test_a_redis_that_has_lost_everything_goes_on_from_the_usage_records(
    instances: Instances, redis: Redis
) -> None:
    one = instances.start()
    call = one.for_call()
    assert await call.spend(ADA, 100, 1_000)
    with redis.client() as client:
        client.flushall()
    instances.records.of[ADA] = 950  # the hundred among them
    await call.settle(ADA, 0)
    assert await spent(one) == 950
    assert not await one.for_call().spend(ADA, 100, 1_000)
    assert await one.for_call().spend(ADA, 50, 1_000)


async def test_what_was_open_when_redis_lost_everything_is_charged_and_what_the_records_have_is_not(
    instances: Instances, redis: Redis
) -> None:
    one, two = instances.start(), instances.start()
    opened = one.for_call()
    assert await opened.spend(ADA, 100, 1_000)
    (lease,) = opened.leases
    ended = Bill(replace(lease, name="100:ended", alone=True), 100, time.time())
    instances.records.of[ADA] = 100  # what has ended
    with redis.client() as client:
        client.flushall()
    assert await two.for_call().spend(ADA, 0, 1_000)
    await one._pay(ended)
    assert await spent(two) == 100
    await opened.settle(ADA, 0)
    assert await spent(two) == 200
    for _ in range(2):
        await one._pay(Bill(lease, 100, time.time()))
        await one._pay(ended)
    assert await spent(two) == 200


async def test_row_13_while_redis_is_frozen_each_counts_on_and_makes_up_for_it_afterwards(
    instances: Instances, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = instances.start(), instances.start()
    before, during = one.for_call(), one.for_call()
    assert await before.spend(ADA, 400, 1_000)
    assert await two.for_call().spend(ADA, 0, 1_000)  # it has heard of the 400
    redis.freeze()
    one.shared.patience_s = two.shared.patience_s = 0.1
    results = await asyncio.gather(*(during.spend(ADA, 10, 1_000) for _ in range(100)))
    assert sum(results) == 60, "what is left of 1,000 after 400, by tens"
    assert not await one.for_call().spend(ADA, 1, 1_000), "alone it refuses too"
    other = two.for_call()
    assert await other.spend(ADA, 600, 1_000)
    await other.settle(ADA, 0)
    await before.settle(ADA, 50 - 400)
    await during.settle(ADA, 0)
    one.shared.patience_s = two.shared.patience_s = 5
    redis.thaw()
    await until(two, 50 + 600 + 600)
    assert caplog.text.count("Redis is away") == 2, "one line for each instance"


async def test_a_redis_that_comes_back_empty_is_told_nothing_twice(instances: Instances, redis: Redis) -> None:
    one, two = instances.start(), instances.start()
    assert await one.for_call().spend(ADA, 0, 1_000)
    redis.kill()
    call = one.for_call()
    assert await call.spend(ADA, 300, 1_000)
    await call.settle(ADA, 0)
    instances.records.of[ADA] = 300  # as the usage queue does
    redis.start()
    for instance in (one, two):
        await until(instance, 300)
    assert await two.for_call().spend(ADA, 700, 1_000)
    await until(one, 1_000)


async def test_a_redis_that_takes_no_more_counts_as_away(instances: Instances, redis: Redis) -> None:
    one = instances.start()
    with redis.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(RedisAway):
                await one.shared.ask(lambda: one.shared.client.set("x", 1))
            assert await one.for_call().spend(ADA, 1, 10)
            await asyncio.sleep(0.1)
            assert one.shared.is_away, "it answers a ping, and still takes nothing"
        finally:
            client.config_set("maxmemory", 0)
    await until(one, 0)
