"""asyncio all the way: queues, tasks, a response that closes its answer."""

import asyncio
import codecs
import io
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import httpx2 as httpx
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
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


async def _with_end(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if chunk:
            yield chunk
    yield b""



async def parse_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the events of a stream whose bytes are cut anywhere, each as soon as its blank line is there.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    line, name, data, after_cr, first = "", "", [], False, True

    def field() -> None:
        nonlocal name
        key, _, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        if key == "data":
            data.append(value)
        if key == "event":
            name = value

    async for chunk in _with_end(chunks):
        for character in decoder.decode(chunk, final=not chunk):
            if first and character == "\ufeff":
                first = False
                continue
            first = False
            if character == "\n" and after_cr:
                after_cr = False
                continue
            after_cr = character == "\r"
            if character not in "\r\n":
                line += character
            elif line:
                field()
                line = ""
            else:
                if data:
                    yield Event("\n".join(data), name or "message")
                name, data = "", []
    if line:
        field()
    if data:
        yield Event("\n".join(data), name or "message")


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


class AnswerResponse(StreamingResponse):
    """An event stream that closes its answer itself, in a task that nobody cancels."""

    media_type = "text/event-stream"

    def __init__(self, stack: AsyncExitStack, events: Events) -> None:
        super().__init__(map_events(events), headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        self.stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(asyncio.create_task(self.stack.aclose()))


async def map_events(events: Events) -> AsyncIterator[bytes]:
    async for event in events:
        yield encode(event)


@api.exception_handler(UpstreamError)
async def refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UpstreamError)
    headers = {"retry-after": error.retry_after} if error.retry_after else {}
    return JSONResponse({"detail": str(error)}, error.status, headers)


class Question(BaseModel):
    prompt: str


@api.post("/chat")
async def create_chat(question: Question, request: Request) -> AnswerResponse:
    """Answer a prompt, token by token."""
    stack = AsyncExitStack()
    return AnswerResponse(stack, await stack.enter_async_context(request.state.ask(question.prompt)))


class WhileConnected:
    """ASGI middleware: cancel the work for a reader who leaves before the last byte, whatever the server does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application until it is done or the reader is gone."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        messages: asyncio.Queue[Message] = asyncio.Queue()
        complete = False

        async def listen() -> None:
            while True:
                message = await receive()
                messages.put_nowait(message)
                if message["type"] == "http.disconnect":
                    return

        async def note(message: Message) -> None:
            nonlocal complete
            complete = complete or (message["type"] == "http.response.body" and not message.get("more_body", False))
            await send(message)

        work = asyncio.create_task(self.app(scope, messages.get, note))
        ear = asyncio.create_task(listen())
        try:
            await asyncio.wait({work, ear}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and complete:
                await asyncio.wait({work})
        finally:
            for task in (ear, work):
                task.cancel()
            await asyncio.gather(ear, work, return_exceptions=True)
        if not work.cancelled() and (error := work.exception()):
            raise error


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
    limit_s = first_s
    async with aclosing(parts):
        while True:
            try:
                part = await asyncio.wait_for(anext(parts, None), limit_s)
            except TimeoutError as error:
                raise UpstreamError("timed out", status=504) from error
            if part is None:
                break
            yield part
            limit_s = next_s


async def with_heartbeats(events: AsyncIterator[Event], *, every_s: float) -> Events:
    """Yield the events, and None whenever `every_s` seconds went by without one."""
    queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
    end = object()

    async def pump() -> None:
        try:
            async for event in events:
                await queue.put(event)
        except Exception as error:
            await queue.put(error)
        else:
            await queue.put(end)

    task = asyncio.create_task(pump())
    try:
        while True:
            try:
                item = await asyncio.wait_for(queue.get(), every_s)
            except TimeoutError:
                yield None
                continue
            if item is end:
                return
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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
