"""The documents of all tenants, as requests see them: accepted, searched in, deleted. `indexing` does the rest."""

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capstone import ports
from capstone.services.extract import media_type_of
from capstone.store.documents import Documents
from capstone.store.tables import Document

log = logging.getLogger("capstone.documents")


@dataclass
class Shelf:
    """What can be found: lesson 05's library over a folder, and the store's documents that it is made from.

    Several processes may share the folder. One of them writes (`indexing.Keeper`); the others read it anew when it has
    changed.
    """

    part: ports.Rag
    documents: Documents
    folder: Path
    embed: ports.Embed
    library: Any = None
    writes: bool = False  # whether this process does
    work: asyncio.Event = field(default_factory=asyncio.Event)  # set when there is something for whoever writes
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
