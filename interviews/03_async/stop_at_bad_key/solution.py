"""Interview - a batch that stops when the key is refused."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence


class CallFailed(Exception):
    """Given: the provider gave no answer. `status` is the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


Ask = Callable[[str], Awaitable[str]]


async def ask_all(ask: Ask, prompts: Sequence[str], *, limit: int = 7) -> list[str | CallFailed]:
    """Ask every prompt, at most `limit` at once.

    Returns:
        N entries in the order of the prompts: an answer, or the CallFailed that came instead.

    Raises:
        CallFailed: a call was refused with status 401; the other calls have ended.
        ValueError: `limit` is below 1.
    """
    # TODO 03.4: ask all of them, at most `limit` at once; a refused key ends everything.
    # >>> solution
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    slots = asyncio.Semaphore(limit)

    async def one(prompt: str) -> str | CallFailed:
        await slots.acquire()
        try:
            answer = await ask(prompt)
        except CallFailed as error:
            if error.status == 401:
                raise  # with the slot: given back, it would let one more call begin before the group cancels
            answer = error
        slots.release()
        return answer

    calls: list[asyncio.Task[str | CallFailed]] = []
    try:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(one(prompt)) for prompt in prompts]
    except* CallFailed as refused:
        # The group has cancelled the others and waited for them; only its wrapping is not wanted.
        failed = refused.exceptions[0]
    else:
        return [call.result() for call in calls]
    raise failed
    # <<< solution
