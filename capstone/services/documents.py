"""From an upload to something that can be found: accepted in the store, put into the index by whoever has the turn."""

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capstone import ports
from capstone.services.embedding import EMBEDDING_FOR
from capstone.services.extract import Unreadable, media_type_of, text_of
from capstone.store.documents import Documents
from capstone.store.tables import Document

log = logging.getLogger("capstone.documents")


@dataclass
class Shelf:
    """What can be found: lesson 05's library over a folder, and the store's documents that it is made from.

    Several processes may share the folder. One of them writes (`keep`); the others read it anew when it has changed.
    """

    part: ports.Rag
    documents: Documents
    folder: Path
    embed: ports.Embed
    indexer: Callable[[str], Any]  # who embeds a tenant's documents
    pause_s: float = 1.0  # between two looks for work that another process has accepted
    tries: int = 5  # for a document that cannot be embedded; then it is given up, in words
    library: Any = None
    writes: bool = False
    _work: asyncio.Event = field(default_factory=asyncio.Event)
    _stamp: tuple[Any, ...] = ()
    _tried: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])

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
        if not self.writes and await asyncio.to_thread(stamp, self.folder) != self._stamp:
            await self.open()

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
            self._work.set()
        return document, new

    async def delete(self, tenant: str, document_id: str) -> bool:
        """Let a tenant's document be found by nobody any more; False if there is none."""
        found = await self.documents.doom(tenant, document_id)
        self._work.set()
        return found

    async def keep(self) -> None:
        """Put into the index what waits and take out what is to go, until cancelled. For one process at a time."""
        await self.open()
        self.writes = True
        try:
            await self._find_lost()
            while True:
                self._work.clear()
                now = time.monotonic()
                tasks = [one for one in await self.documents.to_do() if self._tried.get(one.id, (0, 0.0))[1] <= now]
                if tasks:
                    await self._do(tasks)
                else:
                    await self._wait()
        finally:
            self.writes = False

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.pause_s):
                await self._work.wait()
        except TimeoutError:
            pass

    async def _find_lost(self) -> None:
        """Queue what should be in the index and is not: the folder was deleted, or another model embeds now."""
        there = {(chunk.tenant, chunk.doc) for chunk in self.library.snapshot.chunks}
        ready = await self.documents.all_ready()
        known = {(tenant, name) for tenant, name, _ in ready}
        if lost := [id_ for tenant, name, id_ in ready if (tenant, name) not in there]:
            log.warning("%d documents are missing in the index and are put into it again", len(lost))
            await self.documents.again(lost)
        for tenant, name in there - known - {(one.tenant, one.name) for one in await self.documents.to_do(limit=10**6)}:
            await self.library.delete(tenant, name)

    async def _do(self, tasks: list[Document]) -> None:
        for one in tasks:
            if one.state == "deleting":
                await self.library.delete(one.tenant, one.name)
                await self.documents.forget(one.id)
        fresh = [one for one in tasks if one.state == "queued"]
        texts = {one.id: text for one in fresh if (text := await self._text_of(one)) is not None}
        for tenant in sorted({one.tenant for one in fresh}):
            await self._put([one for one in fresh if one.tenant == tenant and one.id in texts], texts)

    async def _put(self, documents: list[Document], texts: Mapping[str, str]) -> None:
        """Put documents of one tenant into the index, all in one swap: each swap writes the whole index."""
        if not documents:
            return
        EMBEDDING_FOR.set(self.indexer(documents[0].tenant))
        wanted = [self.part.store.Document(one.name, texts[one.id], one.tenant, one.meta) for one in documents]
        try:
            await self.library.put(*wanted)
        except Exception as error:  # the provider is away, or says no to one of them
            if len(documents) == 1:
                await self._failed(documents[0], error)
            for one in (
                documents if len(documents) > 1 else ()
            ):  # each alone: who is refused must not hold up the others
                await self._put([one], texts)
            return
        counts = chunk_counts(self.library.snapshot.chunks)
        for one in documents:
            self._tried.pop(one.id, None)
            await self.documents.settle(one, text=texts[one.id], chunks=counts.get((one.tenant, one.name), 0))

    async def _text_of(self, document: Document) -> str | None:
        content = await self.documents.content_of(document.id)
        try:
            return await text_of(content or b"", document.media_type)
        except Unreadable as error:
            await self.documents.settle(document, error=str(error))
            return None

    async def _failed(self, document: Document, error: Exception) -> None:
        """Try again later, a few times."""
        tried = self._tried.get(document.id, (0, 0.0))[0] + 1
        log.warning("document %s was not embedded, try %d: %s", document.id, tried, type(error).__name__)
        if tried < self.tries:
            self._tried[document.id] = tried, time.monotonic() + self.pause_s * 2**tried
        else:
            self._tried.pop(document.id, None)
            await self.documents.settle(document, error="the model that embeds texts did not answer; upload it again")


def _looked_at(name: str, content: bytes, meta: Mapping[str, str]) -> tuple[str, str]:
    """Return media type and digest."""
    digest = hashlib.sha256(json.dumps(dict(meta), sort_keys=True).encode() + b"\n" + content).hexdigest()
    return media_type_of(name, content), digest


def chunk_counts(chunks: Any) -> dict[tuple[str, str], int]:
    """Count chunks by tenant and name."""
    counts: dict[tuple[str, str], int] = {}
    for chunk in chunks:
        counts[chunk.tenant, chunk.doc] = counts.get((chunk.tenant, chunk.doc), 0) + 1
    return counts


def stamp(folder: Path) -> tuple[Any, ...]:
    """Return what changes whenever a file in a folder does."""
    try:
        with os.scandir(folder) as found:
            return tuple(sorted((one.name, one.stat().st_mtime_ns, one.stat().st_size, one.inode()) for one in found))
    except OSError:
        return ()
