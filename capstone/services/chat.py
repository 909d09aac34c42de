"""From a request that may be served to an answer: whom to ask, how patiently, at whose cost."""

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from fastapi import HTTPException
from pydantic_core import to_json

from capstone.errors import ApiError, ProviderError, openai_error
from capstone.parts import auth, calls, production, streams
from capstone.schemas.chat import Asked
from capstone.services import tracing
from capstone.services.access import may_ask
from capstone.services.metering import Meter, Used
from capstone.services.providers import Completion, Deltas, Provider, Providers
from capstone.services.quota import Quota
from capstone.settings import Settings
from capstone.store.usage import DAY_S

log = logging.getLogger("capstone.chat")
T = TypeVar("T")
Call = Callable[[Provider, Mapping[str, Any]], Awaitable[T]]
DONE = b"data: [DONE]\n\n"
REFUSALS = {  # what a caller may learn of a provider's no, in our words
    "refused_by_provider": "The provider refused this request.",
    "context_length_exceeded": "The conversation is longer than this model can read.",
    "content_filter": "The provider does not answer this.",
    "content_policy_violation": "The provider does not answer this.",
}


class NoMoreRetries(Exception):
    """The service as a whole has tried often enough; `last` is what the provider said."""

    def __init__(self, last: Any) -> None:
        super().__init__(str(last))
        self.last = last


@dataclass
class RetryBudget:
    """One retry for every five requests, and a few besides: retries must not be what keeps a provider down."""

    share: float = 0.2
    most: float = 20.0
    left: float = 20.0

    def earn(self) -> None:
        """Count a request."""
        self.left = min(self.left + self.share, self.most)

    def take(self) -> bool:
        """Say whether one more retry may be made, and count it."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass
class ChatService:
    """Answers conversations, and turns texts into vectors."""

    settings: Settings
    providers: Providers
    quota: Quota
    meter: Meter
    cache: Any = None  # lesson 06's ResponseCache
    budget: RetryBudget = field(default_factory=RetryBudget)
    breakers: dict[str, Any] = field(default_factory=dict[str, Any])

    async def complete(self, principal: Any, asked: Asked, kind: str = "chat") -> bytes:
        """Return the whole answer, as it goes out."""
        if self.cache is None or asked.streams:
            return await self._complete(principal, asked, kind)

        async def ask() -> str:
            return (await self._complete(principal, asked, kind)).decode()

        said, _ = await self.cache.answer(principal.id, asked.body, ask)
        return said.encode()

    async def _complete(self, principal: Any, asked: Asked, kind: str) -> bytes:
        used = Used(principal.tenant, principal.id, kind, asked.model)
        estimate = asked.prompt_tokens + (asked.limit or self.settings.reserve_tokens)
        async with self._paying(principal, used, asked, estimate):
            answer = await self._ask(principal, asked, used, _complete)
            used.read(answer.usage, prompt=asked.prompt_tokens, pieces=len(answer.body) // 8)
            used.outcome, used.said = "done", answer.said
        return answer.body

    async def embed(self, principal: Any, asked: Asked) -> bytes:
        """Return the vectors, as they go out."""
        used = Used(principal.tenant, principal.id, "embedding", asked.model)
        async with self._paying(principal, used, asked, asked.prompt_tokens):
            answer = await self._ask(principal, asked, used, _embed)
            used.read(answer.usage, prompt=asked.prompt_tokens, pieces=0)
            used.outcome, used.said = "done", answer.said
        return answer.body

    async def stream(self, principal: Any, asked: Asked, kind: str = "chat") -> "Answering":
        """Open an answer that streams: its provider has said yes. Whoever gets it has to close it."""
        used = Used(principal.tenant, principal.id, kind, asked.model)
        options = asked.body.get("stream_options") or {}
        asked.body["stream_options"] = {**options, "include_usage": True}  # we want to know, whoever asks
        stack = AsyncExitStack()
        try:
            estimate = asked.prompt_tokens + (asked.limit or self.settings.reserve_tokens)
            await stack.enter_async_context(self._paying(principal, used, asked, estimate))
            deltas = await self._ask(principal, asked, used, _stream)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await stack.__aexit__(type(error), error, error.__traceback__)
            raise
        deltas.tells_usage = asked.wants_usage
        stack.push_async_callback(deltas.close)
        return Answering(asked, used, deltas, stack)

    def _paying(self, principal: Any, used: Used, asked: Asked, estimate: int) -> "Paying":
        return Paying(auth.spending(self.quota.for_call(), principal, estimate), used, asked, self.meter)

    async def _ask(self, principal: Any, asked: Asked, used: Used, call: Call[T]) -> T:
        """Ask the model, then those that stand in for it; and all of them again, while that may help."""
        last: Any = None

        def asking(model: str, provider: Provider) -> Callable[[], Awaitable[T]]:
            async def work() -> T:
                tracing.ask(provider)
                try:
                    answer = await call(provider, asked.of(model))
                except ProviderError as error:
                    self.meter.failed(provider.name, error)
                    raise
                used.model, used.provider = model, provider.name
                return answer

            return work

        chain = [(self._breaker(provider), asking(name, provider)) for name, provider in self._route(principal, asked)]
        self.budget.earn()

        async def attempt() -> T:
            nonlocal last
            if last is not None and not self.budget.take():
                raise NoMoreRetries(last)
            try:
                return await production.first_answer(chain)
            except calls.LLMError as error:
                last = error
                raise
            except production.LLMError as error:  # a breaker's own, which lesson 03's retry does not know
                last = ProviderError(str(error), error.status, error.retry_after_s)  # type: ignore[attr-defined]
                raise last from error

        try:
            return await calls.retry(attempt, retries=self.settings.retries, budget_s=self.settings.retry_budget_s)
        except NoMoreRetries as error:
            raise error.last from None
        except ProviderError as error:
            if error.status in (400, 413, 422):  # type: ignore[attr-defined]
                log.info("a request was refused: %s", error)
                code = error.code if error.code in REFUSALS else "refused_by_provider"
                raise ApiError(400, REFUSALS[code], code=code) from error
            raise

    def _route(self, principal: Any, asked: Asked) -> list[tuple[str, Provider]]:
        """Return who may be asked, in order: what is asked is what must be allowed, not what was named first."""
        if not may_ask(principal, asked.model):
            raise ApiError(403, "This key may not ask this model.", code="model_not_allowed", param="model")
        route: list[tuple[str, Provider]] = []
        for name in (asked.model, *self.settings.fallbacks.get(asked.model, ())):
            provider = self.providers.of_model.get(name)
            if provider is None or not may_ask(principal, name):
                continue
            if lacks := provider.lacks(asked.body):
                if name == asked.model:
                    raise ApiError(400, f"This model is not asked with `{lacks}` here.", param=lacks)
                continue
            route.append((name, provider))
        if not route:
            raise ApiError(
                404, "There is no such model; GET /v1/models lists them.", code="model_not_found", param="model"
            )
        return route

    def _breaker(self, provider: Provider) -> Any:
        if provider.name not in self.breakers:
            self.breakers[provider.name] = production.Breaker(provider.name)
        return self.breakers[provider.name]


async def _complete(provider: Provider, body: Mapping[str, Any]) -> Completion:
    return await provider.complete(body)


async def _embed(provider: Provider, body: Mapping[str, Any]) -> Completion:
    return await provider.embed(body)


async def _stream(provider: Provider, body: Mapping[str, Any]) -> Deltas:
    return await provider.stream(body)


@dataclass(slots=True)
class Paying:
    """Lesson 08's reservation, and our own record of the call: both settled however it ends."""

    reservation: Any
    used: Used
    asked: Asked
    meter: Meter
    bill: Any = None
    span: Any = None

    async def __aenter__(self) -> None:
        try:
            self.bill = await self.reservation.__aenter__()
        except HTTPException as error:  # lesson 08's: there is not enough left
            wait = str(int(DAY_S - time.time() % DAY_S) + 1)
            words = "The tokens that this key has left for today (UTC) are not enough for this request."
            raise ApiError(error.status_code, words, code="insufficient_quota", headers={"Retry-After": wait}) from None
        self.span = self.meter.start(self.used, self.asked.body)

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> Any:
        if kind is not None:
            if issubclass(kind, Exception):
                self.used.trouble = tracing.kind_of(error)
            else:
                self.used.outcome = "left"
        self.bill.tokens = self.used.tokens
        self.meter.end(self.used, self.span)
        return await self.reservation.__aexit__(kind, error, trace)


class Answering:
    """An answer on its way: iterate it once, and close it, whether or not it was iterated. Then all is settled."""

    def __init__(self, asked: Asked, used: Used, deltas: Deltas, stack: AsyncExitStack) -> None:
        self.asked, self.used, self.deltas, self.stack = asked, used, deltas, stack
        self._events = self._all()
        used.outcome = "left"  # until we know better

    def frames(self) -> "Answering":
        """Return its events as bytes."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._events

    async def _all(self) -> AsyncGenerator[bytes]:
        """Yield the events, and last the end mark; an answer never just stops."""
        try:
            async for frame in self.deltas.frames:  # the first one, for the trace: no other is looked at
                self.used.first_s = time.time() - self.used.at
                yield frame
                break
            async for frame in self.deltas.frames:
                yield frame
            self.used.outcome = "done"
        except (ProviderError, streams.UpstreamError) as error:
            self.used.outcome, self.used.trouble = "failed", tracing.kind_of(error)
            log.warning("an answer broke off: %s", error)
            broken = openai_error(502, "The answer broke off.", code="stream_broken")
            yield b"data: " + to_json(broken) + b"\n\n"
        yield DONE

    async def aclose(self) -> None:
        """Leave, and settle what it cost."""
        with anyio.CancelScope(shield=True):
            await self._events.aclose()
            self.used.read(self.deltas.usage, prompt=self.asked.prompt_tokens, pieces=self.deltas.pieces)
            self.used.said = self.deltas.said
            await self.stack.aclose()
