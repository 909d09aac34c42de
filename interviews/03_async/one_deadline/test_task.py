"""What the brief promises, on a virtual clock: seconds cost nothing, and nothing is early or late."""

import asyncio
from typing import Any

import pytest

from . import solution as task


class Call:
    """A call that takes `takes_s`, then fails with the next of `errors`; when there are none left it answers."""

    def __init__(self, *errors: BaseException, takes_s: float = 0.0) -> None:
        self.errors = list(errors)
        self.takes_s = takes_s
        self.at: list[float] = []
        self.open = 0

    async def __call__(self) -> str:
        """Note when it came, take its time, then answer or fail."""
        self.at.append(now())
        self.open += 1
        try:
            if self.takes_s:
                await asyncio.sleep(self.takes_s)
            if len(self.at) <= len(self.errors):
                raise self.errors[len(self.at) - 1]
            return "answer"
        finally:
            await asyncio.sleep(0)  # a call that is cancelled has its connection to close
            self.open -= 1


def now() -> float:
    """Seconds on the clock of the event loop."""
    return round(asyncio.get_running_loop().time(), 3)


def failures(*statuses: int | None) -> list[BaseException]:
    """A CallFailed for each status."""
    return [task.CallFailed(status) for status in statuses]


async def ends_with(call: Call, **options: Any) -> Any:
    """What persist returns or raises."""
    try:
        return await task.persist(call, **options)
    except (NotImplementedError, asyncio.CancelledError):
        raise
    except BaseException as error:
        return error


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_what_can_pass_is_tried_again() -> None:
    """A 429 and a broken connection are weather."""
    for status in (429, 500, 503, 529, None):
        call = Call(*failures(status))
        seen = await ends_with(call)
        assert seen == "answer" and len(call.at) == 2, (
            f"the first call failed with status {status}, the second would answer: "
            f"{len(call.at)} calls, and the end was {seen!r}"
        )


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_anything_else_comes_out_at_once() -> None:
    """A request that is wrong stays wrong, and a bug does not go away by trying it again."""
    for error in (*failures(400, 401, 404, 422), TypeError("a bug")):
        call = Call(error)
        seen = await ends_with(call)
        assert seen is error and len(call.at) == 1, (
            f"a call raised {error!r}: {len(call.at)} calls, and the end was {seen!r}. Wanted is that error, at once."
        )


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_the_waits_double_up_to_the_cap() -> None:
    """Whoever knocks at the same pace keeps the other side down."""
    call = Call(*failures(503, 503, 503, 503, 503))
    began = now()
    await ends_with(call, base_s=1, cap_s=5, deadline_s=1000)
    seen = [at - began for at in call.at]
    assert seen == pytest.approx([0, 1, 3, 7, 12, 17]), (
        f"base_s=1, cap_s=5, five failures: the calls came at {seen} s. "
        "Waits of 1, 2, 4, 5, 5 s make 0, 1, 3, 7, 12, 17."
    )


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_the_time_of_the_calls_counts() -> None:
    """The gateway counts from the first byte: it does not care what we did with the time."""
    call = Call(*failures(503, 503, 503, 503), takes_s=8)
    began = now()
    seen = await ends_with(call, base_s=1, deadline_s=18.5)
    took_s = now() - began
    assert type(seen) is task.CallFailed and len(call.at) == 2 and took_s == pytest.approx(17), (
        f"each call takes 8 s and fails, base_s=1, deadline_s=18.5: {len(call.at)} calls in {took_s} s, the end was "
        f"{seen!r}. Two calls and one wait make 17 s, and the next wait of 2 s does not fit: "
        "the time of the calls counts."
    )


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_a_call_that_hangs_is_cut() -> None:
    """What runs on after the deadline is paid for, and read by nobody."""
    for errors, what in (((), "the first call hangs"), (failures(503), "the second call hangs")):
        call = Call(*errors)
        call.takes_s = 0 if errors else 900
        began = now()
        running = asyncio.ensure_future(ends_with(call))
        await asyncio.sleep(0.1)
        call.takes_s = 900
        await asyncio.wait({running}, timeout=100)
        took_s, still_open = now() - began, call.open
        assert running.done(), f"{what}, and after 100 s it is still waited for: no deadline covers the call"
        seen = running.result()
        assert isinstance(seen, TimeoutError) and took_s == pytest.approx(20, abs=0.01), (
            f"{what}: it ended after {took_s} s with {seen!r}. Wanted is TimeoutError after 20 s, counted from the "
            "first call and not from each."
        )
        assert still_open == 0, f"{what}, TimeoutError was raised, and the call still runs: cancel it, wait for its end"


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_a_wait_without_a_call_behind_it_is_not_begun() -> None:
    """To wait for nothing is the worst of both: slow, and an error all the same."""
    for deadline_s in (12, 15):
        call = Call(*failures(503, 500, 429))
        began = now()
        seen = await ends_with(call, base_s=5, cap_s=60, deadline_s=deadline_s)
        took_s = now() - began
        assert seen is call.errors[1] and took_s == pytest.approx(5), (
            f"base_s=5, deadline_s={deadline_s}: it ended after {took_s} s and {len(call.at)} calls with {seen!r}. "
            "After the second failure, 5 s in, a wait of 10 s leaves no time for a call: raise that error at once."
        )


@pytest.mark.task(5)
@pytest.mark.looptime
async def test_who_is_cancelled_calls_no_more() -> None:
    """A caller who has left needs no answer."""
    call = Call(*failures(503, 503))
    running = asyncio.ensure_future(task.persist(call, base_s=5))
    await asyncio.wait({running}, timeout=1)
    if running.done():
        running.result()
    running.cancel()
    await asyncio.wait({running}, timeout=30)
    assert running.cancelled() and len(call.at) == 1, (
        f"cancelled one second into a wait of five: {len(call.at)} calls, cancelled: {running.cancelled()}. "
        "CancelledError means stop; whoever catches it and goes on breaks every timeout around him."
    )
