"""The Redis that all instances share, asked briefly and left alone while it is away.

A request waits for it once, for `patience_s`, at the moment of the outage; from then on nobody asks it but a task that
looks whether it is back. What happens meanwhile is each user's own: `quota`, `cache` and `access` say it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis.asyncio as redis
from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from capstone.settings import Settings
from capstone.startup import UnsafeSettings

log = logging.getLogger("capstone.redis")
T = TypeVar("T")
FAILURES = (RedisError, OSError, TimeoutError)
MOST = 200  # scripts that are sent together


class RedisAway(Exception):
    """Redis does not answer. If it was `asked`, it may have done it or be about to; else it did not a moment ago."""

    def __init__(self, *, asked: bool) -> None:
        super().__init__()
        self.asked = asked


@dataclass
class Call:
    """A script that somebody waits for."""

    script: Any  # redis.commands.core.AsyncScript
    keys: Sequence[str]
    args: Sequence[Any]
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def end(self, answer: Any) -> None:
        """Give whoever still waits the answer."""
        if not self.answer.done():
            if isinstance(answer, Exception):
                self.answer.set_exception(answer)
            else:
                self.answer.set_result(answer)


@dataclass
class Shared:
    """One Redis, asked through `ask` and `run`."""

    client: Any  # redis.asyncio.Redis
    registry: CollectorRegistry
    patience_s: float = 1.0
    pulse_s: float = 1.0  # between two looks whether it is back
    back: list[Callable[[], Awaitable[None]]] = field(default_factory=list[Callable[[], Awaitable[None]]])
    """What is done once it is back."""
    away_since: float = 0.0
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _calls: list[Call] = field(default_factory=list[Call])
    sender: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        """Say in the metrics how it is."""
        gauge = Gauge("redis_away", "Whether Redis does not answer this process", registry=self.registry)
        gauge.set_function(lambda: float(self.is_away))
        self._missed = Counter("redis_missed_total", "Calls of Redis that were done without it", registry=self.registry)

    @property
    def is_away(self) -> bool:
        """Whether nobody asks it at the moment."""
        return bool(self.away_since)

    async def ask(self, work: Callable[[], Awaitable[T]], *, anyway: bool = False) -> T:
        """Return what `work()` returns, which asks Redis. `anyway`: also while it is away, which `back` may.

        Raises:
            RedisAway: there is no answer, and `work` may have been done or not.
        """
        if anyway or not self.is_away:
            try:
                async with asyncio.timeout(self.patience_s):
                    return await work()
            except FAILURES as error:
                self._missed.inc()
                self.leave(error)
                raise RedisAway(asked=True) from error
        self._missed.inc()
        raise RedisAway(asked=False)

    async def run(self, script: Any, keys: Sequence[str], args: Sequence[Any], *, anyway: bool = False) -> Any:
        """Return what a script returns, which may be run twice where an answer got lost; else as `ask`.

        All that are wanted at a moment go out together: a command by itself costs its way through the client and the
        kernel, which is most of its price.
        """
        if self.is_away and not anyway:
            self._missed.inc()
            raise RedisAway(asked=False)
        call = Call(script, keys, args)
        self._calls.append(call)
        if self.sender is None:
            self.sender = asyncio.create_task(self._send(), name="redis scripts")
        return await call.answer

    async def _send(self) -> None:
        """Send what waits, a batch at a time, until nothing does."""
        try:
            while self._calls:
                calls, self._calls = self._calls[:MOST], self._calls[MOST:]
                answers = await self._answers(calls)
                for call, answer in zip(calls, answers, strict=True):
                    call.end(answer)
                if isinstance(answers[-1], RedisAway):  # who has come meanwhile need not wait as long
                    for call in self._calls:
                        call.end(RedisAway(asked=False))
                    self._calls = []
        finally:
            self.sender = None

    async def _answers(self, calls: Sequence[Call]) -> list[Any]:
        """Return for each call what the script returns, or what is to be raised."""
        try:
            async with asyncio.timeout(self.patience_s), self.client.pipeline(transaction=False) as pipeline:
                for call in calls:
                    pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
                answers = await pipeline.execute(raise_on_error=False)
                for n, answer in enumerate(answers):
                    if isinstance(answer, NoScriptError):  # a server that has just been started
                        answers[n] = await calls[n].script(keys=calls[n].keys, args=calls[n].args)
                    elif isinstance(answer, Exception):
                        raise answer
        except FAILURES as error:
            self._missed.inc(len(calls))
            self.leave(error)
            return [RedisAway(asked=True) for _ in calls]
        except BaseException:  # whoever is cancelled in here leaves nobody waiting
            for call in [*calls, *self._calls]:
                call.end(RedisAway(asked=True))
            raise
        return answers

    def leave(self, error: BaseException) -> None:
        """Ask it no more until it is back."""
        if not self.is_away:
            self.away_since = time.monotonic()
            self._left.set()
            log.warning("Redis is away (%s): this instance goes on by itself", type(error).__name__)

    async def _look(self) -> None:
        await self.client.set("look", 1, px=1)  # a ping is answered also by one that takes nothing more

    async def watch(self) -> None:
        """Look whether it is there, once; and whether it is back, whenever it is away; until cancelled."""
        with suppress(RedisAway):
            await self.ask(self._look)
        while True:
            await self._left.wait()
            await asyncio.sleep(self.pulse_s)
            try:
                async with asyncio.timeout(self.patience_s):
                    await self._look()
            except FAILURES:
                continue
            try:
                for work in self.back:
                    await work()
            except RedisAway:
                continue
            except Exception:
                log.exception("not made up for after Redis was away")
            seconds, self.away_since = time.monotonic() - self.away_since, 0.0
            self._left.clear()
            log.warning("Redis is back after %.1f s", seconds)


@asynccontextmanager
async def open_shared(url: str, registry: CollectorRegistry) -> AsyncIterator[Shared]:
    """Hold the connections to Redis open. It need not be there yet."""
    shared = Shared(client_of(url), registry)
    watching = asyncio.create_task(shared.watch(), name="redis watch")
    try:
        yield shared
    finally:
        for task in filter(None, (watching, shared.sender)):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await shared.client.aclose()


def client_of(url: str) -> Any:
    """Return a client of this Redis, which is asked for nothing yet."""
    # One more try at once mends what a restart of Redis has cut. A burst waits for one of these connections; by default
    # the one that is too many is an error.
    options: Any = {"retry": Retry(NoBackoff(), 1), "max_connections": 50, "timeout": None}
    return redis.Redis.from_pool(redis.BlockingConnectionPool.from_url(url, decode_responses=True, **options))


def redis_url_of(settings: Settings) -> str:
    """Return where Redis is, "" if there is none.

    Raises:
        UnsafeSettings: it is no address.
    """
    if settings.redis_url is None:
        return ""
    url = settings.redis_url.get_secret_value()
    try:
        redis.ConnectionPool.from_url(url)
    except ValueError as error:  # the text may quote what stands for a port, and so a password
        raise UnsafeSettings(
            "CAPSTONE_REDIS_URL is no address. Write redis://user:password@host:6379/0, rediss:// or unix://, "
            "with what is special in a password written as in any URL: %40 for @."
        ) from error
    return url
