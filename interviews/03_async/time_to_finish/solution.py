"""Interview - the caller leaves, the work may finish."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class CallerLeft(Exception):
    """Given: whoever asked has closed the connection, and nobody reads an answer."""


async def while_wanted(
    gone: asyncio.Event, work: Callable[[], Awaitable[T]], save_late: Callable[[T], object], *, grace_s: float = 5
) -> T:
    """Return what `work()` returns; where the caller leaves first, let it finish for a moment and keep its answer.

    Args:
        gone: set when the caller has left.
        work: starts the work.
        save_late: keeps an answer that came after that.
        grace_s: seconds that the work has from then on.

    Raises:
        CallerLeft: the caller left first. The work has ended.
    """
    # TODO 03.8: let the work race against the caller's leaving, and then against the clock.
    # >>> solution
    working, leaving = asyncio.ensure_future(work()), asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        await asyncio.wait({working}, timeout=grace_s)  # unlike wait_for() it neither cancels nor raises
        if working.done() and working.exception() is None:
            save_late(working.result())
        raise CallerLeft
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
    # <<< solution
