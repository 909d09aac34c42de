"""What the brief promises, seen from outside. The time is a number in the hands of the test."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from . import solution as task


class Clock:
    """Says what time it is."""

    def __init__(self) -> None:
        self.now_s = 5_000.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now_s


class Provider:
    """Answers, or raises its error; waits for its gate, if there is one."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: BaseException | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> str:
        """Be asked."""
        self.calls += 1
        error, gate = self.error, self.gate
        if gate:
            await gate.wait()
        if error:
            raise error
        return "42"


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call returns or raises."""
    try:
        return await call
    except (task.ProviderDown, task.LeftAlone, ZeroDivisionError) as error:
        return error


async def turns() -> None:
    """Let the event loop run what is ready."""
    for _ in range(10):
        await asyncio.sleep(0)


async def calls(breaker: Any, provider: Provider, how: str) -> list[Any]:
    """Call once for each letter: F fails, B is a bug, anything else is answered."""
    seen = []
    for letter in how:
        provider.error = {"F": task.ProviderDown("503"), "B": ZeroDivisionError()}.get(letter)
        seen.append(await outcome(breaker.call(provider)))
    provider.error = None
    return seen


async def opened(**options: Any) -> tuple[Any, Provider, Clock]:
    """A breaker with last=4 that has just opened, and its provider and clock."""
    provider, clock = Provider(), Clock()
    breaker = task.Breaker(clock, last=4, **options)
    await calls(breaker, provider, "FFFF")
    provider.calls = 0
    return breaker, provider, clock


async def is_open(how: str, **options: Any) -> bool:
    """Whether a breaker has opened after these calls."""
    provider = Provider()
    breaker = task.Breaker(Clock(), **options)
    await calls(breaker, provider, how)
    before = provider.calls
    await outcome(breaker.call(provider))
    return provider.calls == before


@pytest.mark.task(7)
async def test_half_of_the_last_calls_open_it() -> None:
    """Every second user sees an error, and the breaker calls it a good hour."""
    for how, expected in {
        ".F.F": True,
        "F.F.": True,
        "....F.F": True,
        "...F": False,
        "F...F...F": False,
        "F......F": False,
    }.items():
        seen = await is_open(how, last=4)
        assert seen is expected, (
            f"last=4, and the calls went {how} (F has failed): it {'has opened' if seen else 'stayed closed'}. "
            "It opens when at least half of the latest 4 have failed, in a row or not, and looks at no older one."
        )
    for how, expected in {"F." * (10 // 2): True, "F" * (10 // 2 - 1) + "." * (10 // 2 + 1): False}.items():
        seen = await is_open(how)
        assert seen is expected, f"last is 10 if nobody says otherwise; after {how} open is {seen}, not {expected}"


@pytest.mark.task(7)
async def test_before_that_it_judges_nobody() -> None:
    """One failure of one call is all of them: the first hiccup after a deploy would close the shop."""
    for how in ("F", "FF", "FFF"):
        assert not await is_open(how, last=4), (
            f"last=4, and after {how} it has opened. Half of one call is no share: `last` calls must have counted."
        )


@pytest.mark.task(7)
async def test_a_bug_counts_for_nothing() -> None:
    """Our own TypeError says nothing of the provider, neither good nor bad."""
    for how, expected in {"BBBBBB": False, "FBBFB.B.": True, "F.BBBB.F": True}.items():
        seen = await is_open(how, last=4)
        assert seen is expected, (
            f"last=4, and the calls went {how} (F has failed, B had a bug of ours): open is {seen}, not {expected}. "
            "A bug is neither a failure nor an answer."
        )
    provider = Provider()
    breaker = task.Breaker(Clock(), last=4)
    await calls(breaker, provider, "F.F")
    provider.gate = asyncio.Event()
    leaver = asyncio.ensure_future(outcome(breaker.call(provider)))
    await turns()
    leaver.cancel()
    await asyncio.wait({leaver})
    provider.gate = None
    seen = await outcome(breaker.call(provider))
    assert seen == "42", (
        f"last=4: a failure, an answer, a failure, and a caller who left; the next call saw {seen!r}. "
        "Who leaves says nothing of the provider either: only three calls have counted."
    )
    (seen,) = await calls(task.Breaker(Clock()), provider, "B")
    assert type(seen) is ZeroDivisionError, f"work() raised ZeroDivisionError, and out came {seen!r}"


@pytest.mark.task(7)
async def test_open_it_leaves_the_provider_alone() -> None:
    """Who is down is not helped by a thousand more calls, and the callers wait for each of them."""
    breaker, provider, clock = await opened()
    clock.now_s += 10 - 1
    seen = await outcome(breaker.call(provider))
    assert provider.calls == 0, "it is open, and a call came through to the provider"
    left_s = 30 - (10 - 1)
    assert type(seen) is task.LeftAlone and seen.retry_after_s == left_s, (
        f"opened {10 - 1} s ago for 30 s: seen {seen!r}; wanted is LeftAlone with retry_after_s {left_s}"
    )


@pytest.mark.task(7)
async def test_one_call_tries() -> None:
    """A provider that has just come back is thrown down again by everybody who waited."""
    breaker, provider, clock = await opened(cooldown_s=20)
    clock.now_s += 20
    provider.gate = asyncio.Event()
    five = [asyncio.ensure_future(outcome(breaker.call(provider))) for _ in range(5)]
    await turns()
    came = provider.calls
    provider.gate.set()
    seen = await asyncio.gather(*five)
    kinds = sorted(type(one).__name__ for one in seen)
    assert came == 1, f"the wait is over and five calls come at once: {came} were let through, not exactly one"
    assert kinds == sorted(["str", *[task.LeftAlone.__name__] * 4]), f"one tries and four are refused; seen was {seen}"


@pytest.mark.task(7)
async def test_a_try_that_fails_opens_it_again() -> None:
    """One failed try is news enough; nobody needs four."""
    breaker, provider, clock = await opened(cooldown_s=20)
    clock.now_s += 20
    await calls(breaker, provider, "F")
    clock.now_s += 15
    early = await outcome(breaker.call(provider))
    clock.now_s += 5
    late = await outcome(breaker.call(provider))
    assert type(early) is task.LeftAlone and early.retry_after_s == 5, (
        f"cooldown_s=20, the try failed, and 15 s later a call saw {early!r}; wanted is LeftAlone, 5 s left"
    )
    assert late == "42", f"cooldown_s=20, the try failed 20 s ago: the next one may try, and saw {late!r}"


@pytest.mark.task(7)
async def test_an_answer_forgets_what_was() -> None:
    """Last hour's failures open it again at the first hiccup."""
    breaker, provider, clock = await opened(cooldown_s=20)
    clock.now_s += 20
    seen = await calls(breaker, provider, "..F.")
    after = await outcome(breaker.call(provider))
    assert seen[:2] == ["42", "42"] and after == "42", (
        f"last=4; open, then a try that was answered, an answer, a failure, an answer: {seen}, then {after!r}. "
        "An answer to the try closes it, and what failed before is forgotten."
    )


@pytest.mark.task(7)
async def test_a_try_that_has_no_end_makes_room() -> None:
    """The one who tries closes the tab, and the model is gone for good."""
    for how in ("is cancelled", "has a bug"):
        breaker, provider, clock = await opened(cooldown_s=20)
        clock.now_s += 20
        provider.gate = asyncio.Event()
        provider.error = ZeroDivisionError() if how == "has a bug" else None
        first = asyncio.ensure_future(outcome(breaker.call(provider)))
        await turns()
        if how == "is cancelled":
            first.cancel()
        provider.gate.set()
        await asyncio.wait({first})
        provider.gate, provider.error = asyncio.Event(), None
        three = [asyncio.ensure_future(outcome(breaker.call(provider))) for _ in range(3)]
        await turns()
        tried = provider.calls - 1
        provider.gate.set()
        await asyncio.gather(*three)
        assert tried == 1, (
            f"the call that tried {how}, then three come at once, and {tried} were let through, not 1. "
            "0 means that the place is taken for ever: free it in a `finally`. 3 means that it counted as an answer."
        )
