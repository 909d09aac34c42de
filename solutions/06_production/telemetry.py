"""Lesson 06, what we see: an id for each request, log lines that say no more than they may, numbers that stay few."""

import logging
import math
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .upstream import LLMError

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="-")  # Given: of the request that this code works for


@dataclass(frozen=True)
class Served:
    """Given: what is known of a request when it is over."""

    method: str
    path: str  # as it was asked for
    route: str | None  # as the service declares it, "/jobs/{id}"; None if no route took it
    status: int
    duration_s: float  # to the last byte
    complete: bool  # whether there was a last byte


def route_of(scope: Scope) -> str | None:
    """Given: return the route that took a request, "/jobs/{id}"; it is known once the application has run."""
    return getattr(scope.get("route"), "path", None)


class RequestContext:
    """ASGI middleware: give each request its id, and tell how it went.

    Args:
        app: the application.
        done: called once for each request, with its last byte, or when there will be none.
    """

    def __init__(self, app: ASGIApp, done: Callable[[Served], None]) -> None:
        self.app, self.done = app, done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one request, with its id in REQUEST_ID."""
        # TODO 06.4: an id that can be trusted; the time to the last byte; every message as it comes.
        # >>> solution
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", asked) else uuid.uuid4().hex
        token, started, status, told = REQUEST_ID.set(request_id), time.perf_counter(), 500, False

        def tell(complete: bool) -> None:
            nonlocal told
            if not told:
                told = True
                seconds = time.perf_counter() - started  # time.time() is set by others, now and then
                self.done(Served(scope["method"], scope["path"], route_of(scope), status, seconds, complete))

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                tell(complete=True)  # not below: background tasks may run on for a minute

        try:
            await self.app(scope, receive, send_on)
        finally:
            tell(complete=False)
            REQUEST_ID.reset(token)
        # --- stub
        # await self.app(scope, receive, send)  # so that the service runs meanwhile
        # raise NotImplementedError("TODO 06.4")
        # <<< solution


# Given: keys, as they stand in a sentence, a header or a URL; and the names of fields that hold what people write, or
# that let somebody in.
SECRET = re.compile(r"\b(?:sk|key)-[\w-]{4,}|(?i:(?<=bearer ))[^\s\"']+|(?<=://)[^\s/@]+(?=@)")
PRIVATE = frozenset(
    ["messages", "prompt", "content", "input", "text", "authorization", "api_key", "x-api-key", "password", "token"]
)


# TODO 06.5: one JSON object a line, with the request's id; nothing that people write, nothing that lets somebody in.
# >>> solution
def redact(value: Any) -> Any:
    """Return a copy of a value that JSON can hold, without what is private, however deep it lies."""
    if isinstance(value, Mapping):
        pairs = ((str(key), one) for key, one in value.items())
        return {redact(key): "[redacted]" if key.lower() in PRIVATE else redact(one) for key, one in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(one) for one in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return SECRET.sub("[redacted]", str(value))


def redact_arguments(record: logging.LogRecord) -> bool:
    """Clear the data behind a line's `%s` while it is still data: in the sentence nobody finds a prompt."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact(one) if isinstance(one, Mapping | list | tuple) else one for one in record.args)
    elif record.args:
        record.args = redact(record.args)
    return True


def configure_logging(stream: TextIO) -> None:
    """Write every line of this process to `stream`, whoever logs it."""
    processors: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        lambda _, __, event: {**event, "request_id": REQUEST_ID.get()},
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        lambda _, __, event: redact(event),  # behind the traceback's, which has keys in it too
        structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(stream)
    handler.addFilter(redact_arguments)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=processors))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # they have handlers of their own by now
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"  # whole URLs, and we have a line of our own


# --- stub
# def configure_logging(stream: TextIO) -> None:
#     """Write every line of this process to `stream`, whoever logs it."""
#     raise NotImplementedError("TODO 06.5")
#
#
# <<< solution
# Given: dollars for a million tokens that a model reads, and that it writes. These are the models we know.
PRICES = {"mock-small": (0.15, 0.60), "mock-large": (3.00, 15.00)}


class Metrics:
    """Numbers for Prometheus, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # TODO 06.6: one histogram and three counters, with the names and labels of the brief.
        # >>> solution
        here, labels = self.registry, ["method", "route", "status"]
        buckets = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # the default ends at 10 s: models do not
        seconds = "http_request_duration_seconds"
        self.seconds = Histogram(seconds, "To the last byte", labels, buckets=buckets, registry=here)
        self.tokens = Counter("llm_tokens_total", "Tokens read and written", ["model", "kind"], registry=here)
        self.dollars = Counter("llm_cost_dollars_total", "What they cost", ["model"], registry=here)
        self.errors = Counter("llm_errors_total", "Calls without an answer", ["provider", "status"], registry=here)
        # <<< solution

    def observe(self, served: Served) -> None:
        """Count a request that is over."""
        # TODO 06.6: how long it took, under labels whose values no caller makes up.
        # >>> solution
        method = served.method if served.method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD") else "other"
        self.seconds.labels(method, served.route or "other", served.status).observe(served.duration_s)
        # <<< solution

    def count_usage(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count the tokens of an answer, and what they cost."""
        # TODO 06.6: by model, if it is one that we know.
        # >>> solution
        known = model if model in PRICES else "other"
        self.tokens.labels(known, "prompt").inc(prompt_tokens)
        self.tokens.labels(known, "completion").inc(completion_tokens)
        if price := PRICES.get(model):
            self.dollars.labels(known).inc((prompt_tokens * price[0] + completion_tokens * price[1]) / 1_000_000)
        # <<< solution

    def count_error(self, provider: str, error: LLMError) -> None:
        """Count a call to a provider that got no answer."""
        # TODO 06.6: by provider and status.
        # >>> solution
        self.errors.labels(provider, "none" if error.status is None else error.status).inc()
        # <<< solution
