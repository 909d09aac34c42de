"""What the service holds open while it runs. Lesson 09 says in which order; each method here opens one thing."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TextIO

from capstone.logs import configure_logs
from capstone.parts import PARTS, deployment, production
from capstone.services import tracing
from capstone.services.access import Access, secret_of
from capstone.services.chat import ChatService
from capstone.services.metering import PRICES, Meter
from capstone.services.providers import Providers, open_providers
from capstone.services.quota import DailyQuota
from capstone.services.usage import UsageQueue, open_usage
from capstone.services.work import Work, open_work
from capstone.settings import Settings
from capstone.store import Store, open_store
from coach.parts import Part

log = logging.getLogger("capstone")


class Service:
    """All that lives as long as the process. What the lifespan opens has no value before."""

    providers: Providers
    store: Store
    usage: UsageQueue
    access: Access
    chat: ChatService

    def __init__(self, settings: Settings, log_to: TextIO, parts: Sequence[Part] = PARTS) -> None:
        self.settings, self.log_to, self.parts = settings, log_to, parts
        self.metrics = production.Metrics()
        self.limiter = production.RateLimiter(
            settings.redis_url.get_secret_value() if settings.redis_url else "", limit=settings.requests_per_minute
        )
        self.drain = deployment.Drain(notice_s=settings.drain_notice_s, deadline_s=settings.drain_deadline_s)
        needed = [deployment.Part("database", self._ask_database)]
        if settings.redis_url:
            needed.append(deployment.Part("redis", self._ask_redis, "helpful"))
        self.readiness = deployment.Readiness(needed)

    @asynccontextmanager
    async def open_logs(self) -> AsyncIterator["Service"]:
        """Send the log where it belongs; the limiter is closed with it."""
        configure_logs(self.settings, self.log_to)
        if collector := tracing.where():
            log.info("traces go to %s", collector)
        PRICES.update(self.settings.prices)
        try:
            yield self
        finally:
            await self.limiter.close()

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        """Open the database."""
        async with open_store(self.settings) as self.store:
            yield self.store

    @asynccontextmanager
    async def open_usage(self) -> AsyncIterator[UsageQueue]:
        """Open the queue of usage records; needs the store."""
        async with open_usage(self.store.usage) as self.usage:
            yield self.usage

    @asynccontextmanager
    async def open_access(self) -> AsyncIterator[Access]:
        """Make what checks keys and tokens; needs the store."""
        secret = await asyncio.to_thread(secret_of, self.settings)
        self.access = Access(self.settings, self.store.keys, self.store.users, secret)
        yield self.access

    @asynccontextmanager
    async def open_providers(self) -> AsyncIterator[Providers]:
        """Open the one client to all providers."""
        async with open_providers(self.settings) as self.providers:
            yield self.providers

    @asynccontextmanager
    async def open_chat(self) -> AsyncIterator[ChatService]:
        """Make what answers chats; needs the store, the usage queue and the providers."""
        cache = production.ResponseCache(ttl_s=self.settings.cache_s) if self.settings.cache_s else None
        quota, meter = DailyQuota(self.store.usage), Meter(self.metrics, self.usage)
        self.chat = ChatService(self.settings, self.providers, quota, meter, cache)
        yield self.chat

    @asynccontextmanager
    async def open_work(self) -> AsyncIterator[Work]:
        """Begin to work on documents and jobs; needs the store and the chat."""
        async with open_work(self.settings, self.store, self.chat) as work:
            yield work

    async def _ask_database(self) -> None:
        await self.store.usage.tokens_of("nobody")

    async def _ask_redis(self) -> None:
        await self.limiter.redis.ping()


@contextmanager
def little_garbage() -> Iterator[None]:
    """Keep what the start has made out of the garbage collector's sight, and let it look less often.

    It would go through hundreds of thousands of objects of imported modules every few hundred requests and find
    nothing: a fifth of what a request costs. What a request leaves behind is found as before.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
