"""A quota that is looked at, and then spent. The three sections are shown on the page of lesson 08."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

LIMIT = 1_000


class QuotaExceeded(Exception):
    """No tokens are left."""


class Database:
    """As far away as a database is: while one waits for it, others run."""

    def __init__(self) -> None:
        self.sum = 0

    async def spent(self) -> int:
        await asyncio.sleep(0)
        return self.sum

    async def add(self, tokens: int) -> None:
        await asyncio.sleep(0)
        self.sum += tokens

    async def spend(self, tokens: int, limit: int) -> bool:
        """As `UPDATE quota SET spent = spent + ? WHERE spent + ? <= ?` does: one step, and it says whether it did."""
        await asyncio.sleep(0)
        if self.sum + tokens > limit:
            return False
        self.sum += tokens
        return True


Ask = Callable[[Callable[[], Awaitable[int]]], Awaitable[None]]


def broken(quota: Database) -> Ask:
    # --8<-- [start:broken]
    async def ask(call_model: Callable[[], Awaitable[int]]) -> None:
        if await quota.spent() >= LIMIT:
            raise QuotaExceeded
        tokens = await call_model()
        await quota.add(tokens)

    # --8<-- [end:broken]
    return ask


def repaired(quota: Database) -> Ask:
    # --8<-- [start:repaired]
    async def ask(call_model: Callable[[], Awaitable[int]]) -> None:
        estimate, used = 800, 0
        if not await quota.spend(estimate, LIMIT):  # looking and spending are one step
            raise QuotaExceeded
        try:
            used = await call_model()
        finally:
            await quota.add(used - estimate)  # what was not used goes back, also when the call failed

    # --8<-- [end:repaired]
    return ask


async def call_model() -> int:
    """A call that uses most of the quota."""
    await asyncio.sleep(0)
    return 800


async def test_eight_look_at_the_same_sum() -> None:
    quota = Database()
    ask = broken(quota)
    # --8<-- [start:seen]
    await asyncio.gather(*(ask(call_model) for _ in range(8)))  # each is worth 80 % of the quota
    assert quota.sum == 6_400  # of 1,000
    # --8<-- [end:seen]


async def test_one_of_eight_runs_and_a_failure_is_free() -> None:
    quota = Database()
    outcomes = await asyncio.gather(*(repaired(quota)(call_model) for _ in range(8)), return_exceptions=True)
    assert [type(one) for one in outcomes].count(QuotaExceeded) == 7
    assert quota.sum == 800

    async def fail() -> int:
        raise ConnectionError

    quota.sum = 0
    with pytest.raises(ConnectionError):
        await repaired(quota)(fail)
    assert quota.sum == 0
