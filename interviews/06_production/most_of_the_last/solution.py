"""Interview - a breaker that looks at the last calls."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class ProviderDown(Exception):
    """Given: the provider gave no answer."""


class LeftAlone(Exception):
    """Given: nobody was asked; try again in `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"left alone for {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class Breaker:
    """Leave alone a provider of whose last calls half have failed.

    Args:
        now: the time in seconds.
        last: how many calls are looked at.
        cooldown_s: for how long nobody is asked.
    """

    # TODO 06.7: open at half of the last calls, wait, then let exactly one try.
    # >>> solution
    def __init__(self, now: Callable[[], float], *, last: int = 10, cooldown_s: float = 30) -> None:
        self.now, self.cooldown_s = now, cooldown_s
        self.failed: deque[bool] = deque(maxlen=last)  # of each of the last calls, whether it has
        self.open_until: float | None = None  # None: closed
        self.trying = False

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `await work()` returns; raise LeftAlone if nobody is to be asked now."""
        tries = self.open_until is not None
        if self.open_until is not None and (self.trying or self.now() < self.open_until):
            raise LeftAlone(max(self.open_until - self.now(), 0))
        self.trying = self.trying or tries
        try:
            answer = await work()
        except ProviderDown:
            self._count(failed=True, tries=tries)
            raise
        finally:  # subtle: also when it is cancelled or has a bug, or nobody would ever try again
            if tries:
                self.trying = False
        self._count(failed=False, tries=tries)
        return answer

    def _count(self, *, failed: bool, tries: bool) -> None:
        if tries and not failed:
            self.open_until = None
            self.failed.clear()
            return
        self.failed.append(failed)
        enough = len(self.failed) == self.failed.maxlen
        if tries or (enough and sum(self.failed) * 2 >= len(self.failed)):
            self.open_until = self.now() + self.cooldown_s

    # --- stub
    # def __init__(self, now: Callable[[], float], *, last: int = 10, cooldown_s: float = 30) -> None:
    #     self.now, self.last, self.cooldown_s = now, last, cooldown_s
    #
    # async def call(self, work: Callable[[], Awaitable[T]]) -> T:
    #     """Return what `await work()` returns; raise LeftAlone if nobody is to be asked now."""
    #     raise NotImplementedError("TODO 06.7")
    # <<< solution
