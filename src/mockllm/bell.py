"""Waiting for something that another task, another thread or another event loop brings about."""

import asyncio
import threading
from collections.abc import Callable


class NotArrived(AssertionError):
    """What a test waited for did not happen: the message says what did."""


class Bell:
    """Wakes whoever waits for a condition, in any thread and on any event loop.

    A test, the code under test and a server thread may each have a loop of their own: `asyncio.Event` serves only one.
    """

    def __init__(self) -> None:
        self.closed = False
        """Whether nothing more will happen: who waits at a gate or hangs is let go."""
        self._rung = threading.Condition()
        self._sleepers: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def ring(self) -> None:
        """Let everybody look again whether their condition holds. Safe from any thread."""
        with self._rung:
            sleepers, self._sleepers = self._sleepers, []
            self._rung.notify_all()
        for loop, sleeper in sleepers:
            try:
                loop.call_soon_threadsafe(_wake, sleeper)
            except RuntimeError:  # that loop is closed: nobody is left there to wake
                continue

    def close(self) -> None:
        """Ring for the last time."""
        self.closed = True
        self.ring()

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`; costs no loop time, so a virtual clock may run on."""
        loop = asyncio.get_running_loop()
        while True:
            with self._rung:
                if ready():
                    return
                sleeper: asyncio.Future[None] = loop.create_future()
                self._sleepers.append((loop, sleeper))
            await sleeper

    async def until_or_late(self, ready: Callable[[], bool], patience_s: float) -> bool:
        """Wait until `ready()`; False if `patience_s` real seconds pass first.

        A timer of the loop would not do: on a virtual clock it is over before a thread has done anything.
        """
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.ring()

        timer = threading.Timer(patience_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            await self.until(lambda: ready() or late.is_set())
        finally:
            timer.cancel()
        return ready()

    def until_blocking(self, ready: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Block this thread until `ready()`; False if `timeout_s` seconds pass first."""
        with self._rung:
            return self._rung.wait_for(ready, timeout_s)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
