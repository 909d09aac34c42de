"""Interview - try again, but only until the deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class CallFailed(Exception):
    """Given: the provider gave no usable answer. `status` is its status, None if no answer came."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__(f"HTTP {status}" if status else "no answer")
        self.status = status


async def persist(
    call: Callable[[], Awaitable[T]], *, deadline_s: float = 20, base_s: float = 0.5, cap_s: float = 8
) -> T:
    """Return what `call()` returns, calling it again after a failure that may pass, until the deadline.

    Args:
        call: starts one call, each time anew.
        deadline_s: seconds from the first call on, for calls and waits together.
        base_s: the first wait, in seconds; each further one is twice the one before.
        cap_s: no wait is longer.

    Raises:
        CallFailed: the last one, once there is no time for another call or nothing can help.
        TimeoutError: a call was still open at the deadline.
    """
    # TODO 03.5: call until it works; one deadline covers calls and waits.
    # >>> solution
    now = asyncio.get_running_loop().time
    end, wait_s = now() + deadline_s, min(base_s, cap_s)
    while True:
        try:
            async with asyncio.timeout_at(end):
                return await call()
        except CallFailed as error:
            passes = error.status is None or error.status == 429 or error.status >= 500
            if not passes or now() + wait_s >= end:
                raise
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, cap_s)
    # <<< solution
