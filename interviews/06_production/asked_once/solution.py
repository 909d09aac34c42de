"""Interview - a cache that asks once for all who wait."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Ask = Callable[[], Awaitable[str]]


@dataclass
class Flight:
    """Given: a call that is on its way, if you like to keep it so."""

    task: "asyncio.Future[str]"
    waiting: int = 0


class AnswerOnce:
    """Keep answers, and let whoever asks for the same meanwhile share one call.

    Args:
        now: the time in seconds.
        ttl_s: for how many seconds an answer is kept.
    """

    # TODO 06.8: one call for a key at a time, whoever comes and leaves meanwhile; its answer is kept, its error is not.
    # >>> solution
    def __init__(self, now: Callable[[], float], *, ttl_s: float = 600) -> None:
        self.now, self.ttl_s = now, ttl_s
        self.kept: dict[str, tuple[float, str]] = {}  # key -> until when, the answer
        self.flights: dict[str, Flight] = {}

    async def get_answer(self, key: str, ask: Ask) -> str:
        """Return an answer: from before, of the call that is on its way, or of a new one."""
        if key in self.kept and self.now() < self.kept[key][0]:
            return self.kept[key][1]
        flight = self.flights.get(key)
        if flight is None or flight.task.done():
            # A task of its own: in the task of the first who asks, it would end when that one leaves.
            flight = self.flights[key] = Flight(asyncio.ensure_future(self._ask(key, ask)))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()  # of a call that has ended this does nothing
                if self.flights.get(key) is flight:
                    del self.flights[key]

    async def _ask(self, key: str, ask: Ask) -> str:
        text = await ask()
        self.kept[key] = (self.now() + self.ttl_s, text)
        return text

    # --- stub
    # def __init__(self, now: Callable[[], float], *, ttl_s: float = 600) -> None:
    #     self.now, self.ttl_s = now, ttl_s
    #
    # async def get_answer(self, key: str, ask: Ask) -> str:
    #     """Return an answer: from before, of the call that is on its way, or of a new one."""
    #     raise NotImplementedError("TODO 06.8")
    # <<< solution
