"""A clock that jumps: what waits an hour in here is over at once, and `now()` says that an hour has passed."""

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import looptime

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, on an event loop of its own whose clock starts at 0 s and jumps over every wait.

    The loop has a thread of its own too, because a notebook runs inside of an event loop already.
    """
    # Turns without work before the clock jumps: thousands of waits in a simulation have to be cheap.
    new_loop = partial(looptime.new_event_loop, start=0.0, noop_cycles=4)

    def on_a_new_loop() -> T:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(work)

    with ThreadPoolExecutor(1) as thread:
        # With its context, so that what is printed in there goes to the cell that asked.
        return thread.submit(contextvars.copy_context().run, on_a_new_loop).result()


def now() -> float:
    """Return the seconds since the start of `run`."""
    return round(asyncio.get_running_loop().time(), 6)
