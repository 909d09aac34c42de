"""The documents of all tenants, as requests see them: accepted, searched in, deleted. `indexing` does the rest."""

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capstone import ports
from capstone.services.extract import media_type_of
from capstone.store.documents import Documents
from capstone.store.tables import Document

log = logging.getLogger("capstone.documents")


LEXICAL_UP_TO = 3_000  # chunks; lesson 05 counts words in Python, which for more takes longer than the answer is worth


@dataclass
class Intake:
    """How documents come in and go out, wherever their chunks are found."""

    part: ports.Rag
    documents: Documents
    work: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)  # set when there is something to index

    async def accept(
        self, tenant: str, name: str, content: bytes, meta: Mapping[str, str], *, most: int = 10_000
    ) -> tuple[Document, bool]:
        """Keep a document of a tenant; once this returns it survives the process. True if there is anything to do.

        Raises:
            Unreadable: it is neither a PDF nor a text.
            TooManyDocuments: the tenant has `most` already.
        """
        media_type, digest = await asyncio.to_thread(_looked_at, name, content, meta)
        document, new = await self.documents.put(
            tenant, name, content=content, media_type=media_type, digest=digest, meta=meta, most=most
        )
        if new:
            self.work.set()
        return document, new

    async def delete(self, tenant: str, document_id: str) -> bool:
        """Let a tenant's document be found by nobody any more; False if there is none."""
        found = await self.documents.doom(tenant, document_id)
        self.work.set()
        return found


@dataclass
class Shelf(Intake):
    """What can be found on one machine: lesson 05's library over a folder, made from the store's documents.

    Several processes may share the folder. One of them writes (`indexing.Keeper`); the others read it anew when it has
    changed.
    """

    folder: Path
    embed: ports.Embed
    library: Any = None
    writes: bool = False  # whether this process does
    _stamp: tuple[Any, ...] = ()
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self) -> None:
        """Take up what an earlier run kept. What cannot be read is put aside and made again: the store has it all."""
        self.library = await asyncio.to_thread(self._opened)

    def _opened(self) -> Any:
        self._stamp = stamp(self.folder)
        library = self.part.store.Library(self.folder, self.embed)
        try:
            library.open()
        except Exception:  # whatever a broken file makes of the lesson that reads it
            log.exception("the index in %s cannot be read; it is put aside and made anew", self.folder)
            self.folder.rename(self.folder.with_name(f"{self.folder.name}.broken-{time.time_ns()}"))
            library = self.part.store.Library(self.folder, self.embed)
        return library

    async def refresh(self) -> None:
        """Read the folder anew if another process has written it."""
        if not self.writes:
            async with self._opening:
                if await asyncio.to_thread(stamp, self.folder) != self._stamp:
                    await self.open()

    async def search(self, query: Any) -> list[Any]:
        """Return what lesson 05 finds for a `Query`."""
        await self.refresh()
        ways = self.part.retrieval
        many = len(self.library.snapshot.chunks) > LEXICAL_UP_TO
        rank = ways.nearest if many else ways.hybrid(ways.nearest, ways.matching)
        return await ways.Retriever(self.library, self.embed, rank).search(query)

    # What follows is for whoever keeps the index.

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While this is open, this process writes: nobody else does, because it has the turn."""
        await self.open()
        self.writes = True
        try:
            yield
        finally:
            self.writes = False

    async def find_lost(self) -> None:
        """Queue what should be in the index and is not: it was lost, or another model embeds now. Take out the rest."""
        there = {(chunk.tenant, chunk.doc) for chunk in self.library.snapshot.chunks}
        known = await self.documents.every()
        if lost := [one.id for one in known if one.state == "ready" and (one.tenant, one.name) not in there]:
            log.warning("%d documents are missing in the index and are put into it again", len(lost))
            await self.documents.again(lost)
        for tenant, name in there - {(one.tenant, one.name) for one in known}:
            await self.library.delete(tenant, name)

    @asynccontextmanager
    async def tasks(self, passing_over: Sequence[str]) -> AsyncIterator[list[Document]]:
        """Lend documents to work on."""
        yield await self.documents.to_do(passing_over=passing_over)

    async def put(self, documents: Sequence[Document], texts: Mapping[str, str]) -> None:
        """Put documents of one tenant into the index, all in one swap: each swap writes the whole index."""
        wanted = [self.part.store.Document(one.name, texts[one.id], one.tenant, one.meta) for one in documents]
        await self.library.put(*wanted)
        counts = chunk_counts(self.library.snapshot.chunks)
        for one in documents:
            await self.documents.settle(one, text=texts[one.id], chunks=counts.get((one.tenant, one.name), 0))

    async def take_out(self, document: Document) -> None:
        """Let a document be found no longer."""
        await self.library.delete(document.tenant, document.name)


def chunk_counts(chunks: Any) -> dict[tuple[str, str], int]:
    """Count chunks by tenant and name."""
    counts: dict[tuple[str, str], int] = {}
    for chunk in chunks:
        counts[chunk.tenant, chunk.doc] = counts.get((chunk.tenant, chunk.doc), 0) + 1
    return counts


def _looked_at(name: str, content: bytes, meta: Mapping[str, str]) -> tuple[str, str]:
    """Return media type and digest."""
    digest = hashlib.sha256(json.dumps(dict(meta), sort_keys=True).encode() + b"\n" + content).hexdigest()
    return media_type_of(name, content), digest


def stamp(folder: Path) -> tuple[Any, ...]:
    """Return what changes whenever a file in a folder does."""
    try:
        with os.scandir(folder) as found:
            return tuple(sorted((one.name, one.stat().st_mtime_ns, one.stat().st_size, one.inode()) for one in found))
    except OSError:
        return ()
