"""A fixed window and its end. The three sections are shown on the page of lesson 06."""

import time
from collections.abc import Callable

import pytest
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter


def broken() -> Callable[[], bool]:
    # --8<-- [start:broken]
    limiter = FixedWindowRateLimiter(MemoryStorage())  # the default of slowapi, too
    ten_a_minute = parse("10/minute")

    def may_pass() -> bool:
        return limiter.hit(ten_a_minute, "ada")

    # --8<-- [end:broken]
    return may_pass


def repaired() -> Callable[[], bool]:
    # --8<-- [start:repaired]
    limiter = MovingWindowRateLimiter(MemoryStorage())
    ten_a_minute = parse("10/minute")

    def may_pass() -> bool:
        return limiter.hit(ten_a_minute, "ada")

    # --8<-- [end:repaired]
    return may_pass


class Clock:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        patch.setattr(time, "time", lambda: self.now)

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_twenty_in_six_seconds(clock: Clock) -> None:
    may_pass = broken()
    # --8<-- [start:seen]
    assert may_pass()  # the minute begins
    clock.passes(56)
    passed = [may_pass() for _ in range(20)]
    clock.passes(6)  # and is over
    passed += [may_pass() for _ in range(20)]
    assert passed.count(True) == 9 + 10  # within six seconds
    # --8<-- [end:seen]


def test_ten_in_any_minute(clock: Clock) -> None:
    may_pass = repaired()
    assert may_pass()
    clock.passes(56)
    passed = [may_pass() for _ in range(20)]
    clock.passes(6)
    passed += [may_pass() for _ in range(20)]
    assert passed.count(True) == 9 + 1
