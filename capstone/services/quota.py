"""Tokens that each principal has used today: lesson 08's QuotaStore, which a restart does not reset."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from capstone.store.usage import DAY_S, UsageRecords

log = logging.getLogger("capstone.quota")


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
        today = int(self.now() // DAY_S)
        if today != self.day:
            self.day = today
            self._spent.clear()
        if principal_id not in self._spent:
            async with self._reading:
                if principal_id not in self._spent:
                    self._spent[principal_id] = await self._read(principal_id, today * DAY_S)
        return self._spent[principal_id]

    async def _read(self, principal_id: str, since: int) -> int:
        try:
            return await self.usage.tokens_of(principal_id, since=since)
        except Exception:
            log.exception("what %s has used today cannot be read; counting from 0", principal_id)
            return 0
