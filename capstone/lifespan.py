"""What the service holds open while it runs. Lesson 09 says in which order; each method here opens one thing."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TextIO

from prometheus_client import Gauge

from capstone.console import for_whoever_reads
from capstone.logs import configure_logs
from capstone.parts import PARTS, deployment, production
from capstone.services import tracing
from capstone.services.access import Access, secret_of
from capstone.services.broker import check_broker
from capstone.services.cache import SharedCache
from capstone.services.chat import ChatService
from capstone.services.metering import PRICES, Meter
from capstone.services.news import KeyNews, open_news
from capstone.services.providers import Providers, open_providers
from capstone.services.quota import DailyQuota, Quota
from capstone.services.quota_shared import open_quota
from capstone.services.shared import Shared, open_shared, redis_url_of
from capstone.services.usage import UsageQueue, open_usage
from capstone.services.work import Work, open_work
from capstone.settings import Settings
from capstone.startup import CannotStart, make_folder, misspelled
from capstone.store import Store, open_store
from capstone.store.outage import UnusableDatabase
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
        self.settings, self.parts = settings, parts
        self.log_to = for_whoever_reads(log_to, settings)
        self.metrics = production.Metrics()
        check_broker(settings)
        self.redis_url = redis_url_of(settings)
        self.shared: Shared | None = None  # where instances meet
        self.limiter = production.RateLimiter(self.redis_url, limit=settings.requests_per_minute)
        self.drain = deployment.Drain(notice_s=settings.drain_notice_s, deadline_s=settings.drain_deadline_s)
        # One that all instances share makes none of them better than another: turned away by all, even those would be
        # whose answers need no database.
        needed = [deployment.Part("database", self._ask_database, "helpful" if settings.database_url else "needed")]
        if settings.redis_url:
            needed.append(deployment.Part("redis", self._ask_redis, "helpful"))
        self.readiness = deployment.Readiness(needed)

    @asynccontextmanager
    async def open_logs(self) -> AsyncIterator["Service"]:
        """Send the log where it belongs; the limiter is closed with it."""
        configure_logs(self.settings, self.log_to)
        if collector := tracing.where():
            log.info("traces go to %s", collector)
        for sentence in misspelled():
            log.warning("%s", sentence)
        PRICES.update(self.settings.prices)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.limiter.close)
            if self.redis_url:
                self.shared = await stack.enter_async_context(open_shared(self.redis_url, self.metrics.registry))
            yield self

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        """Open the database."""
        make_folder(self.settings.data)
        async with AsyncExitStack() as stack:
            try:
                self.store = await stack.enter_async_context(open_store(self.settings))
            except UnusableDatabase as error:
                raise CannotStart(str(error)) from None
            self._tell("database_away", "Whether the database server does not answer", lambda: self.store.is_away)
            yield self.store

    @asynccontextmanager
    async def open_usage(self) -> AsyncIterator[UsageQueue]:
        """Open the queue of usage records; needs the store."""
        async with open_usage(self.store.usage) as self.usage:
            self._tell("usage_waiting", "Usage records that are not written yet", lambda: len(self.usage))
            self._tell("usage_dropped", "Usage records that are lost", lambda: self.usage.dropped)
            yield self.usage

    @asynccontextmanager
    async def open_access(self) -> AsyncIterator[Access]:
        """Make what checks keys and tokens; needs the store."""
        secret = await asyncio.to_thread(secret_of, self.settings)
        self.access = Access(self.settings, self.store.keys, self.store.users, secret, self.redis_url)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.access.tries.close)
            if self.shared:
                keys = self.access.store
                news = KeyNews(self.shared, self.redis_url, keys.forget, keys.forget_all)
                keys.tell = news.tell
                await stack.enter_async_context(open_news(news))
            yield self.access

    @asynccontextmanager
    async def open_providers(self) -> AsyncIterator[Providers]:
        """Open the one client to all providers."""
        async with open_providers(self.settings) as self.providers:
            yield self.providers

    @asynccontextmanager
    async def open_chat(self) -> AsyncIterator[ChatService]:
        """Make what answers chats; needs the store, the usage queue and the providers."""
        cache: Any = production.ResponseCache(ttl_s=self.settings.cache_s) if self.settings.cache_s else None
        async with AsyncExitStack() as stack:
            quota: Quota = DailyQuota(self.store.usage)
            if self.shared:
                quota = await stack.enter_async_context(open_quota(self.shared, quota))
                cache = cache and SharedCache(self.shared, cache, self.settings.cache_s)
            self.chat = ChatService(self.settings, self.providers, quota, Meter(self.metrics, self.usage), cache)
            yield self.chat

    @asynccontextmanager
    async def open_work(self) -> AsyncIterator[Work]:
        """Begin to work on documents and jobs; needs the store and the chat."""
        async with open_work(self.settings, self.store, self.chat) as work:
            yield work

    def _tell(self, name: str, words: str, number: Callable[[], float]) -> None:
        """Have a number among the metrics."""
        Gauge(name, words, registry=self.metrics.registry).set_function(number)

    async def _ask_database(self) -> None:
        await self.store.usage.tokens_of("nobody")

    async def _ask_redis(self) -> None:
        if self.shared:
            await self.shared.client.ping()


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
