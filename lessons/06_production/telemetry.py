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
        await self.app(scope, receive, send)  # so that the service runs meanwhile
        raise NotImplementedError("TODO 06.4")


# Given: keys, as they stand in a sentence, a header or a URL; and the names of fields that hold what people write, or
# that let somebody in.
SECRET = re.compile(r"\b(?:sk|key)-[\w-]{4,}|(?i:(?<=bearer ))[^\s\"']+|(?<=://)[^\s/@]+(?=@)")
PRIVATE = frozenset(
    ["messages", "prompt", "content", "input", "text", "authorization", "api_key", "x-api-key", "password", "token"]
)


# TODO 06.5: one JSON object a line, with the request's id; nothing that people write, nothing that lets somebody in.
def configure_logging(stream: TextIO) -> None:
    """Write every line of this process to `stream`, whoever logs it."""
    raise NotImplementedError("TODO 06.5")


# Given: dollars for a million tokens that a model reads, and that it writes. These are the models we know.
PRICES = {"mock-small": (0.15, 0.60), "mock-large": (3.00, 15.00)}


class Metrics:
    """Numbers for Prometheus, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # TODO 06.6: one histogram and three counters, with the names and labels of the brief.
        raise NotImplementedError("TODO 06.6")

    def observe(self, served: Served) -> None:
        """Count a request that is over."""
        # TODO 06.6: how long it took, under labels whose values no caller makes up.
        raise NotImplementedError("TODO 06.6")

    def count_usage(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count the tokens of an answer, and what they cost."""
        # TODO 06.6: by model, if it is one that we know.
        raise NotImplementedError("TODO 06.6")

    def count_error(self, provider: str, error: LLMError) -> None:
        """Count a call to a provider that got no answer."""
        # TODO 06.6: by provider and status.
        raise NotImplementedError("TODO 06.6")
