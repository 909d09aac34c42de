"""What the brief promises, seen from outside. Calls end when the test lets them; the time is a number in its hands."""

import asyncio
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


class Model:
    """Answers every call otherwise, and counts; waits for its gate, if there is one."""

    def __init__(self, *, held: bool = False) -> None:
        self.asked = self.cancelled = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        if not held:
            self.gate.set()

    async def __call__(self) -> str:
        """Be asked."""
        self.asked += 1
        text = f"text {self.asked}"
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            await turns()  # a call that is cancelled has its connection to close
            raise
        if self.error:
            raise self.error
        return text


async def turns() -> None:
    """Let the event loop run what is ready."""
    for _ in range(20):
        await asyncio.sleep(0)


async def asking(cache: Any, *models: Model, key: str = "why") -> "list[asyncio.Future[str]]":
    """One who asks for each model, one behind the other; all of them wait by now."""
    found = []
    for model in models:
        found.append(asyncio.ensure_future(cache.get_answer(key, model)))
        await turns()
    await results(*(one for one in found if one.done()))
    return found


async def results(*waiting: "asyncio.Future[str]") -> list[Any]:
    """What they return or raise; "still waits" for whoever does."""
    await turns()
    seen: list[Any] = []
    for one in waiting:
        if not one.done():
            one.cancel()
            seen.append("still waits")
        elif one.cancelled():
            seen.append("cancelled")
        else:
            error = one.exception()
            if isinstance(error, NotImplementedError):
                raise error
            seen.append(error or one.result())
    await turns()
    return seen


@pytest.mark.task(8)
async def test_an_answer_is_given_again() -> None:
    """The cheapest call is the one that is not made."""
    clock, model = Clock(), Model()
    cache = task.AnswerOnce(clock, ttl_s=60)
    seen = []
    for later_s, key in ((0, "why"), (59, "why"), (0, "how"), (1, "why")):
        clock.now_s += later_s
        seen += await results(*await asking(cache, model, key=key))
    assert seen == ["text 1", "text 1", "text 2", "text 3"], (
        f"ttl_s=60: why at 0 s, why at 59 s, how, why at 60 s; the answers were {seen}. "
        "Kept is by key, and for less than ttl_s."
    )


@pytest.mark.task(8)
async def test_the_default_time() -> None:
    """A default is a promise too; and the time runs from the answer, which took its own."""
    clock, model = Clock(), Model(held=True)
    cache = task.AnswerOnce(clock)
    (first,) = await asking(cache, model)
    clock.now_s += 100
    model.gate.set()
    seen = await results(first)
    for later_s in (600 - 1, 1):
        clock.now_s += later_s
        seen += await results(*await asking(cache, model))
    assert seen == ["text 1", "text 1", "text 2"], (
        f"ttl_s not given, the answer came 100 s after the question; {600 - 1} and 600 s after the answer: {seen}"
    )


@pytest.mark.task(8)
async def test_who_asks_meanwhile_shares_the_call() -> None:
    """A hundred readers in one second, one question, a hundred bills."""
    model, another = Model(held=True), Model()
    cache = task.AnswerOnce(Clock())
    waiting = await asking(cache, *[model] * 5)
    elsewhere = await results(*await asking(cache, another, key="how"))
    asked = model.asked
    model.gate.set()
    seen = await results(*waiting)
    assert asked == 1, (
        f"five asked for one key at once, and the model was asked {asked} times. "
        "Whoever comes while a call is on its way waits for that one."
    )
    assert seen == ["text 1"] * 5, f"five shared one call, and got {seen}"
    assert elsewhere == ["text 1"], f"meanwhile somebody asked for another key, and got {elsewhere}: keys do not wait"


@pytest.mark.task(8)
async def test_who_leaves_takes_nothing_from_the_others() -> None:
    """The first of a hundred closes the tab, and ninety-nine get a CancelledError."""
    for leaver, n in ((0, 3), (1, 3), (0, 2)):
        model = Model(held=True)
        waiting = await asking(task.AnswerOnce(Clock()), *[model] * n)
        waiting[leaver].cancel()
        await turns()
        left = waiting[leaver].done()
        model.gate.set()
        seen = await results(*waiting)
        expected: list[Any] = ["text 1"] * n
        expected[leaver] = "cancelled"
        assert seen == expected and model.asked == 1, (
            f"number {leaver + 1} of {n} left, and they got {seen} of {model.asked} calls, not {expected} of 1. "
            "The call must not be awaited bare by anyone who may leave: a cancellation goes down into it."
        )
        assert left, f"number {leaver + 1} of {n} was cancelled, and does not end before the call does"


@pytest.mark.task(8)
async def test_a_call_that_nobody_waits_for_is_ended() -> None:
    """Nobody reads it, and it is paid for to the last token."""
    before = asyncio.all_tasks()
    for n in (1, 2):
        model, another = Model(held=True), Model()
        cache = task.AnswerOnce(Clock())
        waiting = await asking(cache, *[model] * n)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        late = await asking(cache, another)  # while the old call still closes its connection
        assert model.cancelled == 1, f"all who waited, {n}, have left, and the call goes on for nobody"
        seen = await results(*late)
        assert seen == ["text 1"] and another.asked == 1, (
            f"all who waited, {n}, have left; who asked right after that got {seen}, of {another.asked} new calls. "
            "A call that is being cancelled is nobody's to join."
        )
        left = asyncio.all_tasks() - before
        assert not left, f"all who waited, {n}, have left, and {len(left)} tasks are still there"


@pytest.mark.task(8)
async def test_an_error_is_everybodys_and_is_not_kept() -> None:
    """A failure of a second, repeated for ten minutes."""
    model = Model(held=True)
    model.error = ConnectionError("down")
    cache = task.AnswerOnce(Clock())
    waiting = await asking(cache, model, model, model)
    model.gate.set()
    seen = await results(*waiting)
    assert seen == [model.error] * 3 and model.asked == 1, (
        f"three waited for a call that failed: they got {seen} of {model.asked} calls; each gets the one exception"
    )
    model.error = None
    seen = await results(*await asking(cache, model))
    assert seen == ["text 2"], f"the failure is over, and the next who asked got {seen}: errors are not kept"
