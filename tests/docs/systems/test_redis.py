"""Redis: a count that workers share, and one that never ends. Shown on docs/systems/redis.md."""

# ruff: noqa: RET504 - what the page shows is the assignment

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis

from tests.lessons.deployment import brokers

Count = Callable[[str], Awaitable[int]]


def example(url: str) -> Redis:
    # --8<-- [start:example]
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=50,  # the fifty-first waits its turn instead of failing
        timeout=1,
        socket_connect_timeout=1,
        socket_timeout=1,  # a Redis that is frozen says nothing, for ever
        decode_responses=True,
    )
    # one for the process, opened in the lifespan, ended by `await redis.aclose()`
    redis = Redis.from_pool(pool)
    # --8<-- [end:example]
    return redis


def broken(redis: Any) -> Count:
    # --8<-- [start:broken]
    async def count(caller: str) -> int:
        calls = await redis.incr(f"calls:{caller}")
        if calls == 1:
            await redis.expire(f"calls:{caller}", 60)
        return calls

    # --8<-- [end:broken]
    return count


def repaired(redis: Any) -> Count:
    # --8<-- [start:repaired]
    async def count(caller: str) -> int:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.incr(f"calls:{caller}")
            pipe.expire(f"calls:{caller}", 60, nx=True)  # only where there is none
            calls, _ = await pipe.execute()  # both or neither
        return calls

    # --8<-- [end:repaired]
    return count


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with brokers.redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    redis = example(url)
    await redis.flushall()
    yield redis
    await redis.aclose()


async def test_a_hundred_at_once_share_fifty_connections(redis: Redis) -> None:
    counts = await asyncio.gather(*(redis.incr("calls") for _ in range(100)))
    assert sorted(counts) == list(range(1, 101)), "and no call is counted twice"


class LeavesBehindIncr:
    """A Redis whose caller leaves between its two commands."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def incr(self, key: str) -> int:
        await self.redis.incr(key)
        raise asyncio.CancelledError


async def test_a_count_without_an_end_locks_out_for_good(redis: Redis) -> None:
    count = broken(LeavesBehindIncr(redis))
    # --8<-- [start:seen]
    # the caller closes the tab behind `incr`, or the process is killed
    with pytest.raises(asyncio.CancelledError):
        await count("ada")
    assert await redis.ttl("calls:ada") == -1  # a key without an end

    count = broken(redis)
    assert [await count("ada") for _ in range(3)] == [2, 3, 4]
    # ada's minute never ends, and no restart helps
    assert await redis.ttl("calls:ada") == -1
    # --8<-- [end:seen]


async def test_in_one_step_every_count_has_its_end(redis: Redis) -> None:
    count = repaired(redis)
    assert [await count("ada") for _ in range(3)] == [1, 2, 3]
    assert 0 < await redis.ttl("calls:ada") <= 60
    await redis.set("calls:bob", 7)  # one that was left without an end is mended by the next call
    await count("bob")
    assert 0 < await redis.ttl("calls:bob") <= 60
