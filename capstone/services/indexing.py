"""Who keeps the index, behind the requests, from the store's documents.

Of those that share a folder it is one process at a time; of those that share a PostgreSQL, all of them.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from capstone.errors import ApiError
from capstone.parts import calls
from capstone.services.documents import Shelf
from capstone.services.door import Call
from capstone.services.embedding import EMBEDDING
from capstone.services.extract import Unreadable, text_of
from capstone.services.vectors import SharedShelf
from capstone.store.outage import DatabaseAway
from capstone.store.tables import Document

log = logging.getLogger("capstone.documents")
REFUSED = "the model that embeds texts refuses it"
GIVEN_UP = "it could not be put into the index; upload it again"


@dataclass
class Keeper:
    """Puts into the index what was accepted, and takes out what was deleted."""

    shelf: Shelf | SharedShelf
    indexer: Callable[[str], Any]  # who embeds a tenant's documents
    pause_s: float = 1.0  # between two looks for work that another process has accepted
    longest_pause_s: float = 60.0
    tries: int = 5  # for what goes wrong and is no provider's outage
    _tried: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])  # how often, wait until
    _away: int = 0  # how often in a row the provider did not answer

    async def keep(self) -> None:
        """Keep the index, until cancelled."""
        async with self.shelf.kept():
            await self._asked(self.shelf.find_lost)
            while True:
                self.shelf.work.clear()
                await self._asked(self._round)

    async def _asked(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step; while the database is away, wait for it."""
        while True:
            try:
                return await step()
            except DatabaseAway as error:
                log.info("documents wait for the database: %s", error)
            await asyncio.sleep(self.pause_s)

    async def _round(self) -> None:
        now = time.monotonic()
        waiting = [id_ for id_, (_, until) in self._tried.items() if until > now]
        away = self._away
        async with self.shelf.tasks(waiting) as tasks:
            await self._do(tasks)
        self._away = min(self._away, away + 1)  # once, however many tenants have met the same outage
        if self._away:
            await asyncio.sleep(min(self.pause_s * 2 ** min(self._away, 10), self.longest_pause_s))
        elif not tasks:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pause_s):
                    await self.shelf.work.wait()

    async def _do(self, tasks: list[Document]) -> None:
        texts: dict[str, str] = {}
        for one in tasks:
            if one.state == "deleting":
                await self.shelf.take_out(one)
                await self.shelf.documents.forget(one.id)
                continue
            try:
                content = await self.shelf.documents.content_of(one.id)
                texts[one.id] = await text_of(content or b"", one.media_type)
            except Unreadable as error:
                await self._give_up(one, str(error))
        readable = [one for one in tasks if one.id in texts]
        for tenant in sorted({one.tenant for one in readable}):
            await self._put([one for one in readable if one.tenant == tenant], texts)

    async def _put(self, documents: list[Document], texts: Mapping[str, str]) -> None:
        """Put documents of one tenant into the index."""
        EMBEDDING.set(call := Call(self.indexer(documents[0].tenant), "embedding"))
        try:
            await self.shelf.put(documents, texts)
        except DatabaseAway:
            raise
        except Exception as failure:
            await self._failed(documents, texts, call.failure or failure)
            return
        self._away = 0
        for one in documents:
            self._tried.pop(one.id, None)

    async def _failed(self, documents: list[Document], texts: Mapping[str, str], error: Exception) -> None:
        if isinstance(error, calls.LLMError):  # the provider is away: nothing is wrong with the documents
            log.warning("documents wait for the provider that embeds them: %s", error)
            self._away += 1
        elif len(documents) > 1:  # each alone: what is refused must not hold up the others
            for one in documents:
                await self._put([one], texts)
        elif isinstance(error, ApiError):
            await self._give_up(documents[0], REFUSED)
        elif self._again_later(documents[0]) < self.tries:
            log.warning("document %s is tried again later", documents[0].id, exc_info=error)
        else:
            await self._give_up(documents[0], GIVEN_UP)

    def _again_later(self, document: Document) -> int:
        """Return how often it was tried."""
        tried = self._tried.get(document.id, (0, 0.0))[0] + 1
        self._tried[document.id] = tried, time.monotonic() + min(self.pause_s * 2**tried, self.longest_pause_s)
        return tried

    async def _give_up(self, document: Document, why: str) -> None:
        """Say why a document is not found, and let an earlier version of it be found no longer."""
        self._tried.pop(document.id, None)
        if await self.shelf.documents.settle(document, error=why):
            await self.shelf.take_out(document)
