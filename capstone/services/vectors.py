"""Documents where instances share a PostgreSQL: found by all of them, indexed by whichever comes first."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from capstone import ports
from capstone.services.documents import Intake
from capstone.store.outage import DatabaseAway
from capstone.store.tables import Document
from capstone.store.vectors import NewChunk, Vectors

log = logging.getLogger("capstone.documents")
TOGETHER = 512  # chunks that are embedded at once
RANKED = 100  # of the nearest chunks, by their words too; on lesson 05's questions as good as by the words of all


@dataclass
class SharedShelf(Intake):
    """What can be found by every instance. Lesson 05 cuts and embeds; PostgreSQL keeps and compares."""

    vectors: Vectors
    embed: ports.Embed
    lease_s: float = 15.0  # after which what a dead instance worked on is taken up by another
    _index: asyncio.Task[None] | None = None
    _looked_at: float = field(default=float("-inf"))

    async def search(self, query: Any) -> list[Any]:
        """Return what is nearest to a `Query` of lesson 05; among the nearest, words in common count as well."""
        (vector,) = await self.embed([query.text])
        found = await self.vectors.nearest(
            query.tenant, vector, k=max(RANKED, query.k), least=query.k, floor=query.floor, where=query.where
        )
        chunk, ways = self.part.store.Chunk, self.part.retrieval
        near = [
            ways.Hit(chunk(query.tenant, one.name, one.start, one.end, one.text, one.meta), one.score) for one in found
        ]
        rank = ways.hybrid(lambda _, asked, __: near[: asked.k], ways.matching)
        return await asyncio.to_thread(rank, self.part.store.Snapshot(tuple(hit.chunk for hit in near)), query, vector)

    # What follows is for whoever keeps the index, which is every instance.

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While this is open, this process works on documents."""
        try:
            yield
        finally:
            if self._index:
                self._index.cancel()
                with suppress(asyncio.CancelledError):
                    await self._index

    async def find_lost(self) -> None:
        """Queue what another model has embedded."""
        if lost := await self.vectors.find_lost():
            log.warning("%d documents were embedded by another model and are embedded anew", lost)

    @asynccontextmanager
    async def tasks(self, passing_over: Sequence[str]) -> AsyncIterator[list[Document]]:
        """Lend documents to work on, which no other instance works on meanwhile."""
        claimed = await self.documents.claim(for_s=self.lease_s, passing_over=passing_over)
        holding = asyncio.create_task(self._hold([one.id for one in claimed])) if claimed else None
        try:
            yield claimed
        finally:
            if holding:
                holding.cancel()
                # What was not finished is somebody else's at once, also when this instance ends now.
                with anyio.move_on_after(2, shield=True), suppress(DatabaseAway):
                    await self.documents.hold([one.id for one in claimed], for_s=0)

    async def _hold(self, document_ids: Sequence[str]) -> None:
        while True:
            await asyncio.sleep(self.lease_s / 3)
            with suppress(DatabaseAway):
                await self.documents.hold(document_ids, for_s=self.lease_s)

    async def put(self, documents: Sequence[Document], texts: Mapping[str, str]) -> None:
        """Let documents be found by these texts, each of them in one moment."""
        together: list[tuple[Document, str, list[NewChunk]]] = []
        for one in documents:
            text = texts[one.id].replace("\0", " ")  # which PostgreSQL keeps in no text; citations count characters
            spans = await asyncio.to_thread(self.part.store.split, text)
            together.append((one, text, [NewChunk(start, end, text[start:end]) for start, end in spans]))
            # Small ones share a call of the model; of large ones no more is in memory than has to be.
            if sum(len(chunks) for _, _, chunks in together) >= TOGETHER or one is documents[-1]:
                await self._put(together)
                together = []

    async def _put(self, together: Sequence[tuple[Document, str, list[NewChunk]]]) -> None:
        new = [chunk for _, _, chunks in together for chunk in chunks]
        for at in range(0, len(new), TOGETHER):
            part = new[at : at + TOGETHER]
            for chunk, vector in zip(part, await self.embed([one.text for one in part]), strict=True):
                chunk.vector = vector
        for document, text, chunks in together:
            await self.vectors.put(document, text, chunks)
        if new:
            self._look_at_index(new[0].vector)

    async def take_out(self, document: Document) -> None:
        """Let a document be found no longer."""
        await self.vectors.remove(document.id)

    def _look_at_index(self, vector: Any) -> None:
        """See in a while, and beside the documents, whether there are enough chunks for an index."""
        now = asyncio.get_running_loop().time()
        if now > self._looked_at + 30 and (self._index is None or self._index.done()):
            self._looked_at = now
            self._index = asyncio.create_task(self._make_index(vector), name="index of vectors")

    async def _make_index(self, vector: Any) -> None:
        try:
            async with asyncio.timeout(3_600):
                if await self.vectors.index_if_many(vector):
                    self._looked_at = float("inf")
        except Exception:
            log.exception("the index of vectors was not made; until it is, all are compared")
