"""A gate that a test opens by hand: proofs about order without a clock."""

import threading
from collections.abc import Callable

from .bell import Bell, NotArrived

PATIENCE_S = 5.0
"""Real seconds that a test waits for calls before it says that they do not come. A guard, not a measure."""


class Gate:
    """Whoever comes to the gate waits until the test lets them pass, the longest waiting first.

    `llm.hold()` puts one before every answer, `llm.tokens([...]).step()` one before every token of a stream.
    """

    def __init__(self, bell: Bell, what: str = "calls") -> None:
        self._bell = bell
        self._what = what
        self._counting = threading.Lock()
        self._came = 0
        self._let_through: float = 0
        self._left: set[int] = set()  # tickets of those who gave up while waiting: their turn goes to the next
        self._passed = 0

    @property
    def came(self) -> int:
        """How many came to the gate so far."""
        return self._came

    @property
    def waiting(self) -> int:
        """How many stand before the gate now."""
        return self._came - self._passed - len(self._left)

    def release(self, n: int = 1) -> None:
        """Let the next `n` pass, those who wait and those who are still to come."""
        self._let_through += n
        self._bell.ring()

    def open(self) -> None:
        """Let everybody pass from now on."""
        self._let_through = float("inf")
        self._bell.ring()

    async def arrived(self, n: int = 1, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until `n` in all have come to the gate.

        Raises:
            NotArrived: fewer came within `patience_s` real seconds, also on a virtual clock.
        """
        if not await self._bell.until_or_late(lambda: self._came >= n, patience_s):
            raise NotArrived(self._complaint(n))

    def arrived_blocking(self, n: int = 1, *, patience_s: float = PATIENCE_S) -> None:
        """Do as `arrived`, for a test that is not async."""
        if not self._bell.until_blocking(lambda: self._came >= n, patience_s):
            raise NotArrived(self._complaint(n))

    async def pass_through(self) -> None:
        """Wait for the turn. Called by the fake, not by tests."""
        ticket = self._take_ticket()
        try:
            await self._bell.until(self._may_pass(ticket))
        except BaseException:
            self._give_up(ticket)
            raise
        self._passed += 1

    def pass_through_blocking(self, timeout_s: float | None) -> bool:
        """Block the thread until the turn; False if `timeout_s` seconds pass first. Called by the fake."""
        ticket = self._take_ticket()
        if self._bell.until_blocking(self._may_pass(ticket), timeout_s):
            self._passed += 1
            return True
        self._give_up(ticket)
        return False

    def _take_ticket(self) -> int:
        with self._counting:
            self._came += 1
            ticket = self._came
        self._bell.ring()
        return ticket

    def _give_up(self, ticket: int) -> None:
        self._left.add(ticket)
        self._bell.ring()

    def _may_pass(self, ticket: int) -> Callable[[], bool]:
        def may_pass() -> bool:
            ahead_and_gone = sum(gone < ticket for gone in self._left)
            return self._bell.closed or ticket - ahead_and_gone <= self._let_through

        return may_pass

    def _complaint(self, n: int) -> str:
        return (
            f"waited for {n} {self._what}, but {self._came} came. "
            "The others are not sent before the first has its answer, or are not sent at all."
        )
