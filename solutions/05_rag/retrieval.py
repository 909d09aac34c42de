"""How lesson 05 finds chunks: by nearness, by shared words, and by both."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log

import faiss
import numpy as np
from numpy.typing import NDArray

from .store import Chunk, Embed, Library, Snapshot, words_of


@dataclass(frozen=True)
class Hit:
    """Given: a chunk that a search found. Scores are comparable within one ranking only."""

    chunk: Chunk
    score: float


@dataclass(frozen=True)
class Query:
    """Given: what somebody asks, and what of all there is may answer."""

    text: str
    tenant: str = "public"
    k: int = 5  # the most hits, at least 1
    floor: float = 0.0  # the least cosine
    where: Mapping[str, str] = field(default_factory=dict)  # a chunk's `meta` must say all of this

    def may_see(self, chunk: Chunk) -> bool:
        """Whether a chunk may be found at all."""
        return chunk.tenant == self.tenant and all(chunk.meta.get(key) == value for key, value in self.where.items())


Vector = NDArray[np.float32]  # (d,): of the question, of any length
Rank = Callable[[Snapshot, Query, Vector], list[Hit]]  # computes, and does not wait: for threads
Search = Callable[[Query], Awaitable[list[Hit]]]


def nearest(snapshot: Snapshot, query: Query, vector: Vector) -> list[Hit]:
    """Return the `query.k` nearest of the chunks that the query may see, nearest first, none below its floor."""
    # TODO 05.3: search among what may be seen, and there alone.
    # >>> solution
    rows = [row for row, chunk in enumerate(snapshot.chunks) if query.may_see(chunk)]
    if not rows:
        return []
    unit = np.array([vector], dtype=np.float32)
    faiss.normalize_L2(unit)
    # Chosen before the k nearest are: thrown out afterwards, others' chunks would have taken the places.
    among = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))  # pyright: ignore - made by SWIG at import
    scores, found = snapshot.index.search(unit, query.k, params=among)
    hits = zip(scores[0].tolist(), found[0].tolist(), strict=True)
    # FAISS fills up with row -1, which in Python is the last chunk, whoever's it is.
    return [Hit(snapshot.chunks[row], score) for score, row in hits if row >= 0 and score >= query.floor]
    # <<< solution


@dataclass(frozen=True)
class Retriever:
    """Finds chunks for questions. Whatever ranks them is handed in: `nearest`, `matching`, or both."""

    library: Library
    embed: Embed
    rank: Rank = nearest

    async def search(self, query: Query) -> list[Hit]:
        """Return what `rank` makes of the question's vector and of the library's snapshot."""
        # TODO 05.3: embed the question, and nothing else; rank without holding up the event loop.
        # >>> solution
        vectors = await self.embed([query.text])
        # The snapshot is taken once: whatever is swapped in meanwhile is for the next query.
        return await asyncio.to_thread(self.rank, self.library.snapshot, query, vectors[0])
        # <<< solution


def matching(snapshot: Snapshot, query: Query, vector: Vector) -> list[Hit]:
    """Given: rank by BM25 what shares words with the question: rare words count more, long chunks less.

    Rarity is counted among the chunks that the query may see, so nothing of others' shows in an order.

    Source: https://en.wikipedia.org/wiki/Okapi_BM25
    """
    rows = [row for row, chunk in enumerate(snapshot.chunks) if query.may_see(chunk)]
    lengths = {row: snapshot.words[row].total() for row in rows}
    scores = dict.fromkeys(rows, 0.0)
    for word in set(words_of(query.text)):
        having = [row for row in rows if word in snapshot.words[row]]
        rarity = log(1 + (len(rows) - len(having) + 0.5) / (len(having) + 0.5))
        for row in having:
            often, length = snapshot.words[row][word], lengths[row] * len(rows) / sum(lengths.values())
            scores[row] += rarity * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * length))
    best = sorted((row for row in rows if scores[row]), key=lambda row: -scores[row])
    return [Hit(snapshot.chunks[row], scores[row]) for row in best[: query.k]]


def fuse(*rankings: Sequence[Hit]) -> list[Hit]:
    """Make one ranking of several by reciprocal rank fusion: a chunk's score is the sum of 1 / (60 + its rank in each).

    Ranks count from 1. Scores that come in are not looked at: a cosine and a BM25 cannot be added.

    Source: https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf
    """
    # TODO 05.8: add up what each ranking gives a chunk, best first, each chunk once.
    # >>> solution
    chunks: dict[tuple[str, str, int], Chunk] = {}
    scores: dict[tuple[str, str, int], float] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            key = (hit.chunk.tenant, hit.chunk.doc, hit.chunk.start)
            chunks[key] = hit.chunk
            scores[key] = scores.get(key, 0.0) + 1 / (60 + rank)
    return [Hit(chunks[key], scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]
    # <<< solution


def hybrid(dense: Rank, lexical: Rank, *, depth: int = 50) -> Rank:
    """Return a rank that fuses two. Where the dense one finds nothing, so does it: a shared word is no nearness."""

    def rank(snapshot: Snapshot, query: Query, vector: Vector) -> list[Hit]:
        # TODO 05.8: fuse the first `depth` of each, and return as many as the query asks for.
        # >>> solution
        deep = replace(query, k=max(depth, query.k))
        near = dense(snapshot, deep, vector)
        return fuse(near, lexical(snapshot, deep, vector))[: query.k] if near else []
        # <<< solution

    return rank
