# fails: 04.4
# says: Background tasks run only behind a response that ended
"""A background task closes the answer; it runs only behind a whole response."""

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
from starlette.background import BackgroundTask
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
    # Both halves keep what is unfinished: a character, a byte order mark, a CR that may be half of a CRLF.
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)

    async def texts() -> AsyncIterator[str]:
        async for chunk in chunks:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True) + "\n\n"  # ends a last event that the server did not end

    rest, name, data = "", "", list[str]()
    async for text in texts():
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            field, _, value = line.partition(":")
            if field == "data":
                data.append(value.removeprefix(" "))
            elif field == "event":
                name = value.removeprefix(" ")
            elif not line:
                if data:
                    yield Event("\n".join(data), name or "message")
                name, data = "", []


async def anthropic_parts(events: AsyncIterator[Event]) -> AsyncIterator[Part]:
    """Yield the texts of an answer in Anthropic's events as they come, and last a `Finish`.

    Raises:
        UpstreamError: the provider reports an error, sends what is not JSON, or breaks off.
    """
    stop, usage = None, dict[str, int]()
    async for event in events:
        match load(event):
            case {"type": "message_start", "message": {"usage": dict(counted)}}:
                usage |= counted
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str(text)}}:
                yield text
            case {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": dict(counted)}:
                stop = reason
                usage |= counted
            case {"type": "error", "error": {"message": str(message)}}:
                raise UpstreamError(message)
            case {"type": "message_stop"}:
                yield Finish(stop, usage.get("input_tokens"), usage.get("output_tokens"))
                return
    raise UpstreamError("the provider broke off in the middle of an answer")


async def openai_parts(events: AsyncIterator[Event]) -> AsyncIterator[Part]:
    """Yield the texts of an answer in OpenAI's chunks as they come, and last a `Finish`; raise as `anthropic_parts`."""
    stop, usage = None, dict[str, int]()
    async for event in events:
        if event.data == "[DONE]":
            yield Finish(stop, usage.get("prompt_tokens"), usage.get("completion_tokens"))
            return
        chunk = load(event)
        if error := chunk.get("error"):
            raise UpstreamError(error["message"])
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices", []):  # the chunk that brings the usage has none
            if text := choice["delta"].get("content"):
                yield text
            stop = choice.get("finish_reason") or stop
    raise UpstreamError("the provider broke off in the middle of an answer")


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
    if event is None:
        return b": ping\n\n"
    lines = event.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # splitlines() knows other line ends too
    return "\n".join([f"event: {event.name}", *(f"data: {line}" for line in lines), "", ""]).encode()


Prompt = Annotated[str, Body(embed=True, min_length=1, max_length=8_000)]


@api.post("/chat")
async def create_chat(prompt: Prompt, request: Request) -> StreamingResponse:
    """Answer a prompt, token by token."""
    stack = AsyncExitStack()
    try:
        events = await stack.enter_async_context(request.state.ask(prompt))
    except UpstreamError as error:
        headers = {"Retry-After": error.retry_after} if error.retry_after else None
        raise HTTPException(error.status, str(error), headers) from error

    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        (encode(event) async for event in events),
        media_type="text/event-stream",
        headers=headers,
        background=BackgroundTask(stack.aclose),
    )


class WhileConnected:
    """ASGI middleware: cancel the work for a reader who leaves before the last byte, whatever the server does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application until it is done or the reader is gone."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        inbox: asyncio.Queue[Message] = asyncio.Queue(1)  # one message ahead: a large body waits in the socket

        async def watch() -> None:
            while (message := await receive())["type"] != "http.disconnect":
                await inbox.put(message)
            work.cancel()

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                watcher.cancel()  # from here on `http.disconnect` only says that all is sent
            await send(message)

        watcher = asyncio.create_task(watch())
        try:
            with anyio.CancelScope() as work:
                await self.app(scope, inbox.get, send_on)
        finally:
            watcher.cancel()


async def as_events(parts: AsyncIterator[Part]) -> AsyncIterator[Event]:
    """Yield a `delta` for every text and last one `done` or one `error`: an answer never just stops."""
    kind, message = "upstream_error", "the answer broke off"
    try:
        async for part in parts:
            if isinstance(part, Finish):
                yield Event(json.dumps(asdict(part)), "done")
                return
            yield Event(json.dumps({"text": part}), "delta")
    except UpstreamError as error:
        message = str(error)
    except httpx.TransportError:
        pass  # nothing to add
    except Exception:
        logging.getLogger(__name__).exception("an answer failed")
        kind, message = "internal_error", "something went wrong on our side"
    yield Event(json.dumps({"type": kind, "message": message}), "error")


async def with_deadlines(parts: AsyncIterator[Part], *, first_s: float, next_s: float) -> AsyncIterator[Part]:
    """Yield the parts; raise UpstreamError with status 504 when the model is silent for too long.

    Args:
        parts: what the model says.
        first_s: seconds for the first part.
        next_s: seconds for each further one. What the reader takes for a part does not count.
    """
    iterator, limit_s = aiter(parts), first_s
    while True:
        try:
            async with asyncio.timeout(limit_s):
                part = await anext(iterator)
        except TimeoutError:
            raise UpstreamError(f"the model said nothing for {limit_s:g} s", status=504) from None
        except StopAsyncIteration:
            return
        yield part
        limit_s = next_s


async def with_heartbeats(events: AsyncIterator[Event], *, every_s: float) -> Events:
    """Yield the events, and None whenever `every_s` seconds went by without one."""
    iterator, coming = aiter(events), None
    try:
        while True:
            coming = asyncio.ensure_future(anext(iterator))
            # subtle: wait() leaves the task alone when time is up; wait_for() would cancel it and end the generator.
            while not (await asyncio.wait({coming}, timeout=every_s))[0]:
                yield None
            yield coming.result()
    except StopAsyncIteration:
        return
    finally:
        if coming and coming.cancel():
            with anyio.CancelScope(shield=True):
                await asyncio.wait({coming})


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
