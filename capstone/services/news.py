"""What instances tell each other through Redis: which key has ended."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from capstone.services.shared import FAILURES, RedisAway, Shared

log = logging.getLogger("capstone.access")
CHANNEL = "keys"


@dataclass
class KeyNews:
    """Tells all instances to read a key anew, and hears it from them.

    Args:
        shared: the Redis.
        url: the same once more: whoever listens has a connection to nothing else.
        forget: reads a key anew when it is shown next.
        forget_all: the same for every key.
        pulse_s: after as many seconds of silence it is asked whether anybody is there.
    """

    shared: Shared
    url: str
    forget: Callable[[str], None]
    forget_all: Callable[[], None]
    pulse_s: float = 1.0

    async def tell(self, key_id: str) -> None:
        """Let all instances read a key anew. While Redis is away they do so when what they know gets old."""
        with suppress(RedisAway):
            await self.shared.ask(lambda: self.shared.client.publish(CHANNEL, key_id))

    async def listen(self) -> None:
        """Hear what others tell, until cancelled."""
        # By default it tries again by itself, with waits that grow to ten seconds.
        options: Any = {"retry": Retry(NoBackoff(), 0), "socket_timeout": self.pulse_s}
        options |= {"socket_connect_timeout": self.pulse_s, "decode_responses": True}
        client = redis.Redis.from_url(self.url, **options)
        try:
            while True:
                try:
                    await self._hear(client)
                except FAILURES as error:
                    log.info("nobody says which keys end: %r", error)
                except Exception:
                    log.exception("not heard which keys end")
                await asyncio.sleep(self.pulse_s)
        finally:
            await client.aclose()

    async def _hear(self, client: Any) -> None:
        asked = False
        async with client.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            while True:
                said = await channel.get_message(timeout=self.pulse_s)
                if said is None:
                    if asked:  # a server that is frozen, or a way to it that is gone, breaks no connection
                        raise TimeoutError
                    asked = True
                    await channel.ping()
                    continue
                asked = False
                if said["type"] == "subscribe":
                    log.info("heard which keys end")
                    self.forget_all()  # what was told while nobody listened is known to nobody
                elif said["type"] == "message":
                    self.forget(said["data"])


@asynccontextmanager
async def open_news(news: KeyNews) -> AsyncIterator[KeyNews]:
    """Listen while this is open."""
    listening = asyncio.create_task(news.listen(), name="key news")
    try:
        yield news
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
