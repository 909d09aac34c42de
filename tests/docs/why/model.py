"""A model that is slow: it answers when the test lets it, and says who was asked."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Seen:
    """What happened."""

    at_once: int = 0
    most_at_once: int = 0
    threads: set[int] = field(default_factory=set[int])
    loops: set[int] = field(default_factory=set[int])
    lock: threading.Lock = field(default_factory=threading.Lock)


seen = Seen()
together = 1
"""How many calls are waited for before any is answered, as long as so many can come."""


async def answer(prompt: str) -> str:
    """Answer once as many others wait as can."""
    with seen.lock:
        seen.at_once += 1
        seen.most_at_once = max(seen.most_at_once, seen.at_once)
        seen.threads.add(threading.get_ident())
        seen.loops.add(id(asyncio.get_running_loop()))
    for _ in range(200):  # turns of a loop, until all are here or it is clear that no more come
        if seen.most_at_once >= together:
            break
        await asyncio.sleep(0.001)
    with seen.lock:
        seen.at_once -= 1
    return prompt.upper()


async def words(prompt: str) -> AsyncIterator[str]:
    """Answer word by word."""
    for word in prompt.split():
        await asyncio.sleep(0)
        yield word.upper() + " "
