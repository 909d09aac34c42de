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

from capstone.store.outage import DatabaseAway
from capstone.store.usage import DAY_S, UsageRecords

log = logging.getLogger("capstone.quota")
AGAIN_S = 5.0  # between two looks at what could not be read
EARLIER_S = 2.0  # at most that a call is dated before it asks here


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

    Where they cannot be read it counts from 0, and adds what they say as soon as they can: nobody waits for the
    database, and an outage gives nobody a new quota for the rest of the day.

    Several workers each count their own from there on, so together they may let through as many times the rest of a
    quota as there are workers.
    """

    usage: UsageRecords
    now: Callable[[], float] = time.time
    day: int = 0
    _spent: dict[str, int] = field(default_factory=dict[str, int])
    _unread: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    """Whose day so far is missing in the count: when that began, and when to look again."""
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
        if self._is_to_read(principal_id):
            async with self._reading:
                if self._is_to_read(principal_id):
                    await self._read(principal_id)
        return self._spent.setdefault(principal_id, 0)  # not there if the day has turned meanwhile

    def today(self) -> int:
        """Return the number of the day (UTC); with each, all begin anew."""
        today = int(self.now() // DAY_S)
        if today != self.day:
            self.day = today
            self._spent.clear()
            self._unread.clear()
        return today

    def note(self, principal_id: str, spent: int) -> None:
        """Count on from what somebody knows better."""
        self._spent[principal_id] = spent
        self._unread.pop(principal_id, None)

    async def recorded(self, principal_id: str) -> int:
        """Return what the usage records say of today; raises what the database raises."""
        return await self.usage.tokens_of(principal_id, since=self.today() * DAY_S)

    def _is_to_read(self, principal_id: str) -> bool:
        if unread := self._unread.get(principal_id):
            return self.now() >= unread[1]
        return principal_id not in self._spent

    async def _read(self, principal_id: str) -> None:
        """Add what the usage records say of the time before we began to count."""
        day, unread = self.today(), self._unread.get(principal_id)
        began, before = unread[0] if unread else self.now() - EARLIER_S, None
        if unread:  # the others count on meanwhile
            self._unread[principal_id] = began, self.now() + AGAIN_S
        try:
            if unread:  # what was counted here since then is on its way into the records as well
                before = await self.usage.tokens_of(principal_id, since=day * DAY_S, until=began)
            else:
                before = await self.recorded(principal_id)
        except Exception as error:
            if not unread:  # one line for one outage
                trace = None if isinstance(error, DatabaseAway) else error
                words = "what %s has used today cannot be read (%r); counting from 0 until it can"
                log.warning(words, principal_id, error, exc_info=trace)
        known = principal_id not in self._unread if unread else principal_id in self._spent
        if self.today() != day or known:
            return  # a new day, or somebody has noted what they know better
        self._spent[principal_id] = self._spent.get(principal_id, 0) + (before or 0)
        if before is None:
            self._unread[principal_id] = began, self.now() + AGAIN_S
        else:
            self._unread.pop(principal_id, None)
