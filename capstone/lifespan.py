"""What the service holds open while it runs: lesson 01 opens it in this order, and closes it in reverse."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TextIO

from fastapi import FastAPI
from starlette.types import Lifespan

from capstone import startup
from capstone.logs import configure_logs
from capstone.parts import basics, deployment, production
from capstone.services.access import Access, secret_of
from capstone.services.chat import ChatService
from capstone.services.metering import PRICES, Meter
from capstone.services.providers import Providers, open_providers
from capstone.services.quota import DailyQuota
from capstone.services.usage import UsageQueue, open_usage
from capstone.services.work import Work, open_work
from capstone.settings import Settings
from capstone.store import Store, open_store


class Service:
    """All that lives as long as the process. What the lifespan opens has no value before."""

    providers: Providers
    store: Store
    usage: UsageQueue
    access: Access
    chat: ChatService

    def __init__(self, settings: Settings, log_to: TextIO) -> None:
        startup.check(settings)
        self.settings, self.log_to = settings, log_to
        self.metrics = production.Metrics()
        self.limiter = production.RateLimiter(
            settings.redis_url.get_secret_value() if settings.redis_url else "", limit=settings.requests_per_minute
        )
        self.drain = deployment.Drain(notice_s=settings.drain_notice_s, deadline_s=settings.drain_deadline_s)
        parts = [deployment.Part("database", self._ask_database)]
        if settings.redis_url:
            parts.append(deployment.Part("redis", self._ask_redis, "helpful"))
        self.readiness = deployment.Readiness(parts)

    def lifespan(self) -> Lifespan[FastAPI]:
        """Make the lifespan; `request.state` has each of these by its name."""
        return basics.open_all(
            service=self._open_logs,
            store=self._open_store,
            usage=self._open_usage,
            access=self._open_access,
            providers=self._open_providers,
            chat=self._open_chat,
            work=self._open_work,
            ending=self._open_ending,
        )

    @asynccontextmanager
    async def _open_logs(self) -> AsyncIterator["Service"]:
        configure_logs(self.settings, self.log_to)
        PRICES.update(self.settings.prices)
        yield self
        await self.limiter.close()

    @asynccontextmanager
    async def _open_store(self) -> AsyncIterator[Store]:
        async with open_store(self.settings) as self.store:
            yield self.store

    @asynccontextmanager
    async def _open_usage(self) -> AsyncIterator[UsageQueue]:
        async with open_usage(self.store.usage) as self.usage:
            yield self.usage

    @asynccontextmanager
    async def _open_access(self) -> AsyncIterator[Access]:
        secret = await asyncio.to_thread(secret_of, self.settings)
        self.access = Access(self.settings, self.store.keys, self.store.users, secret)
        yield self.access

    @asynccontextmanager
    async def _open_providers(self) -> AsyncIterator[Providers]:
        async with open_providers(self.settings) as self.providers:
            yield self.providers

    @asynccontextmanager
    async def _open_chat(self) -> AsyncIterator[ChatService]:
        cache = production.ResponseCache(ttl_s=self.settings.cache_s) if self.settings.cache_s else None
        quota, meter = DailyQuota(self.store.usage), Meter(self.metrics, self.usage)
        self.chat = ChatService(self.settings, self.providers, quota, meter, cache)
        yield self.chat

    @asynccontextmanager
    async def _open_work(self) -> AsyncIterator[Work]:
        async with open_work(self.settings, self.store, self.chat) as work:
            yield work

    @asynccontextmanager
    async def _open_ending(self) -> AsyncIterator[None]:
        """Begin to serve, and let SIGTERM begin lesson 07's end of a process instead of the server's own."""
        startup.announce(self.settings, self.providers)
        with little_garbage(), draining(self.drain):
            yield

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


@contextmanager
def draining(drain: Any) -> Iterator[None]:
    """While this is open, SIGTERM starts the drain; the server's own handler is called when the drain says so."""
    loop = asyncio.get_running_loop()
    try:
        before = signal.getsignal(signal.SIGTERM)
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
    except (ValueError, RuntimeError, NotImplementedError):  # not the main thread, or no such signals
        yield
        return
    ends: list[asyncio.Task[None]] = []

    def leave() -> None:
        if callable(before):
            before(signal.SIGTERM, None)
        else:
            os.kill(os.getpid(), signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, lambda: ends or ends.append(loop.create_task(drain.stop(leave))))
    try:
        yield
    finally:
        for end in ends:
            end.cancel()
        loop.remove_signal_handler(signal.SIGTERM)
