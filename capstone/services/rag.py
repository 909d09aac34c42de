"""Answers from a tenant's documents: search, ask, cite."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx

from capstone import ports
from capstone.schemas.rag import Answer, Citation, Question
from capstone.services.documents import Shelf
from capstone.services.door import CALL, URL, Call, as_raised
from capstone.services.embedding import EMBEDDING
from capstone.services.vectors import SharedShelf
from capstone.store.tables import Document

UNKNOWN = "I don't know."


@dataclass
class Rag:
    """What `/rag/query` asks."""

    part: ports.Rag
    shelf: Shelf | SharedShelf
    http: httpx.AsyncClient  # through the door
    default_model: str
    floor: float = 0.15
    _chains: dict[str, Any] = field(default_factory=dict[str, Any])

    async def answer(self, principal: Any, asked: Question) -> Answer:
        """Answer from the documents of the principal's tenant."""
        found: dict[str, Document] = {}

        async def search(query: Any) -> list[Any]:
            hits, documents = await self._search(principal, query)
            found.update(documents)
            return hits

        async with self._calling(principal):
            chain = _LateChain(lambda: self._chain(asked.model))
            said = await self.part.answer_question(self._query(principal, asked), search, chain)
        citations = [
            Citation(**{**_fields(one), "document_id": found[one.doc].id}) for one in said.citations if one.doc in found
        ]
        return Answer(answer=said.answer, citations=citations, known=bool(citations))

    @asynccontextmanager
    async def stream(self, principal: Any, asked: Question) -> AsyncIterator[tuple[list[Citation], AsyncIterator[str]]]:
        """Search, and begin to answer: yields the sources, and the text as it comes. What goes wrong before, raises."""
        hits, documents = await self._search(principal, self._query(principal, asked))
        sources = [_cited(n, hit, documents[hit.chunk.doc]) for n, hit in enumerate(hits, 1)]
        if not hits:
            yield [], _once(UNKNOWN)
            return
        async with self._calling(principal):
            chain = await self._chain(asked.model)
            pieces = aiter(chain.astream({"question": asked.question, "hits": hits}))
            first = await anext(pieces, "")  # the provider's status has come, while ours has not gone out
            yield sources, _after(first, pieces)

    def _query(self, principal: Any, asked: Question) -> Any:
        return self.part.retrieval.Query(
            asked.question, principal.tenant, k=asked.k, floor=self.floor, where=asked.where
        )

    async def _search(self, principal: Any, query: Any) -> tuple[list[Any], dict[str, Document]]:
        """Return hits and, by name, the documents that they are in.

        Whatever the search finds, nobody sees what the store does not know as their tenant's: a document that was
        deleted a moment ago, or one of somebody else's in an index that a mistake has mixed up.
        """
        # Which model embeds is not the caller's choice, so a key that may ask only some models may still search.
        EMBEDDING.set(call := Call(principal.model_copy(update={"scopes": frozenset()}), "rag"))
        async with as_raised(call):
            hits = await self.shelf.search(query)
        own = [hit for hit in hits if hit.chunk.tenant == query.tenant]
        documents = await self.shelf.documents.named(query.tenant, list({hit.chunk.doc for hit in own}))
        return [hit for hit in own if hit.chunk.doc in documents], documents

    @asynccontextmanager
    async def _calling(self, principal: Any) -> AsyncIterator[None]:
        """Ask models for a principal."""
        call = Call(principal, "rag")
        CALL.set(call)  # for this task, which is this request's
        try:
            async with as_raised(call):
                yield
        finally:
            await call.close()

    async def _chain(self, model: str | None) -> Any:
        model = model or self.default_model
        if model not in self._chains:
            if len(self._chains) > 100:
                self._chains.clear()
            settings = SimpleNamespace(model=model, openai_url=URL, openai_key="none")
            # In a thread: the first one imports LangChain, which takes two seconds.
            self._chains[model] = await asyncio.to_thread(self.part.make_chain, self.http, settings)
        return self._chains[model]


@dataclass(frozen=True)
class _LateChain:
    """A chain that is made when it is asked: a question without sources asks none."""

    make: Callable[[], Awaitable[Any]]

    async def ainvoke(self, asked: dict[str, Any], *_: Any, **__: Any) -> str:
        return await (await self.make()).ainvoke(asked)


def cited(text: str, sources: list[Citation]) -> list[int]:
    """Return the numbers of the sources that a text names, each once, in order."""
    numbers = {one.n for one in sources}
    return [n for n in dict.fromkeys(map(int, re.findall(r"\[(\d{1,3})\]", text))) if n in numbers]


def _fields(one: Any) -> dict[str, Any]:
    return {"n": one.n, "document": one.doc, "start": one.start, "end": one.end, "text": one.text, "score": one.score}


def _cited(n: int, hit: Any, document: Document) -> Citation:
    chunk = hit.chunk
    return Citation(
        n=n,
        document_id=document.id,
        document=document.name,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=hit.score,
    )


async def _once(text: str) -> AsyncIterator[str]:
    yield text


async def _after(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for piece in rest:
        yield piece
