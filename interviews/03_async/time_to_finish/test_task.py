"""What the brief promises, on a virtual clock: seconds cost nothing, and nothing is early or late."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from . import solution as task


class Work:
    """Takes some seconds, then answers or fails; notes what became of it."""

    def __init__(self, takes_s: float, error: Exception | None = None) -> None:
        self.takes_s, self.error = takes_s, error
        self.state = "not begun"

    async def __call__(self) -> str:
        """Work."""
        self.state = "open"
        try:
            await asyncio.sleep(self.takes_s)
            self.state = "ended"
            if self.error:
                raise self.error
            return "answer"
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # whoever is cancelled has a connection to close
            self.state = "cancelled"
            raise


class Run:
    """One run of while_wanted, and what it left."""

    def __init__(self, work: Work, **options: Any) -> None:
        self.work = work
        self.kept: list[tuple[str, float]] = []
        self.gone = asyncio.Event()
        self.began = asyncio.get_running_loop().time()
        self.before = asyncio.all_tasks()
        self.running = asyncio.ensure_future(task.while_wanted(self.gone, work, self.keep, **options))

    def keep(self, answer: str) -> None:
        """Be the cache."""
        self.kept.append((answer, self.now))

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return round(asyncio.get_running_loop().time() - self.began, 2)

    async def at(self, seconds: float, then: Callable[[], Any]) -> None:
        """Do something at a moment of the run."""
        await asyncio.wait({self.running}, timeout=seconds - self.now)
        then()

    async def end(self, within_s: float = 500) -> Any:
        """What came out of it, once it is over."""
        await asyncio.wait({self.running}, timeout=within_s)
        assert self.running.done(), f"after {within_s} s it still goes on, the work is {self.work.state}"
        if self.running.cancelled():
            return asyncio.CancelledError()
        error = self.running.exception()
        if isinstance(error, NotImplementedError):
            raise error
        return error or self.running.result()

    def left_running(self) -> int:
        """Tasks that were not there before."""
        return len([one for one in asyncio.all_tasks() - self.before if not one.done()])


@pytest.mark.task(8)
@pytest.mark.looptime
async def test_who_stays_gets_the_answer() -> None:
    """The usual case must cost nothing."""
    run = Run(Work(takes_s=60))
    seen = await run.end()
    assert seen == "answer" and run.now == pytest.approx(60), (
        f"the caller stayed, the work took 60 s: out came {seen!r} after {run.now} s. "
        "The seconds of grace begin when the caller leaves, not before."
    )
    assert run.kept == [], f"the caller has the answer, and it was kept as well: {run.kept}"


@pytest.mark.task(8)
@pytest.mark.looptime
async def test_the_error_of_the_work_comes_out_as_it_is() -> None:
    """Whoever handles errors looks at their type; a group has another."""
    error = LookupError("no such model")
    run = Run(Work(takes_s=2, error=error))
    seen = await run.end()
    assert seen is error and run.kept == [], f"the work raised {error!r}, and out came {seen!r}, kept {run.kept}"


@pytest.mark.task(8)
@pytest.mark.looptime
async def test_work_that_finishes_in_time_is_kept() -> None:
    """Nine tenths of it are paid for: the next one who asks should have it."""
    run = Run(Work(takes_s=60))
    await run.at(58, run.gone.set)
    seen = await run.end()
    assert run.kept == [("answer", 60.0)], (
        f"the caller left after 58 s, the work would end at 60 s and had 5 s from then on: kept {run.kept}, "
        f"the work is {run.work.state}. Whoever cancels at once throws away what was nearly there."
    )
    assert type(seen) is task.CallerLeft, f"the work finished after the caller had left, and out came {seen!r}"


@pytest.mark.task(8)
@pytest.mark.looptime
async def test_work_that_takes_too_long_is_cancelled() -> None:
    """What nobody waits for is billed as well."""
    run = Run(Work(takes_s=900))
    await run.at(58, run.gone.set)
    seen = await run.end()
    assert type(seen) is task.CallerLeft and run.now == pytest.approx(58 + 5, abs=0.1), (
        f"the caller left after 58 s, the work takes 900 s: out came {seen!r} at {run.now} s. "
        "The work has 5 s, counted from the leaving."
    )
    assert run.work.state == "cancelled" and run.kept == [], (
        f"CallerLeft is out, the work is {run.work.state}, kept {run.kept}. "
        "cancel() only asks: wait until the work has ended."
    )


@pytest.mark.task(8)
@pytest.mark.looptime
async def test_late_work_that_fails_is_not_kept() -> None:
    """An error in the cache is answered to the next one, and the one after."""
    run = Run(Work(takes_s=60, error=LookupError("no such model")))
    await run.at(58, run.gone.set)
    seen = await run.end()
    assert type(seen) is task.CallerLeft and run.kept == [], (
        f"the caller left, then the work failed: out came {seen!r}, kept {run.kept}. Nobody is there for its error."
    )


@pytest.mark.task(8)
@pytest.mark.looptime
async def test_who_is_cancelled_ends_the_work() -> None:
    """Shutting down cancels; a task that goes on then is killed in the middle of something."""
    for left_at_s in (None, 58):
        run = Run(Work(takes_s=900))
        if left_at_s:
            await run.at(left_at_s, run.gone.set)
        await run.at(60, run.running.cancel)
        seen = await run.end()
        when = "while the caller was there" if left_at_s is None else "in the seconds after the caller left"
        assert isinstance(seen, asyncio.CancelledError) and run.work.state == "cancelled", (
            f"cancelled {when}: out came {seen!r}, and the work is {run.work.state}. "
            "asyncio.wait() leaves running what it waits for, also when it is cancelled itself."
        )


@pytest.mark.task(8)
@pytest.mark.looptime
async def test_nothing_is_left_running() -> None:
    """One forgotten task per request is ten thousand in an hour."""
    for takes_s, leaves in ((1, False), (60, True), (900, True)):
        run = Run(Work(takes_s=takes_s))
        if leaves:
            await run.at(58, run.gone.set)
        await run.end()
        left = run.left_running()
        assert left == 0, (
            f"work of {takes_s} s, the caller {'left' if leaves else 'stayed'}: {left} tasks are left running. "
            "Whoever waits for the leaving has to be ended too."
        )
