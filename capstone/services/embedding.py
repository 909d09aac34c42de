"""Texts to vectors: lesson 05's embedder, asking whichever provider embeds."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2 as httpx
from pydantic_core import from_json, to_json

from capstone import ports
from capstone.parts import calls
from capstone.services.door import URL
from capstone.services.providers import Providers
from capstone.settings import Settings


class Embeds(Protocol):
    """A provider that makes embeddings."""

    @property
    def name(self) -> str:
        """Whose it is."""
        ...

    async def embed(self, asked: Any, /) -> Any:
        """Answer OpenAI's `POST /embeddings`; the answer has `body` and `usage`."""
        ...


@dataclass(frozen=True)
class _Way(httpx.AsyncBaseTransport):
    provider: Embeds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = from_json(await request.aread())
        answer = await calls.retry(lambda: self.provider.embed(asked))
        return httpx.Response(200, content=answer.body, headers={"content-type": "application/json"})


@asynccontextmanager
async def open_embed(part: ports.Rag, provider: Embeds, model: str) -> AsyncIterator[ports.Embed]:
    """Hold open what turns texts into vectors."""
    async with httpx.AsyncClient(transport=_Way(provider)) as http:
        yield part.store.Embedder(http, URL, "none", model)


def embedding_provider(settings: Settings, providers: Providers) -> tuple[Embeds, str]:
    """Return who embeds, and with which model: the one that is set, else the first that any provider has.

    Where nobody embeds (Anthropic has no such API), it is done here, by words in common: no model, no key, and good
    enough to try things out.
    """
    names = [settings.embedding_model] if settings.embedding_model else providers.embedding_models
    for name in names:
        if name in providers.of_model:
            return providers.of_model[name], name
    if settings.embedding_model and providers.of_model:  # a model that its provider does not list
        return next(iter(providers.of_model.values())), settings.embedding_model
    return Hashing(), "hashing"


def embedding_folder(provider: Embeds, model: str) -> str:
    """Return a name for the index of this model: vectors of two models have nothing to say to each other."""
    return re.sub(r"[^\w.-]", "_", f"{provider.name}-{model}")


@dataclass(frozen=True)
class _Vectors:
    body: bytes
    usage: Any


@dataclass(frozen=True)
class Hashing:
    """Vectors by feature hashing, in this process: mockllm's, whose texts are near when they share words."""

    name: str = "here"

    async def embed(self, asked: Any, /) -> _Vectors:
        """Answer in OpenAI's shape. Computed in a thread, a text at a time: a book must not hold up the streams."""
        from mockllm.embeddings import embed

        vectors = await calls.map_in_threads(embed, asked["input"], threads=1)
        data = [{"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(vectors)]
        return _Vectors(to_json({"object": "list", "data": data, "model": "hashing"}), {})
