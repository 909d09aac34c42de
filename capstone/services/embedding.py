"""Texts to vectors: lesson 05's embedder, asking whichever provider embeds."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2 as httpx
from pydantic_core import from_json, to_json

from capstone import ports
from capstone.parts import calls
from capstone.schemas.chat import Asked
from capstone.services.chat import ChatService
from capstone.services.door import URL, Call
from capstone.settings import Settings

EMBEDDING: ContextVar[Call] = ContextVar("EMBEDDING")  # for whom: who pays


class Embeds(Protocol):
    """Who makes embeddings: `services.chat.ChatService`, or `Hashing`."""

    async def embed(self, principal: Any, asked: Asked, /) -> bytes:
        """Answer OpenAI's `POST /embeddings`."""
        ...


@dataclass(frozen=True)
class _Way(httpx.AsyncBaseTransport):
    embeds: Embeds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = from_json(await request.aread())
        size = sum(map(len, body["input"])) // 4 + len(body["input"])
        asked = Asked(body, body["model"], streams=False, wants_usage=False, limit=None, prompt_tokens=size)
        call = EMBEDDING.get()
        try:
            answer = await self.embeds.embed(call.principal, asked)
        except Exception as error:
            call.failure = error
            raise
        return httpx.Response(200, content=answer, headers={"content-type": "application/json"})


@asynccontextmanager
async def open_embed(part: ports.Rag, embeds: Embeds, model: str) -> AsyncIterator[ports.Embed]:
    """Hold open what turns texts into vectors, for whomever `EMBEDDING` names."""
    async with httpx.AsyncClient(transport=_Way(embeds)) as http:
        yield part.store.Embedder(http, URL, "none", model)


def embedding_model(settings: Settings, chat: ChatService) -> tuple[Embeds, str]:
    """Return who embeds, and with which model: the one that is set, else the first that any provider has.

    Where nobody embeds (Anthropic has no such API), it is done here, by words in common: no model, no key, and good
    enough to try things out.
    """
    wanted, providers = settings.embedding_model, chat.providers
    if wanted and providers.of_model:  # also one that its provider does not list
        providers.add(providers.of_model.get(wanted) or next(iter(providers.of_model.values())), [wanted])
        return chat, wanted
    if providers.embedding_models:
        return chat, providers.embedding_models[0]
    return Hashing(), "hashing"


def folder_of(embeds: Embeds, model: str) -> str:
    """Return a name for the index of this model: vectors of two models have nothing to say to each other."""
    provider = embeds.providers.of_model[model].name if isinstance(embeds, ChatService) else "here"
    return re.sub(r"[^\w.-]", "_", f"{provider}-{model}")


class Hashing:
    """Vectors by feature hashing, in this process: mockllm's, whose texts are near when they share words."""

    async def embed(self, principal: Any, asked: Asked, /) -> bytes:
        """Answer in OpenAI's shape. Computed in a thread, a text at a time: a book must not hold up the streams."""
        from mockllm.embeddings import embed

        vectors = await calls.map_in_threads(embed, asked.body["input"], threads=1)
        data = [{"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(vectors)]
        return to_json({"object": "list", "data": data, "model": "hashing"})
