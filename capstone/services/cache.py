"""Answers that all instances keep together: what one has paid for, the others need not."""

import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from capstone.services.shared import RedisAway, Shared

LARGEST = 256 * 1024  # characters; Redis has to have room for limits and quotas too


@dataclass
class SharedCache:
    """Lesson 06's ResponseCache, over Redis. While Redis is away, that one itself, in this process."""

    shared: Shared
    alone: Any  # lesson 06's
    ttl_s: float

    async def answer(self, caller: str, body: Mapping[str, Any], ask: Callable[[], Awaitable[str]]) -> tuple[str, bool]:
        """Return the answer to `body`, and whether it is one from before: the same caller's, to the same request."""
        if body.get("stream") or body.get("temperature") != 0:
            return await ask(), False
        asked = hashlib.sha256(json.dumps([caller, body], sort_keys=True).encode()).hexdigest()
        key, client = f"answer:{asked}", self.shared.client
        try:
            kept = await self.shared.ask(lambda: client.get(key))
        except RedisAway:
            return await self.alone.answer(caller, body, ask)
        if kept is not None:
            return kept, True
        said = await ask()
        if len(said) <= LARGEST:
            with suppress(RedisAway):
                await self.shared.ask(lambda: client.set(key, said, px=math.ceil(self.ttl_s * 1000)))
        return said, False
