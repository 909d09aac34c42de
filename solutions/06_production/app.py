"""Lesson 06 - the night it goes wrong. `coach run 06` serves it beside a fake provider; its numbers are at /metrics."""

import asyncio
import logging
import math
import sys
import time
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import httpx2 as httpx
import redis.asyncio as redis
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import generate_latest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .telemetry import REQUEST_ID, Metrics, RequestContext, Served, configure_logging
from .upstream import Breaker, LLMError, ResponseCache, ask_provider, first_answer

log = logging.getLogger("service")


class Settings(BaseSettings):
    """What differs from one deployment to the next: from the environment, else from a file `.env`."""

    # TODO 06.1: six settings. No secret is ever shown, and what is missing is named before the first request.
    # >>> solution
    # An error shows its input otherwise, and the input is all the other keys.
    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)
    openai_api_key: SecretStr
    openai_base_url: str = "https://api.openai.com/v1"
    fallback_api_key: SecretStr | None = None
    fallback_base_url: str | None = None
    redis_url: SecretStr | None = None  # its password stands in it
    requests_per_minute: int = Field(default=60, ge=1)
    # --- stub
    # def __init__(self, **values: Any) -> None:
    #     raise NotImplementedError("TODO 06.1")
    # <<< solution


@dataclass(frozen=True)
class Verdict:
    """Given: what the limiter says about one request."""

    allowed: bool
    remaining: int  # how many more would be allowed now
    reset_s: float  # seconds until the oldest request that counts no longer does


# Given: counts a request in Redis, if it is allowed, in one step: nobody gets between these lines. It takes the limit,
# the window in seconds and a name that no other request has; it returns how many counted before, and the oldest's age.
COUNT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - ARGV[2])
local counted = redis.call('ZCARD', KEYS[1])
if counted < tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], now, ARGV[3])
    redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] * 1000))
end
return {counted, tostring(now - redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])}
"""


class RateLimiter:
    """Let each caller make at most `limit` requests in any `window_s` seconds.

    Args:
        redis_url: where all workers count together; empty to count in this process.
        limit: requests.
        window_s: seconds.
        patience_s: the longest that a request waits for Redis.
        rest_s: after Redis has failed, how long nobody asks it.
    """

    def __init__(
        self, redis_url: str = "", *, limit: int = 60, window_s: float = 60, patience_s: float = 1, rest_s: float = 5
    ) -> None:
        self.limit, self.window_s, self.patience_s, self.rest_s = limit, window_s, patience_s, rest_s
        self.hits: defaultdict[str, deque[float]] = defaultdict(deque)  # caller -> when, the oldest first
        # Whether Redis has failed, when it may be asked again, and when callers who have left may be forgotten.
        self.away, self.ask_at, self.sweep_at = False, 0.0, 0.0
        self.use(redis_url)

    def use(self, redis_url: str) -> None:
        """Given: from now on count in this Redis. Nothing is sent yet."""
        # One more try at once mends what a restart of Redis has cut; by default it is more, with waits between. A burst
        # waits for one of these connections; by default the 101st request at once is an error.
        options: Any = {"retry": Retry(NoBackoff(), 1), "max_connections": 20, "timeout": None}
        pool = redis.BlockingConnectionPool.from_url(redis_url, **options) if redis_url else None
        self.redis: Any = redis.Redis.from_pool(pool) if pool else None

    async def close(self) -> None:
        """Given: close the connections."""
        if self.redis:
            await self.redis.aclose()

    async def hit(self, caller: str) -> Verdict:
        """Count one request of a caller, if it is allowed; a refused one does not count."""
        # TODO 06.2: count it in Redis, where all workers do; without Redis, or while it is away, in this process.
        # >>> solution
        now = time.monotonic()
        if self.redis and now >= self.ask_at:
            if self.away:
                self.ask_at = now + self.rest_s  # one asks whether it is back, and nobody waits with it
            try:
                async with asyncio.timeout(self.patience_s):
                    asked = (f"limit:{caller}", self.limit, self.window_s, uuid.uuid4().hex)
                    counted, age_s = await self.redis.eval(COUNT, 1, *asked)
                self.away, self.ask_at = False, 0.0
                return Verdict(counted < self.limit, max(self.limit - counted - 1, 0), self.window_s - float(age_s))
            except (RedisError, OSError, TimeoutError) as error:
                if not self.away:
                    log.warning("rate limit: without Redis each process counts for itself (%s)", type(error).__name__)
                self.away, self.ask_at = True, time.monotonic() + self.rest_s
        if now >= self.sweep_at:  # once a window: an address or a key that came once is not kept for ever
            young = {one: at for one, at in self.hits.items() if at[-1] > now - self.window_s}
            self.hits, self.sweep_at = defaultdict(deque, young), now + self.window_s
        hits = self.hits[caller]
        while hits and hits[0] <= now - self.window_s:
            hits.popleft()
        if allowed := len(hits) < self.limit:
            hits.append(now)
        return Verdict(allowed, self.limit - len(hits), self.window_s - (now - hits[0]))
        # <<< solution


def error_response(status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Given: the one shape of an error: what it is, words for people, and the id to ask us about."""
    return JSONResponse({"error": error, "message": message, "request_id": REQUEST_ID.get()}, status, headers)


class RateLimit:
    """ASGI middleware: refuse what the limiter does not allow, and tell callers where they stand.

    Args:
        app: the application.
        limiter: asked once for each request of a caller whom we know.
        caller_of: who asks, by a key that was checked; None for one whom nobody knows, and whom the route will refuse.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, caller_of: Callable[[Scope], str | None]) -> None:
        self.app, self.limiter, self.caller_of = app, limiter, caller_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer 429."""
        # TODO 06.2: count a request for whom it is from, and never for what a caller can make up.
        # >>> solution
        caller = self.caller_of(scope) if scope["type"] == "http" else None
        if caller is None:
            return await self.app(scope, receive, send)
        verdict = await self.limiter.hit(caller)
        reset = str(max(math.ceil(verdict.reset_s), 1))
        told = {"x-ratelimit-limit": str(self.limiter.limit), "x-ratelimit-remaining": str(verdict.remaining)}
        told["x-ratelimit-reset"] = reset
        if not verdict.allowed:
            no = error_response(429, "rate_limited", f"Try again in {reset} s.", {**told, "retry-after": reset})
            return await no(scope, receive, send)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        return await self.app(scope, receive, send_on)
        # --- stub
        # await self.app(scope, receive, send)  # so that the service runs meanwhile
        # raise NotImplementedError("TODO 06.2")
        # <<< solution


# TODO 06.3: an answer for an LLMError and for what nobody expected; what callers must not see, the log must have.
# >>> solution
class CatchErrors:
    """ASGI middleware: what nobody expected is a 500. A handler for Exception would stand outside of all middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one request."""
        started = scope["type"] != "http"

        async def send_on(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except Exception:
            log.exception("unexpected error")
            if started:
                raise  # then the server cuts the connection, and nobody takes half an answer for a whole one
            await error_response(500, "internal_error", "Something went wrong here.")(scope, receive, send)


async def answer_llm_error(_: Request, error: Any) -> Response:
    """Say that the model gave no answer, and when to come back."""
    log.warning("no answer, status %s: %s", error.status, error)
    status = {None: 504, 429: 429, 503: 503, 529: 503}.get(error.status, 502)
    headers = {} if error.retry_after_s is None else {"retry-after": str(math.ceil(error.retry_after_s))}
    return error_response(status, "llm_error", "The model gave no answer.", headers)


def add_error_handlers(app: FastAPI) -> None:
    """Make an answer of whatever goes wrong in `app`."""
    app.add_exception_handler(LLMError, answer_llm_error)
    app.add_middleware(CatchErrors)


# --- stub
# def add_error_handlers(app: FastAPI) -> None:
#     """Make an answer of whatever goes wrong in `app`."""
#     raise NotImplementedError("TODO 06.3")
#
#
# <<< solution
CALLERS = {"key-of-ada": "ada", "key-of-bob": "bob"}  # Given: stands for lesson 08


def caller_of(scope: Scope) -> str | None:
    """Given: return who asks, by a key that we have issued."""
    scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
    return CALLERS.get(key.strip()) if scheme.lower() == "bearer" else None


def if_done(step: Callable[..., Any], *arguments: Any) -> Any:
    """Given: take a step of the start; one that is still to do is named in the log and left out."""
    try:
        return step(*arguments)
    except NotImplementedError as todo:
        log.warning("the service starts without %s", todo)
        return None


def create_app() -> FastAPI:
    """Given: the parts of this lesson put together."""
    limiter, metrics, cache = RateLimiter(), if_done(Metrics), ResponseCache()
    breakers = [Breaker("openai"), Breaker("fallback")]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        if_done(configure_logging, sys.stdout)
        if settings := if_done(Settings):
            limiter.limit = settings.requests_per_minute
            limiter.use(settings.redis_url.get_secret_value() if settings.redis_url else "")
        async with httpx.AsyncClient(timeout=httpx.Timeout(60, connect=3)) as http:
            yield {"http": http, "settings": settings}
        await limiter.close()

    def done(served: Served) -> None:
        if metrics:
            metrics.observe(served)
        log.info("request", extra={key: value for key, value in asdict(served).items() if key != "path"})

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(RateLimit, limiter=limiter, caller_of=caller_of)
    if_done(add_error_handlers, app)
    app.add_middleware(RequestContext, done=done)  # the last one is the first that a request meets

    @app.post("/chat")
    async def create_chat(body: dict[str, Any], request: Request, response: Response) -> Any:
        caller, given = caller_of(request.scope), request.state.settings
        if caller is None:
            raise HTTPException(401, "a key of ours, please", {"WWW-Authenticate": "Bearer"})
        places = [(given.openai_base_url, given.openai_api_key), (given.fallback_base_url, given.fallback_api_key)]

        async def ask(name: str, url: str, key: SecretStr) -> Any:
            try:
                return await ask_provider(request.state.http, url, key, body)
            except LLMError as error:
                if metrics:
                    metrics.count_error(name, error)
                raise

        pairs = [
            (one, partial(ask, one.name, *place)) for one, place in zip(breakers, places, strict=True) if all(place)
        ]
        answer, before = await cache.answer(caller, body, partial(first_answer, pairs))
        response.headers["x-cache"] = "hit" if before else "miss"
        if metrics and not before:
            used = answer["usage"]
            metrics.count_usage(answer["model"], used["prompt_tokens"], used["completion_tokens"])
        return answer

    @app.get("/slow")
    async def read_slowly() -> StreamingResponse:
        async def numbers() -> AsyncIterator[str]:
            for n in range(10):
                yield f"{n}\n"
                await asyncio.sleep(0.5)

        return StreamingResponse(numbers())

    @app.get("/metrics")
    async def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry) if metrics else b"", media_type="text/plain; version=0.0.4")

    return app


app = create_app()
