"""Tokens that each principal has used today: lesson 08's QuotaStore, which a restart does not reset.

DailyQuota    counts in this process
SharedQuota   (`quota_shared`) counts in Redis, for all instances, and here while Redis is away
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from capstone.store.usage import DAY_S, UsageRecords

log = logging.getLogger("capstone.quota")


class Counts(Protocol):
    """Lesson 08's QuotaStore."""

    async def spend(self, principal_id: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit; else add nothing and return False."""
        ...

    async def settle(self, principal_id: str, tokens: int) -> None:
        """Add tokens whatever the limit says; a negative number gives back."""
        ...


class Quota(Protocol):
    """What the chat asks."""

    def for_call(self) -> Counts:
        """Return what one call spends from and settles with."""
        ...

    async def spent(self, principal_id: str) -> int:
        """Return the tokens of today, those that are set aside among them."""
        ...


@dataclass
class DailyQuota:
    """Counts in this process, from what the usage records say of the day so far.

    Several workers each count their own from there on, so together they may let through as many times the rest of a
    quota as there are workers.
    """

    usage: UsageRecords
    now: Callable[[], float] = time.time
    day: int = 0
    _spent: dict[str, int] = field(default_factory=dict[str, int])
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def for_call(self) -> "DailyQuota":
        """Return what one call spends from and settles with."""
        return self

    async def spend(self, principal_id: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit; else add nothing and return False."""
        spent = await self.spent(principal_id)  # from here on nothing is awaited, so nobody comes between
        if spent + tokens > limit:
            return False
        self._spent[principal_id] = spent + tokens
        return True

    async def settle(self, principal_id: str, tokens: int) -> None:
        """Add tokens whatever the limit says; a negative number gives back."""
        # What was set aside yesterday is given back to nobody today.
        self._spent[principal_id] = max(await self.spent(principal_id) + tokens, 0)

    async def spent(self, principal_id: str) -> int:
        """Return the tokens of today."""
        self.today()
        if principal_id not in self._spent:
            async with self._reading:
                if principal_id not in self._spent:
                    self._spent[principal_id] = await self._read(principal_id)
        return self._spent[principal_id]

    def today(self) -> int:
        """Return the number of the day (UTC); with each, all begin anew."""
        today = int(self.now() // DAY_S)
        if today != self.day:
            self.day = today
            self._spent.clear()
        return today

    def note(self, principal_id: str, spent: int) -> None:
        """Count on from what somebody knows better."""
        self._spent[principal_id] = spent

    async def recorded(self, principal_id: str) -> int:
        """Return what the usage records say of today; raises what the database raises."""
        return await self.usage.tokens_of(principal_id, since=self.today() * DAY_S)

    async def _read(self, principal_id: str) -> int:
        try:
            return await self.recorded(principal_id)
        except Exception:
            log.exception("what %s has used today cannot be read; counting from 0", principal_id)
            return 0
