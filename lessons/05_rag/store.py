"""What lesson 05 keeps: documents cut into chunks, the vectors of these, and the file in which both survive."""

import asyncio
import hashlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import httpx2 as httpx
import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]  # of a text: its first character, and the one behind its last
Vectors = NDArray[np.float32]  # (n, d), a row for each of n texts, of any length
Embed = Callable[[Sequence[str]], Awaitable[Vectors]]  # texts to vectors, in the order of the texts


@dataclass(frozen=True)
class Document:
    """Given: a text that somebody brought. Tenant and name together say which one it is."""

    name: str
    text: str
    tenant: str = "public"
    meta: Mapping[str, str] = field(default_factory=dict)  # what a query may ask for: {"team": "search"}

    @cached_property
    def digest(self) -> str:
        """A hash over all that is kept of it besides its name: as long as it stays the same, nothing has to be done."""
        # TODO 05.6: hash whatever makes two versions of a document differ.
        raise NotImplementedError("TODO 05.6")


@dataclass(frozen=True)
class Chunk:
    """Given: a part of a document, small enough to be shown to a model. `text` is the document's `text[start:end]`."""

    tenant: str
    doc: str
    start: int
    end: int
    text: str
    meta: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""  # of the whole document


@dataclass(frozen=True)
class Snapshot:
    """Given: all that a query reads. Nobody changes one; whoever has something new puts another in its place."""

    chunks: tuple[Chunk, ...] = ()
    index: Any = field(default_factory=lambda: faiss.IndexFlatIP(1))  # row n is the vector of chunk n, of length 1

    def replaced(self, gone: set[tuple[str, str]], chunks: Sequence[Chunk], vectors: Vectors) -> "Snapshot":
        """Return another: without the documents `gone`, each a (tenant, name), and with these chunks at the end."""
        kept = [row for row, chunk in enumerate(self.chunks) if (chunk.tenant, chunk.doc) not in gone]
        parts = [*([self.index.reconstruct_batch(kept)] if kept else []), *([vectors] if chunks else [])]
        index = build_index(np.vstack(parts)) if parts else Snapshot().index
        return Snapshot((*(self.chunks[row] for row in kept), *chunks), index)

    @cached_property
    def words(self) -> list[Counter[str]]:
        """How often each word stands in each chunk: what lexical search reads, counted once."""
        return [Counter(words_of(chunk.text)) for chunk in self.chunks]


def words_of(text: str) -> list[str]:
    """Given: return the words of a text as lexical search compares them."""
    return re.findall(r"\w+", text.lower())


# Given: a sentence ends at .!? before a gap that no small letter follows ("e.g. this" goes on), or at a blank line.
GAP = re.compile(r"(?<=[.!?])\s++(?![a-z])|\n\s*\n\s*|\Z")


def sentences(text: str, longest: int) -> Iterator[Span]:
    """Given: yield where the sentences of a text stand, in order; one above `longest` characters comes in pieces."""
    start = len(text) - len(text.lstrip())
    for gap in GAP.finditer(text, start, len(text.rstrip())):
        while start < gap.start():
            end = min(start + longest, gap.start())
            yield start, end
            start = end
        start = gap.end()


def split(text: str, *, size: int = 800, overlap: int = 200) -> list[Span]:
    """Cut a text into chunks of whole sentences, so that neighbors share some.

    Args:
        text: any text, of any length.
        size: the most characters of a chunk, at least 1.
        overlap: the most characters that a chunk shares with the one before it, from 0 to below `size`.

    Returns:
        Where the chunks stand, in order; none for a text without a character to read.

    Raises:
        ValueError: `overlap` is below 0 or not below `size`.
    """
    # TODO 05.1: fill each chunk with sentences; begin the next one with the last of them again, as far as they fit.
    raise NotImplementedError("TODO 05.1")


@dataclass(frozen=True)
class Embedder:
    """OpenAI's embeddings API, over a client that is opened and closed elsewhere. `await embedder(texts)` asks it.

    Source: https://platform.openai.com/docs/api-reference/embeddings
    """

    http: httpx.AsyncClient
    url: str  # ends in /v1
    key: str = field(repr=False)
    model: str = "mock-embed"
    batch: int = 64  # the most texts of one call

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text, in order; no call for no text. Whatever is no answer raises."""
        # TODO 05.2: ask in batches, and put each vector in its text's row.
        raise NotImplementedError("TODO 05.2")


def build_index(vectors: Vectors) -> Any:
    """Return a FAISS index of n vectors, whose row n is vector n and whose scores are cosines."""
    # TODO 05.2: an index for cosine similarity, of vectors that have any length.
    raise NotImplementedError("TODO 05.2")


def save(snapshot: Snapshot, folder: Path) -> None:
    """Keep a snapshot in a folder, which is made if it is not there; another one that was there is replaced."""
    # TODO 05.2: write chunks and index in a form that can only be data, so that a crash leaves the old or the new.
    raise NotImplementedError("TODO 05.2")


def load(folder: Path) -> Snapshot:
    """Return the snapshot that was kept in a folder; an empty one if none ever was."""
    # TODO 05.2: read it back; whatever lies there, no code of it runs.
    raise NotImplementedError("TODO 05.2")


class Library:
    """The documents of all tenants: a snapshot in memory for whoever asks, and a folder for the next start."""

    # TODO 05.6: embed only what is new; then show and keep all of it in one moment, whoever else reads or writes.
    def __init__(self, folder: Path, embed: Embed, cut: Callable[[str], list[Span]] = split) -> None:
        self.folder, self.embed, self.cut = folder, embed, cut
        self.snapshot = Snapshot()

    def open(self) -> None:
        """Given: take up what an earlier run kept."""
        if self.folder.exists():
            self.snapshot = load(self.folder)

    async def put(self, *documents: Document) -> int:
        """Keep documents, in place of those of the same tenant and name; return how many were new or had changed."""
        raise NotImplementedError("TODO 05.6")

    async def delete(self, tenant: str, name: str) -> bool:
        """Forget a document of a tenant; return whether there was one."""
        raise NotImplementedError("TODO 05.6")
