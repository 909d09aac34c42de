"""From a request that may be served to an answer: whom to ask, for how long, at whose cost."""

import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import anyio

from capstone.errors import ApiError, ProviderError, openai_error
from capstone.parts import auth, calls, production, streams
from capstone.schemas.chat import Asked
from capstone.services.providers import Provider, Providers
from capstone.services.providers.openai import Completion, Deltas
from capstone.settings import Settings

log = logging.getLogger(__name__)
DONE = b"data: [DONE]\n\n"


@dataclass
class ChatService:
    """Answers conversations."""

    settings: Settings
    providers: Providers
    quota: Any
    breakers: dict[str, Any] = field(default_factory=dict)

    async def complete(self, principal: Any, asked: Asked) -> bytes:
        """Return the whole answer, as it goes out."""
        estimate = asked.prompt_tokens + (asked.limit or self.settings.reserve_tokens)
        async with auth.spending(self.quota, principal, estimate) as bill:
            done: Completion = await self._ask(principal, asked, lambda provider, body: provider.complete(body))
            usage = done.usage
            bill.tokens = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
        return done.body

    async def stream(self, principal: Any, asked: Asked) -> "Answering":
        """Open an answer that streams. The caller has to iterate it, or to close it."""
        estimate = asked.prompt_tokens + (asked.limit or self.settings.reserve_tokens)
        stack = AsyncExitStack()
        try:
            bill = await stack.enter_async_context(auth.spending(self.quota, principal, estimate))
            asked.body["stream_options"] = {**(asked.body.get("stream_options") or {}), "include_usage": True}
            deltas = await self._ask(principal, asked, lambda provider, body: provider.stream(body))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await stack.aclose()
            raise
        stack.push_async_callback(deltas.close)
        return Answering(self.settings, asked, deltas, bill, stack)

    async def _ask(self, principal: Any, asked: Asked, call: Any) -> Any:
        chain = [
            (self._breaker(provider), lambda provider=provider, model=model: call(provider, asked.of(model)))
            for model, provider in self._route(principal, asked.model)
        ]
        return await calls.retry(
            lambda: production.first_answer(chain), retries=self.settings.retries, budget_s=self.settings.retry_budget_s
        )

    def _route(self, principal: Any, model: str) -> Sequence[tuple[str, Provider]]:
        names = [model, *self.settings.fallbacks.get(model, ())]
        return [(name, self.providers.of_model[name]) for name in names if name in self.providers.of_model]

    def _breaker(self, provider: Provider) -> Any:
        if provider.name not in self.breakers:
            self.breakers[provider.name] = production.Breaker(provider.name)
        return self.breakers[provider.name]


@dataclass
class Answering:
    """An answer on its way. Iterate `frames` once: when that is over, however it ends, all is settled."""

    settings: Settings
    asked: Asked
    deltas: Deltas
    bill: Any
    stack: AsyncExitStack

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the events, and last the end mark; an answer never just stops."""
        try:
            parts = streams.with_deadlines(
                self.deltas.frames, first_s=self.settings.first_token_s, next_s=self.settings.next_token_s
            )
            async for frame in streams.with_heartbeats(parts, every_s=self.settings.heartbeat_s):
                yield streams.encode(None) if frame is None else frame
        except (ProviderError, streams.UpstreamError) as error:
            log.warning("an answer broke off: %s", error)
            yield (
                b"data: "
                + json.dumps(openai_error(502, "The answer broke off.", code="stream_broken")).encode()
                + b"\n\n"
            )
        finally:
            usage = self.deltas.usage
            self.bill.tokens = (
                usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
                if usage
                else self.asked.prompt_tokens + self.deltas.pieces
            )
            with anyio.CancelScope(shield=True):
                await self.stack.aclose()
        yield DONE
