"""Interview - a budget for all the silence of an answer."""

import asyncio
from collections.abc import AsyncIterator


class ModelSilent(Exception):
    """Given: the model said nothing for too long."""


async def with_deadlines(parts: AsyncIterator[str], *, first_s: float, total_s: float = 40) -> AsyncIterator[str]:
    """Yield the parts of an answer, each at once.

    Args:
        parts: what the model says.
        first_s: seconds for the first part.
        total_s: seconds that may be waited for parts in all. What the reader takes for a part does not count.

    Raises:
        ModelSilent: one of the two is over.
    """
    # TODO 04.7: a deadline for the first part, and one budget for all the waiting.
    # >>> solution
    clock = asyncio.get_running_loop().time
    iterator, left_s, limit_s = aiter(parts), total_s, min(first_s, total_s)
    while True:
        began, waiting = clock(), asyncio.timeout(limit_s)
        try:
            async with waiting:
                part = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if not waiting.expired():  # the model's own, and no word of ours
                raise
            raise ModelSilent(f"nothing came for {limit_s:g} s") from None
        left_s -= clock() - began
        yield part
        limit_s = left_s
    # --- stub
    # raise NotImplementedError("TODO 04.7")
    # yield ""  # some `yield` makes this an async generator
    # <<< solution
