"""Lesson 04 - tokens as they come. `coach run 04` serves it; then open http://127.0.0.1:8000 and ask something."""

import asyncio
import codecs
import io
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import httpx2 as httpx
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Event:
    """Given: one server-sent event. Where an `Event | None` is asked for, None is a sign of life that says nothing."""

    data: str
    name: str = "message"  # what its `event:` line says


@dataclass(frozen=True)
class Finish:
    """Given: the last part of an answer that came whole. What the provider did not say is None."""

    stop: str | None = None  # the provider's own word: "end_turn", "length", ...
    input_tokens: int | None = None
    output_tokens: int | None = None


Part = str | Finish


class UpstreamError(Exception):
    """Given: the provider failed. Its text may be shown to callers; `status` is what we answer while we still can."""

    def __init__(self, message: str, *, status: int = 502, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


async def parse_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the events of a stream whose bytes are cut anywhere, each as soon as its blank line is there.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    # TODO 04.1: find the events, wherever the bytes are cut.
    raise NotImplementedError("TODO 04.1")
    yield Event("")  # some `yield` makes this an async generator


async def anthropic_parts(events: AsyncIterator[Event]) -> AsyncIterator[Part]:
    """Yield the texts of an answer in Anthropic's events as they come, and last a `Finish`.

    Raises:
        UpstreamError: the provider reports an error, sends what is not JSON, or breaks off.
    """
    # TODO 04.2: from Anthropic's events to texts; a stream that breaks off is an error.
    raise NotImplementedError("TODO 04.2")
    yield ""


async def openai_parts(events: AsyncIterator[Event]) -> AsyncIterator[Part]:
    """Yield the texts of an answer in OpenAI's chunks as they come, and last a `Finish`; raise as `anthropic_parts`."""
    # TODO 04.3: from OpenAI's chunks to texts; a stream that breaks off is an error.
    raise NotImplementedError("TODO 04.3")
    yield ""


def load(event: Event) -> dict[str, Any]:
    """Given: return the JSON object in an event; raise UpstreamError if there is none."""
    with suppress(ValueError):
        if isinstance(data := json.loads(event.data), dict):
            return data
    raise UpstreamError("the provider sent an event that is not a JSON object")


Events = AsyncIterator[Event | None]
# Given: how the model is asked. Entering `ask(prompt)` sends the request and waits for the provider's status; if there
# will be no answer, that raises UpstreamError. Inside come our events. Leaving closes the connection, and awaits that.
Ask = Callable[[str], AbstractAsyncContextManager[Events]]
api = FastAPI(title="Streaming")  # Given: what the tests ask. Its `request.state.ask` is an `Ask`.


def encode(event: Event | None) -> bytes:
    """Write one event as it goes over the wire, with its name; None is the comment `: ping`."""
    # TODO 04.4: one event, as bytes that any reader understands.
    raise NotImplementedError("TODO 04.4")


# TODO 04.4: answer POST /chat with an event stream, or with the status that says why there is none.
@api.post("/chat")
async def create_chat() -> None:
    """Answer a prompt, token by token."""
    raise NotImplementedError("TODO 04.4")


class WhileConnected:
    """ASGI middleware: cancel the work for a reader who leaves before the last byte, whatever the server does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application until it is done or the reader is gone."""
        # TODO 04.5: run the application, and watch for `http.disconnect` meanwhile.
        raise NotImplementedError("TODO 04.5")


async def as_events(parts: AsyncIterator[Part]) -> AsyncIterator[Event]:
    """Yield a `delta` for every text and last one `done` or one `error`: an answer never just stops."""
    # TODO 04.6: tell the reader how it ended, also when it ended badly.
    raise NotImplementedError("TODO 04.6")
    yield Event("")


async def with_deadlines(parts: AsyncIterator[Part], *, first_s: float, next_s: float) -> AsyncIterator[Part]:
    """Yield the parts; raise UpstreamError with status 504 when the model is silent for too long.

    Args:
        parts: what the model says.
        first_s: seconds for the first part.
        next_s: seconds for each further one. What the reader takes for a part does not count.
    """
    # TODO 04.7: a deadline for the first part and for each further one.
    raise NotImplementedError("TODO 04.7")
    yield ""


async def with_heartbeats(events: AsyncIterator[Event], *, every_s: float) -> Events:
    """Yield the events, and None whenever `every_s` seconds went by without one."""
    # TODO 04.7: a sign of life while nothing comes; the event that is awaited is not lost.
    raise NotImplementedError("TODO 04.7")
    yield Event("")


@asynccontextmanager
async def ask_anthropic(client: httpx.AsyncClient, prompt: str) -> AsyncIterator[Events]:
    """Given: an `Ask` made of your parts."""
    body = {"model": "mock-large", "max_tokens": 1_000, "messages": [{"role": "user", "content": prompt}]}
    try:
        async with client.stream("POST", "/v1/messages", json={**body, "stream": True}) as response:
            if response.is_error:
                status, wait = 429 if response.status_code == 429 else 502, response.headers.get("retry-after")
                raise UpstreamError(f"provider: {response.status_code}", status=status, retry_after=wait)
            parts = with_deadlines(anthropic_parts(parse_events(response.aiter_bytes())), first_s=60, next_s=20)
            yield with_heartbeats(as_events(parts), every_s=15)
    except httpx.TransportError as error:
        raise UpstreamError("the provider cannot be reached") from error


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Ask]]:
    """Given: one client for the process. It waits long for bytes, because the deadlines are yours."""
    headers = {"Authorization": f"Bearer {os.environ.get('ANTHROPIC_API_KEY')}", "anthropic-version": "2026-10-21"}
    async with httpx.AsyncClient(base_url=os.getenv("ANTHROPIC_BASE_URL", ""), headers=headers, timeout=120) as client:
        yield {"ask": lambda prompt: ask_anthropic(client, prompt)}


app = FastAPI(title="Streaming", lifespan=lifespan)
app.mount("/api", WhileConnected(api))
app.mount("/", StaticFiles(directory=Path(__file__).parent / "static", html=True, check_dir=False))
