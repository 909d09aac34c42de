"""Who answers: OpenAI and all that speaks its API, Anthropic, or nobody, which is the offline provider.

Reading order: `wire` (the one HTTP client), `openai`, `anthropic`, `offline`, then here: which there are, and who has what.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from capstone.errors import ProviderError
from capstone.parts import models
from capstone.services.providers.offline import OfflineWire, offline_client
from capstone.services.providers.openai import Completion, Deltas, OpenAIProvider
from capstone.services.providers.wire import AioWire
from capstone.settings import Settings

log = logging.getLogger(__name__)


class Provider(Protocol):
    """Somebody who runs models, whatever API they speak: everything here is in OpenAI's shape."""

    @property
    def name(self) -> str: ...

    async def complete(self, asked: Mapping[str, Any]) -> Completion:
        """Answer a conversation; ProviderError if there is no answer."""
        ...

    async def stream(self, asked: Mapping[str, Any]) -> Deltas:
        """Open an answer that streams; ProviderError if there is none."""
        ...

    async def embed(self, asked: Mapping[str, Any]) -> Completion:
        """Turn texts into vectors; ProviderError if there are none."""
        ...

    async def models(self) -> list[str]:
        """Return the names of the models that it has."""
        ...


@dataclass
class Providers:
    """Which providers there are, and who has which model."""

    of_model: dict[str, Provider] = field(default_factory=dict)
    embedding_models: list[str] = field(default_factory=list)
    default_model: str = ""

    @property
    def names(self) -> list[str]:
        """The names of the providers."""
        return list(dict.fromkeys(one.name for one in self.of_model.values()))


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Providers]:
    """Hold the one HTTP client open, and find out which models there are."""
    async with AsyncExitStack() as stack:
        found: list[tuple[Provider, Sequence[str]]] = []
        if settings.openai_api_key or settings.openai_base_url:
            timeout = aiohttp.ClientTimeout(total=None, connect=settings.connect_s, sock_read=settings.first_token_s)
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=settings.max_connections),
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),  # whom a provider recognizes is no business of the next caller
            )
            wire = AioWire(await stack.enter_async_context(session))
            key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            url = (settings.openai_base_url or "https://api.openai.com/v1").rstrip("/")
            found.append((OpenAIProvider("openai", wire, url, headers), settings.models))
        if not found:
            client = await stack.enter_async_context(offline_client())
            headers = {"Authorization": "Bearer sk-offline", "Content-Type": "application/json"}
            found.append((OpenAIProvider("offline", OfflineWire(client), "http://offline/v1", headers), ()))
        providers = Providers()
        for provider, names in found:
            for name in names or await provider.models():
                providers.of_model[name] = provider
                if "embed" in name:
                    providers.embedding_models.append(name)
        chat = [name for name in providers.of_model if name not in providers.embedding_models]
        if providers.names != ["offline"]:
            models.CATALOG.clear()
            models.CATALOG.update({name: models.ModelCard(max_tokens=1_000_000) for name in chat})
        providers.default_model = chat[0] if chat else ""
        yield providers
