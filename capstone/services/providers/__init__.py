"""Who answers: OpenAI and all that speaks its API, Anthropic, or nobody, which is the offline provider.

Reading order: `wire` (the one HTTP client), `openai`, `anthropic`, `offline`, then here: which of them there are.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import httpx2 as httpx

from capstone.errors import ProviderError
from capstone.parts import models
from capstone.services import tracing
from capstone.services.metering import PRICES
from capstone.services.providers.anthropic import AnthropicProvider
from capstone.services.providers.offline import open_offline
from capstone.services.providers.openai import Completion, Deltas, OpenAIProvider
from capstone.services.providers.wire import AioWire
from capstone.settings import Settings

log = logging.getLogger("capstone.providers")
OFFLINE = dict(models.CATALOG)  # lesson 02's own: the models of the fake
OTHER_KINDS = ("embed", "whisper", "tts", "transcribe", "audio", "realtime", "image", "dall-e", "sora", "moderation")


class Provider(Protocol):
    """Somebody who runs models, whatever API they speak: everything here is in OpenAI's shape."""

    @property
    def name(self) -> str:
        """Whose it is."""
        ...

    @property
    def url(self) -> str:
        """Where it is reached."""
        ...

    def lacks(self, asked: Mapping[str, Any]) -> str | None:
        """Return the name of something in a request that it cannot do."""
        ...

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

    of_model: dict[str, Provider] = field(default_factory=dict[str, Provider])
    embedding_models: list[str] = field(default_factory=list[str])
    silent: list[str] = field(default_factory=list[str])
    """Providers that did not say which models they have."""

    @property
    def names(self) -> list[str]:
        """The names of the providers."""
        return list(dict.fromkeys(one.name for one in self.of_model.values()))

    @property
    def chat_models(self) -> list[str]:
        """The models that answer conversations, the default first."""
        return [name for name in self.of_model if is_chat(name)]

    @property
    def default_model(self) -> str:
        """The model that is asked where nobody names one."""
        return next(iter(self.chat_models), "")

    def add(self, provider: Provider, names: Sequence[str]) -> None:
        """Take up a provider's models. A name that is taken stays whose it was."""
        for name in names:
            self.of_model.setdefault(name, provider)
            PRICES.setdefault(name, (0.0, 0.0))  # lesson 06 counts only what is in there under its own name
            if "embed" in name and name not in self.embedding_models:
                self.embedding_models.append(name)
            if is_chat(name) and name not in models.CATALOG:
                models.CATALOG[name] = card_of(provider)


def is_chat(name: str) -> bool:
    """Say whether a model answers conversations; a provider's list does not tell, so its name has to."""
    return not any(word in name.lower() for word in OTHER_KINDS)


def card_of(provider: Provider) -> Any:
    """Return what a provider's models can do. They say no themselves where it is more than they can."""
    return models.ModelCard(max_tokens=1_000_000, takes_temperature=provider.name != "anthropic")


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Providers]:
    """Hold the one HTTP client open, and find out which models there are. One that does not say is asked again."""
    async with AsyncExitStack() as stack:
        providers, found = Providers(), list[tuple[Provider, Sequence[str]]]()
        if settings.openai_api_key or settings.openai_base_url:
            found.append((await stack.enter_async_context(open_openai(settings)), settings.models))
        if settings.anthropic_api_key or settings.anthropic_base_url:
            found.append((await stack.enter_async_context(open_anthropic(settings)), settings.anthropic_models))
        models.CATALOG.clear()
        if not found:
            models.CATALOG.update(OFFLINE)
            wire = await stack.enter_async_context(open_offline())
            headers = {"Authorization": "Bearer sk-offline", "Content-Type": "application/json"}
            found.append((OpenAIProvider("offline", wire, "http://offline/v1", headers), ()))
        silent: list[Provider] = []
        for provider, names in found:
            try:
                providers.add(provider, names or await provider.models())
            except ProviderError as error:
                log.warning(
                    "%s does not say which models it has; set CAPSTONE_MODELS, or wait: %s", provider.name, error
                )
                silent.append(provider)
        providers.silent = [one.name for one in silent]
        asking = asyncio.create_task(ask_again(providers, silent), name="models of providers")
        try:
            yield providers
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking


async def ask_again(providers: Providers, silent: list[Provider]) -> None:
    """Ask those that did not say which models they have, until all have."""
    wait_s = 1.0
    while silent:
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, 60)
        for provider in tuple(silent):
            with suppress(ProviderError):
                providers.add(provider, await provider.models())
                silent.remove(provider)
                providers.silent.remove(provider.name)
                log.info("%s has said which models it has", provider.name)


@asynccontextmanager
async def open_openai(settings: Settings) -> AsyncIterator[OpenAIProvider]:
    """Hold open what reaches OpenAI, or who speaks its API."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.max_connections, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),  # what a provider remembers of one caller is no business of the next
    )
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    url = (settings.openai_base_url or "https://api.openai.com/v1").rstrip("/")
    async with session:
        wire = AioWire(session, settings.connect_s)
        patience = settings.whole_answer_s, settings.first_token_s, settings.next_token_s
        yield OpenAIProvider("openai", wire, url, headers, *patience)


@asynccontextmanager
async def open_anthropic(settings: Settings) -> AsyncIterator[AnthropicProvider]:
    """Hold open what reaches Anthropic: the client that lessons 03 and 04 ask for, on aiohttp as well."""
    from openai import DefaultAioHttpClient  # here: it takes most of a second

    timeout = httpx.Timeout(settings.whole_answer_s, connect=settings.connect_s, pool=settings.connect_s)
    limits = httpx.Limits(max_connections=settings.max_connections)
    key = settings.anthropic_api_key.get_secret_value() if settings.anthropic_api_key else "none"
    url = (settings.anthropic_base_url or "https://api.anthropic.com").rstrip("/")
    hooks = {"request": [pass_on_trace]}
    async with DefaultAioHttpClient(timeout=timeout, limits=limits, event_hooks=hooks) as http:
        yield AnthropicProvider(http, url, key, settings.first_token_s, settings.next_token_s)


async def pass_on_trace(request: httpx.Request) -> None:
    """Let the trace go on at the provider, whichever lesson's code asks."""
    request.headers.update(tracing.passed_on({}))
