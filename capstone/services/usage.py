"""Usage records on their way to the database: the hot path hands them over and waits for nothing."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from capstone.store.outage import DatabaseAway, DatabaseGone
from capstone.store.tables import UsageRecord

log = logging.getLogger("capstone.usage")


class Keeps(Protocol):
    """Where records go: `store.usage`."""

    async def add(self, records: list[UsageRecord], /) -> None:
        """Keep records, all of them or none."""
        ...


@dataclass
class UsageQueue:
    """Records that wait to be written, in batches, by one task.

    While the database is away they wait here, up to `most` of them; beyond that the oldest are dropped and counted.
    A kill loses what waits: at most `pause_s` seconds of records while the database is well.
    """

    keeps: Keeps
    most: int = 10_000
    batch: int = 500
    pause_s: float = 0.5  # between two batches, so that a busy second is one transaction and not a thousand
    patience_s: float = 30.0  # the longest pause after a failure, and what the end may take
    dropped: int = 0
    _waiting: deque[UsageRecord] = field(default_factory=deque[UsageRecord])
    _something: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, record: UsageRecord) -> None:
        """Hand a record over. It never waits and never fails."""
        if len(self._waiting) >= self.most:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(record)
        self._something.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def flush(self) -> None:
        """Write what waits now; raise what the database raises, and keep what it did not take."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self.batch, len(self._waiting)))]
            try:
                await self.keeps.add(batch)
            except BaseException:  # a cancel too: what was taken off and not written goes back, as far as there is room
                room = max(self.most - len(self._waiting), 0)
                self.dropped += max(len(batch) - room, 0)
                self._waiting.extendleft(reversed(batch[-room:] if room else []))
                raise

    async def finish(self) -> None:
        """Write what waits; wait a little for a database that is just away, as it is while its server starts anew."""
        for _ in range(20):
            with suppress(DatabaseAway):
                await self.flush()
                return
            await asyncio.sleep(self.pause_s)
        await self.flush()

    async def run(self) -> None:
        """Write batch after batch, until cancelled."""
        wait_s, failing = self.pause_s, False
        while True:
            await self._something.wait()
            self._something.clear()
            try:
                await self.flush()
                if failing:
                    log.warning("usage is written again; %d records were dropped", self.dropped)
                wait_s, failing = self.pause_s, False
            except Exception as error:  # whatever the database has, requests go on
                if not failing:  # one line for one outage
                    log.exception("usage cannot be written; records wait")
                # A server that is known to be gone was not asked; so it is written as soon as it is back.
                wait_s = self.pause_s if isinstance(error, DatabaseGone) else min(2 * wait_s, self.patience_s)
                failing = True
                self._something.set()
            await asyncio.sleep(wait_s)


@asynccontextmanager
async def open_usage(keeps: Keeps) -> AsyncIterator[UsageQueue]:
    """Hold the queue open; at the end what waits is written, if the database takes it."""
    queue = UsageQueue(keeps)
    writer = asyncio.create_task(queue.run(), name="usage writer")
    try:
        yield queue
    finally:
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
        try:
            async with asyncio.timeout(queue.patience_s):
                await queue.finish()
        except Exception:
            log.exception("%d usage records are lost", len(queue))
