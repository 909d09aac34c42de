"""What lesson 04 promises. The tests are the provider on one side and the reader on the other."""

import asyncio
import base64
import importlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2 as httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockllm import LLMTransport, MockLLM

from . import app as lesson

_patience_s = [3.0]  # real seconds that a wrong answer is given; a right one never waits for them


# Providers and readers.


def patience_s(*, lost: bool = False) -> float:
    """How long to wait for what may never come: once it was in vain, the next waits are short."""
    if lost:
        _patience_s[0] = 0.5
    return _patience_s[0]


@dataclass
class Silence:
    """So many seconds without anything, on the clock of the loop."""

    seconds: float


class Source:
    """An async iterator that gives these items; an exception is raised, a `Silence` is waited for."""

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.asked = 0  # how often somebody wanted the next item
        self.ended = False  # whether nobody is inside any more: it ran out, was closed or was cancelled
        self._generator = self._give()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        self.asked += 1
        return await anext(self._generator)

    async def aclose(self) -> None:
        """Be closed, as a generator can be."""
        await self._generator.aclose()

    async def _give(self) -> AsyncGenerator[Any]:
        try:
            for item in self.items:
                if isinstance(item, Silence):
                    await asyncio.sleep(item.seconds)
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self.ended = True


def provider_client(llm: MockLLM) -> httpx.AsyncClient:
    """A client that reaches the fake provider without a socket."""
    headers = {"Authorization": "Bearer sk-ant-test", "anthropic-version": "2026-10-21"}
    return httpx.AsyncClient(transport=LLMTransport(llm), base_url="https://model.test", headers=headers, timeout=60)


def question(*, stream: bool, model: str = "mock-large", **more: Any) -> dict[str, Any]:
    """The body of a request to the provider."""
    return {
        "model": model,
        "max_tokens": 50,
        "stream": stream,
        "messages": [{"role": "user", "content": "Hello"}],
        **more,
    }


async def texts_of(response: httpx.Response) -> AsyncIterator[str]:
    """The texts that the fake provider streams."""
    async for event in httpx.EventSource(response):
        if event.event == "content_block_delta":
            yield json.loads(event.data)["delta"]["text"]


def asks(llm: MockLLM) -> Callable[[str], Any]:
    """An `Ask` that puts its question to the fake provider."""

    @asynccontextmanager
    async def ask(prompt: str) -> AsyncIterator[AsyncIterator[Any]]:
        async with (
            provider_client(llm) as client,
            client.stream("POST", "/v1/messages", json=question(stream=True)) as response,
        ):
            if response.is_error:
                status = 429 if response.status_code == 429 else 502
                wait = response.headers.get("retry-after")
                raise lesson.UpstreamError(f"provider: {response.status_code}", status=status, retry_after=wait)
            yield events_of(response)

    async def events_of(response: httpx.Response) -> AsyncIterator[Any]:
        async for text in texts_of(response):
            yield lesson.Event(json.dumps({"text": text}), "delta")
        yield lesson.Event("{}", "done")

    return ask


class Model:
    """An `Ask` that says what it is told, and notes how often it was asked, opened and closed.

    It is its own context manager: nobody but the learner leaves it, not even the garbage collector.
    """

    def __init__(self, *events: Any) -> None:
        self.said = Source(*events)
        self.prompts: list[str] = []
        self.opened = self.closed = 0

    def ask(self, prompt: str) -> "Model":
        """Be asked."""
        self.prompts.append(prompt)
        return self

    async def __aenter__(self) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        self.opened += 1
        return self.said

    async def __aexit__(self, *_: object) -> None:
        for _turn in range(3):
            await asyncio.sleep(0)  # closing a real connection awaits too
        self.closed += 1


class Visit:
    """One request to an ASGI application, as a server makes it. The test is the reader: it looks, waits, leaves.

    Args:
        app: the application.
        path: where the request goes.
        pieces: the body of the request, in the pieces in which it arrives.
        state: what the lifespan yielded.
        spec: the version of ASGI that the server speaks. Since 2.4 a StreamingResponse does not watch for leavers.
        leaves_at: the type of the message that the reader does not stay to see the end of.
        keeps_alive: after the last byte `receive` waits on, until the test is over.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str = "/chat",
        pieces: Iterable[bytes] = (b'{"prompt": "Hello"}',),
        *,
        state: dict[str, Any] | None = None,
        spec: str = "2.3",
        leaves_at: str = "",
        keeps_alive: bool = False,
    ) -> None:
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.finished = False
        self._app = app
        self._leaves_at, self._keeps_alive, self._stopped = leaves_at, keeps_alive, False
        *first, last = pieces
        self._request: list[Message] = [
            *({"type": "http.request", "body": piece, "more_body": True} for piece in first),
            {"type": "http.request", "body": last, "more_body": False},
        ]
        self._scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"test"), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 80),
            "state": state or {},
        }
        self._over = asyncio.Event()  # the reader has left, or has it all
        self._news = asyncio.Event()

    async def __aenter__(self) -> "Visit":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.leave()
        if kind is None:
            await self.gone()
            assert self._stopped or not self._task.cancelled(), (
                "CancelledError came out of the application, and nobody outside had cancelled it. "
                "A cancellation that you began must end with you: your own return is a normal one."
            )
        stuck = self._task.cancel()
        with suppress(BaseException if kind else asyncio.CancelledError):
            await self._task
        if kind is None:
            assert not stuck, "The reader has left, but the request goes on. Something waits that nobody cancels."

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self._news.set()

    async def _receive(self) -> Message:
        await asyncio.sleep(0)  # bytes come from a socket, so they are waited for
        if self._request:
            return self._request.pop(0)
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._over.is_set():
            return  # as servers do: whoever has left gets nothing more
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode().lower(), value.decode()) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                self.finished = True
                if not self._keeps_alive:
                    self._over.set()
        self._news.set()
        if message["type"] == self._leaves_at:
            self.leave()
            await everybody_had_a_turn()

    def leave(self) -> None:
        """Close the tab."""
        self._over.set()

    async def stop(self) -> None:
        """Cancel the request from outside, as a server does that is shut down."""
        self._stopped = True
        self._task.cancel()
        await self.gone()

    def header(self, name: str) -> str | None:
        """The value of a header, None without it."""
        return dict(self.headers).get(name)

    def events(self) -> list[tuple[str, str]]:
        """What has arrived so far, name and data, as any client understands it."""
        return read_events(self.body)

    async def until(self, ready: Callable[[], bool], complaint: str) -> None:
        """Wait until it is so, or fail with the complaint; what the application raises is raised here."""
        try:
            async with asyncio.timeout(patience_s()):
                while not ready() and not self._task.done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            patience_s(lost=True)
        if self.status == 500:  # Starlette answers first and raises then
            await self.gone()
        self.raise_error()
        assert ready(), complaint

    async def meanwhile(self, something: Awaitable[Any]) -> None:
        """Wait for something else to happen; what the application raises instead is raised here."""
        other = asyncio.ensure_future(something)
        await asyncio.wait({other, self._task}, timeout=patience_s(), return_when="FIRST_COMPLETED")
        other.cancel()
        self.raise_error()

    async def gone(self) -> None:
        """Wait until the application is done with this request, if it ever is."""
        if not (await asyncio.wait({self._task}, timeout=patience_s()))[0]:
            patience_s(lost=True)

    def raise_error(self) -> None:
        """Raise what the application raised."""
        if self._task.done() and not self._task.cancelled() and (error := self._task.exception()):
            raise error

    async def to_the_end(self) -> None:
        """Wait for the last byte."""
        await self.until(lambda: self.finished, f"The response never ended. So far came: {self.body!r}.")


def read_events(body: bytes) -> list[tuple[str, str]]:
    """Events of a body, name and data, read by the HTTP client's own parser."""
    response = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, content=body, request=httpx.Request("GET", "http://test")
    )
    return [(event.event, event.data) for event in httpx.EventSource(response)]


def as_text(events: Iterable[tuple[Any, Any]]) -> str:
    """Events as JSON text: nothing that only claims to be equal is equal."""
    return json.dumps([list(event) for event in events], ensure_ascii=False)


async def everybody_had_a_turn() -> None:
    """Let the other tasks run on until they wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def tasks_besides(known: set["asyncio.Task[Any]"]) -> list[str]:
    """Tasks that run and did not before, once everything has had its turn."""
    await everybody_had_a_turn()
    return [str(task.get_coro()) for task in asyncio.all_tasks() - known]


# 04.1


async def parsed(*chunks: bytes) -> str:
    """The learner's events of a stream that comes in these chunks."""
    try:
        return as_text([(event.name, event.data) async for event in lesson.parse_events(Source(*chunks))])
    except UnicodeDecodeError as error:
        pytest.fail(f"{chunks!r} raised {error}. A chunk may end inside a character: what is half must be kept.")


async def expect_parsed(cases: dict[str, tuple[bytes, list[tuple[str, str]]]]) -> None:
    """Fail in words at the first of these streams, by name, that does not give its events."""
    for name, (stream, expected) in cases.items():
        seen = await parsed(stream)

        assert seen == as_text(expected), f"{name}: {stream!r} gave {seen}, not {as_text(expected)}."


@pytest.mark.task(1)
async def test_fields_mean_what_the_standard_says() -> None:
    """Each of these is sent by somebody's server, on the day after you went live. `line[6:]` knows none of it."""
    await expect_parsed(
        {
            "An event with a name": (b"event: delta\ndata: a\n\n", [("delta", "a")]),
            "A name is for one event": (b"event: delta\ndata: a\n\ndata: b\n\n", [("delta", "a"), ("message", "b")]),
            "No data, no event": (b"event: ping\n\ndata: a\n\n", [("message", "a")]),
            "An empty name": (b"event:\ndata: a\n\n", [("message", "a")]),
            "Lines of data are joined": (b"data: a\ndata:\ndata: b\n\n", [("message", "a\n\nb")]),
            "Comments": (b": hello\n\n:\n\ndata: a\n: in between\n\n", [("message", "a")]),
            "One space belongs to the field": (b"data:a\n\ndata:  b\n\n", [("message", "a"), ("message", " b")]),
            "Data may be empty": (b"data\n\ndata:\n\n", [("message", ""), ("message", "")]),
            "Only the first colon": (b"data: a: b\n\n", [("message", "a: b")]),
            "Other fields": (b"id: 7\nretry: 9\ndatax: x\ndata: a\n\n", [("message", "a")]),
            "Blank lines": (b"\n\n\ndata: a\n\n\n\n", [("message", "a")]),
            "A byte order mark": ("\ufeffdata: \ufeffa\n\n".encode(), [("message", "\ufeffa")]),
        }
    )


@pytest.mark.task(1)
async def test_three_line_ends_are_known() -> None:
    """OpenAI sends LF, gateways written on other systems send CRLF, and the standard allows CR alone."""
    for end in (b"\n", b"\r\n", b"\r"):
        stream = b"event: delta|data: a||data: b|data: c||".replace(b"|", end)

        await expect_parsed({f"With lines that end in {end!r}": (stream, [("delta", "a"), ("message", "b\nc")])})


@pytest.mark.task(1)
async def test_no_other_character_ends_a_line() -> None:
    """Models write U+2028 and form feeds. splitlines() breaks the JSON there, and aiter_lines() does too."""
    data = "a\u2028b\u0085c\x0bd\x0ce\x1cf"

    seen = await parsed(f"data: {data}\n\n".encode())

    assert seen == as_text([("message", data)]), (
        f"One event with data {data!r} gave {seen}. Only LF, CRLF and CR end a line; str.splitlines() knows more."
    )


@pytest.mark.task(1)
async def test_the_last_event_comes_without_its_blank_line() -> None:
    """Some servers forget it, and then the usage or the last word is what you lose."""
    for end in (b"", b"\n", b"\r"):
        stream = b"data: a\n\nevent: done\ndata: b" + end
        await expect_parsed({f"A stream that ends with {stream[9:]!r}": (stream, [("message", "a"), ("done", "b")])})


@pytest.mark.task(1)
async def test_bytes_that_are_no_text_do_not_end_the_stream() -> None:
    """One broken byte in token 5 must not cost tokens 6 to 600."""
    seen = await parsed(b"data: a\xffb\n\n", b"data: c\n\n", b"data: \xe2\x82")

    expected = as_text([("message", "a\ufffdb"), ("message", "c"), ("message", "\ufffd")])
    assert seen == expected, f"Bytes that are no UTF-8 gave {seen}, not {expected}: each becomes U+FFFD."


WHOLE = "\ufeffevent: delta\r\ndata: 12 €\ufeff🙂\r\n: hm\r\n\r\ndata: a\ndata: b\n\nevent: done\rdata: {}\r\r".encode()
WHOLE_EVENTS = as_text([("delta", "12 €\ufeff🙂"), ("message", "a\nb"), ("done", "{}")])


@pytest.mark.task(1)
async def test_events_are_the_same_wherever_the_bytes_are_cut() -> None:
    """The network cuts where it likes: on your laptop between events, in production inside a euro sign."""
    seen = await parsed(WHOLE)
    assert seen == WHOLE_EVENTS, f"Even uncut, {WHOLE!r} gave {seen}, not {WHOLE_EVENTS}."

    for at in range(1, len(WHOLE)):
        seen = await parsed(WHOLE[:at], WHOLE[at:])

        assert seen == WHOLE_EVENTS, (
            f"Cut into {WHOLE[max(0, at - 12) : at]!r} and {WHOLE[at : at + 12]!r}, the stream gave {seen}, "
            f"not {WHOLE_EVENTS}. A chunk is no line and no event: what is unfinished waits for the next chunk."
        )


@pytest.mark.task(1)
async def test_an_event_comes_as_soon_as_its_blank_line_is_there() -> None:
    """A parser that waits for one more chunk is always one token late."""
    for end in (b"\n\n", b"\r\n\r\n"):
        source = Source(b"data: a" + end, b"data: b" + end)

        first = await anext(aiter(lesson.parse_events(source)))

        assert as_text([(first.name, first.data)]) == as_text([("message", "a")]), f"The first event is {first}."
        assert source.asked == 1, (
            f"Before the first event was handed on, {source.asked} chunks were asked for; it was whole after 1."
        )


# 04.2


def sent(*events: tuple[str, Any], then: Iterable[Any] = ()) -> Source:
    """A source of events with these names and this JSON."""
    items = [lesson.Event(data if isinstance(data, str) else json.dumps(data), name) for name, data in events]
    return Source(*items, *then)


async def told(parts: AsyncIterator[Any]) -> tuple[list[Any], Exception | None]:
    """What is said, as plain values, and the UpstreamError that ends it."""
    said: list[Any] = []
    try:
        async for part in parts:
            if isinstance(part, lesson.Finish):
                said.append({"stop": part.stop, "input_tokens": part.input_tokens, "output_tokens": part.output_tokens})
            else:
                said.append(part)
    except lesson.UpstreamError as error:
        return said, error
    except (ValueError, RuntimeError) as error:
        raise AssertionError(
            f"After {said} it raised {type(error).__name__}: {error}. "
            "What the provider does wrong is an UpstreamError: whoever calls you knows no other."
        ) from error
    return said, None


def finish(stop: str | None, input_tokens: int | None, output_tokens: int | None) -> dict[str, Any]:
    """A Finish, as plain values."""
    return {"stop": stop, "input_tokens": input_tokens, "output_tokens": output_tokens}


def expect_told(result: tuple[list[Any], Exception | None], *said: Any, usual: str = "") -> None:
    """Fail in words unless exactly this was said and no error came."""
    seen, error = result
    assert error is None, f"After {seen} came UpstreamError: {error}. The answer was whole. {usual}".strip()
    if "" in seen or None in seen:
        usual = "A text that is empty or null is no text, so nothing is handed on for it."
    last = seen[-1] if seen else None
    if isinstance(last, dict) and json.dumps(seen[:-1]) == json.dumps(said[:-1]):
        wrong = [
            f"{name} is {last[name]!r}, not {due!r}"
            for name, due in said[-1].items()
            if json.dumps(last[name]) != json.dumps(due)
        ]
        usual = f"The texts are right; in the Finish {', '.join(wrong)}."
    assert json.dumps(seen) == json.dumps(said), f"It said {seen}, not {list(said)}. {usual}".strip()


def expect_failed(result: tuple[list[Any], Exception | None], said: list[Any], words: str, usual: str) -> None:
    """Fail in words unless this was said and then an UpstreamError came, with these words if there are any."""
    seen, error = result
    assert error is not None, f"It said {seen} and ended as if all were well. {usual}"
    assert json.dumps(seen) == json.dumps(said), f"Before the error it said {seen}, not {said}."
    assert not words or str(error) == words, f"The UpstreamError says {str(error)!r}; the provider said {words!r}."


def text_delta(text: str, index: int = 0) -> tuple[str, Any]:
    """Anthropic's event for one text."""
    delta = {"type": "text_delta", "text": text}
    return "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}


START = ("message_start", {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}})
BLOCK = (
    "content_block_start",
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
)
BLOCK_END = ("content_block_stop", {"type": "content_block_stop", "index": 0})
STOP = (
    "message_delta",
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
)
END = ("message_stop", {"type": "message_stop"})
CUT_USUAL = "A stream that stops is no answer that ends: only the end marker says that it is whole."


@pytest.mark.task(2)
async def test_anthropic_texts_come_and_then_how_it_ended() -> None:
    """The bill is in the last events: whoever stops at the last text never sees it."""
    early = ("message_delta", {**STOP[1], "usage": {"output_tokens": 1}})
    source = sent(START, BLOCK, text_delta("Hel"), text_delta("lo"), BLOCK_END, early, STOP, END)

    expect_told(await told(lesson.anthropic_parts(source)), "Hel", "lo", finish("end_turn", 9, 2))


@pytest.mark.task(2)
async def test_anthropic_text_comes_at_once() -> None:
    """Tokens that are gathered first are no stream."""
    source = sent(START, BLOCK, text_delta("Hel"), text_delta("lo"), END)

    first = await anext(aiter(lesson.anthropic_parts(source)))

    assert type(first) is str and first == "Hel", f"The first part is {first!r}, not 'Hel'."
    assert source.asked == 3, f"'Hel' is in event 3, but it was handed on after {source.asked} events were read."


@pytest.mark.task(2)
async def test_anthropic_events_without_text_are_passed_over() -> None:
    """Anthropic adds event types without notice, and says so in its documentation. Text may be block 1."""
    thinking = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}}
    tool = {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}}
    new = ("mood_change", {"type": "mood_change", "delta": {"text": "glad"}})
    ping = ("ping", {"type": "ping"})
    deltas = [("content_block_delta", thinking), ("content_block_delta", tool)]
    source = sent(START, ping, BLOCK, *deltas, new, text_delta("Hi", 1), ping, STOP, END)

    expect_told(
        await told(lesson.anthropic_parts(source)),
        "Hi",
        finish("end_turn", 9, 2),
        usual="Pings, thinking, tools and unknown events are no text of the answer. A text is, whatever its index.",
    )


@pytest.mark.task(2)
async def test_anthropic_error_in_mid_stream_is_raised() -> None:
    """`Overloaded` after forty tokens still comes with status 200: this event is all you get."""
    error = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})

    result = await told(lesson.anthropic_parts(sent(START, BLOCK, text_delta("Hel"), error)))

    expect_failed(result, ["Hel"], "Overloaded", "The event `error` is the provider giving up.")


@pytest.mark.task(2)
async def test_anthropic_stream_without_message_stop_is_an_error() -> None:
    """Half a contract clause that looks like a whole one is worse than an error."""
    for events, said in [((), []), ((START, BLOCK, text_delta("Hel")), ["Hel"]), ((START, STOP), [])]:
        result = await told(lesson.anthropic_parts(sent(*events)))

        expect_failed(result, said, "", f"message_stop never came. {CUT_USUAL}")


@pytest.mark.task(2)
async def test_anthropic_broken_json_is_the_providers_fault() -> None:
    """A JSONDecodeError in your log sends the wrong person looking."""
    result = await told(lesson.anthropic_parts(sent(START, ("content_block_delta", '{"type": "content_bl'))))

    expect_failed(result, [], "", "An event was not JSON.")


@pytest.mark.task(2)
async def test_anthropic_message_stop_is_the_end() -> None:
    """Connections are kept alive: whoever waits for them to close waits for a minute."""
    source = sent(START, text_delta("Hi"), STOP, END, then=[AssertionError("read on behind message_stop")])

    expect_told(await told(lesson.anthropic_parts(source)), "Hi", finish("end_turn", 9, 2))


@pytest.mark.task(2)
async def test_what_the_provider_really_sends_is_understood() -> None:
    """Hand-written events prove that you understand your own handwriting."""
    with MockLLM() as llm:
        llm.tokens(["12 ", "€"]).ping()
        async with (
            provider_client(llm) as client,
            client.stream("POST", "/v1/messages", json=question(stream=True)) as response,
        ):
            events = [(one.event, one.data) async for one in httpx.EventSource(response)]

    said, error = await told(lesson.anthropic_parts(sent(*events)))

    assert error is None and json.dumps(said[:2]) == json.dumps(["12 ", "€"]) and said[2]["stop"] == "end_turn", (
        f"Of a whole answer, '12 €', you made {said}" + (f" and UpstreamError: {error}." if error else ".")
    )


# 04.3


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> tuple[str, Any]:
    """One of OpenAI's chunks; without a delta it has no choice."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return "message", {"object": "chat.completion.chunk", "choices": choices, **more}


ROLE = chunk({"role": "assistant", "content": ""}, usage=None)
FINISH = chunk({}, "stop", usage=None)
USAGE = chunk(None, usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11})
DONE = ("message", "[DONE]")


@pytest.mark.task(3)
async def test_openai_texts_come_and_then_how_it_ended() -> None:
    """The first chunk has a role and no text, the last but one a usage and no choice: `choices[0]` fails on it."""
    source = sent(ROLE, chunk({"content": "Hel"}), chunk({"content": "lo"}), FINISH, chunk({}), USAGE, DONE)

    expect_told(await told(lesson.openai_parts(source)), "Hel", "lo", finish("stop", 9, 2))


@pytest.mark.task(3)
async def test_openai_text_comes_at_once() -> None:
    """Tokens that are gathered first are no stream."""
    source = sent(ROLE, chunk({"content": "Hel"}), chunk({"content": "lo"}), DONE)

    first = await anext(aiter(lesson.openai_parts(source)))

    assert type(first) is str and first == "Hel", f"The first part is {first!r}, not 'Hel'."
    assert source.asked == 2, f"'Hel' is in chunk 2, but it was handed on after {source.asked} chunks were read."


@pytest.mark.task(3)
async def test_openai_answer_without_usage_is_whole_too() -> None:
    """Without `stream_options` nobody sends a usage. Unknown is None; 0 would be a lie in the books."""
    call = {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}], "content": None}
    source = sent(ROLE, chunk(call), chunk({"content": "Hi"}), chunk({}, "length"), DONE)

    expect_told(await told(lesson.openai_parts(source)), "Hi", finish("length", None, None))


@pytest.mark.task(3)
async def test_openai_text_is_text_wherever_it_stands() -> None:
    """Some servers send the last word with the finish_reason. And a model that explains streams writes [DONE]."""
    source = sent(ROLE, chunk({"content": "the end is [DONE]"}), chunk({"content": "!"}, "stop"), DONE)

    expect_told(
        await told(lesson.openai_parts(source)),
        "the end is [DONE]",
        "!",
        finish("stop", None, None),
        usual="Only data that is [DONE] and nothing else is the end; a chunk with a finish_reason may have text too.",
    )


@pytest.mark.task(3)
async def test_openai_stream_without_done_is_an_error() -> None:
    """The official client does not complain: it hands you half an answer as a whole one."""
    for events, said in [((), []), ((ROLE, chunk({"content": "Hel"})), ["Hel"]), ((ROLE, FINISH), [])]:
        result = await told(lesson.openai_parts(sent(*events)))

        expect_failed(result, said, "", f"[DONE] never came. {CUT_USUAL}")


@pytest.mark.task(3)
async def test_openai_error_in_mid_stream_is_raised() -> None:
    """It has the shape of an error body, inside a stream with status 200."""
    error = ("message", {"error": {"message": "The server had an error", "type": "server_error"}})

    result = await told(lesson.openai_parts(sent(ROLE, chunk({"content": "Hel"}), error)))

    expect_failed(result, ["Hel"], "The server had an error", "A chunk with `error` is the provider giving up.")


@pytest.mark.task(3)
async def test_openai_broken_json_is_the_providers_fault() -> None:
    """A JSONDecodeError in your log sends the wrong person looking."""
    result = await told(lesson.openai_parts(sent(ROLE, ("message", '{"choices": [{"del'))))

    expect_failed(result, [], "", "A chunk was not JSON.")


@pytest.mark.task(3)
async def test_openai_done_is_the_end() -> None:
    """Connections are kept alive: whoever waits for them to close waits for a minute."""
    source = sent(ROLE, chunk({"content": "Hi"}), FINISH, DONE, then=[AssertionError("read on behind [DONE]")])

    expect_told(await told(lesson.openai_parts(source)), "Hi", finish("stop", None, None))


# 04.4


@pytest.mark.task(4)
def test_what_is_encoded_arrives_as_it_was() -> None:
    """A token may be a line break; a naive f"data: {data}" then ends the event in the middle."""
    for data in ("plain", "a\nb\n\nc", "", "ends\n", " indented", "a\u2028b", "12 € 🙂"):
        wire = lesson.encode(lesson.Event(data, "delta"))

        assert type(wire) is bytes, f"encode() returned {type(wire).__name__}, not bytes."
        seen = read_events(wire + b"data: next\n\n")
        usual = "Every line of the data is a `data:` line of its own, and a blank line ends the event."
        if data[:1] == " " and [text for _, text in seen[:1]] == [data[1:]]:
            usual = "One space after `data:` belongs to the field: without it, the data's own first space is lost."
        assert as_text(seen) == as_text([("delta", data), ("message", "next")]), (
            f"The event 'delta' with data {data!r} went out as {wire!r} and is read as {seen[:-1]}. {usual}"
        )


@pytest.mark.task(4)
def test_none_is_a_comment() -> None:
    """A comment keeps proxies from hanging up, and no reader has to know about it."""
    wire = lesson.encode(None)

    assert type(wire) is bytes and wire == b": ping\n\n", f"encode(None) returned {wire!r}, not b': ping\\n\\n'."


@pytest.mark.task(4)
async def test_an_answer_is_an_event_stream_that_nobody_buffers() -> None:
    """By default nginx keeps 4 to 8 KB back: your tokens arrive in one lump, and only in production."""
    events = [lesson.Event('{"text": "Hi"}', "delta"), None, lesson.Event("a\nb"), lesson.Event("{}", "done")]
    model = Model(*events)

    async with Visit(lesson.api, pieces=[b'{"prompt": "Why?"}'], state={"ask": model.ask}) as visit:
        await visit.to_the_end()

    assert visit.status == 200, f"POST /chat answered {visit.status}: {visit.body!r}."
    assert json.dumps(model.prompts) == '["Why?"]', f"The model was asked {model.prompts}, the caller sent 'Why?'."
    assert (visit.header("content-type") or "").split(";")[0] == "text/event-stream", (
        f"Content-Type is {visit.header('content-type')!r}; only text/event-stream is read as events."
    )
    for name, value in [("cache-control", "no-cache"), ("x-accel-buffering", "no")]:
        assert visit.header(name) == value, (
            f"{name} is {visit.header(name)!r}, not {value!r}: a proxy may keep tokens back."
        )
    assert visit.header("connection") is None, (
        "The response sets Connection. It belongs to the server, not to you, and HTTP/2 forbids it."
    )
    assert as_text(visit.events()) == as_text([("delta", '{"text": "Hi"}'), ("message", "a\nb"), ("done", "{}")]), (
        f"The model's three events arrived as {visit.events()}."
    )
    assert re.search(rb"^: ?ping$", visit.body, re.M), f"None among the events is the comment `: ping`: {visit.body!r}."


@pytest.mark.task(4)
async def test_the_first_token_is_sent_before_the_second_exists() -> None:
    """The only reason to stream: something to read after 300 ms in place of 12 seconds."""
    with MockLLM() as llm:
        gate = llm.tokens(["Hel", "lo"]).step()
        async with Visit(lesson.api, state={"ask": asks(llm)}) as visit:
            gate.release(1)
            await visit.until(
                lambda: b"Hel" in visit.body,
                f"The provider has sent 'Hel' and waits; your reader has got {visit.body!r} and waits too. "
                "Collecting an answer and then sending it is no stream.",
            )
            gate.open()
            await visit.to_the_end()

    texts = [json.loads(data).get("text") for _, data in visit.events()]
    assert texts == ["Hel", "lo", None], f"The reader got {visit.body!r}."


@pytest.mark.task(4)
@pytest.mark.parametrize(("upstream", "status", "wait"), [(429, 429, "7"), (500, 502, None)])
async def test_a_failure_before_the_stream_is_a_real_status(upstream: int, status: int, wait: str | None) -> None:
    """Load balancers, retries and alarms look at the status; an empty 200 tells them that all is well."""
    with MockLLM() as llm:
        llm.fail(upstream, retry_after=7 if wait else None)
        visit = Visit(lesson.api, state={"ask": asks(llm)})
        with suppress(lesson.UpstreamError):
            async with visit:
                await visit.to_the_end()

    late = "Inside the body's generator it is too late: the status line has gone out." if visit.status == 200 else ""
    assert visit.status == status, (
        f"The provider said {upstream}, so `ask` raised UpstreamError with status {status}; "
        f"your caller got {visit.status} with {visit.body!r}. {late}".strip()
    )
    assert visit.header("retry-after") == wait, (
        f"Retry-After is {visit.header('retry-after')!r}, the error's retry_after is {wait!r}."
        + (" With None there is no such header." if wait is None else "")
    )
    assert json.loads(visit.body or b"null") == {"detail": f"provider: {upstream}"}, (
        f"The body is {visit.body!r}, not the error's text as FastAPI's `detail`."
    )


@pytest.mark.task(4)
async def test_the_answer_is_closed_when_it_is_over() -> None:
    """A connection that is never given back is gone from the pool; after a hundred answers nobody gets one."""
    model = Model(lesson.Event("{}", "delta"), lesson.Event("{}", "done"))

    async with Visit(lesson.api, state={"ask": model.ask}) as visit:
        await visit.to_the_end()

    assert [model.opened, model.closed] == [1, 1], (
        f"One whole answer: `ask(prompt)` was entered {model.opened} and left {model.closed} times. "
        "What is entered by hand stays open until you leave it, and is left once."
    )


@pytest.mark.task(4)
@pytest.mark.parametrize("how", ["The reader left", "The request was cancelled"])
async def test_the_answer_is_closed_when_the_reader_leaves(how: str) -> None:
    """The model writes on, and you pay, until somebody hangs up."""
    model = Model(lesson.Event("{}", "delta"), Silence(60), lesson.Event("{}", "done"))

    async with Visit(lesson.api, state={"ask": model.ask}) as visit:
        await visit.until(lambda: b"delta" in visit.body, f"The first event did not arrive: {visit.body!r}.")
        if how == "The reader left":
            visit.leave()
        else:
            await visit.stop()

    assert [model.opened, model.closed] == [1, 1], (
        f"{how} after one token: `ask(prompt)` was entered {model.opened} and left {model.closed} times. "
        "0: the upstream is left open, or closing it was cancelled at its first await: shield it. "
        "Background tasks run only behind a response that ended."
    )


@pytest.mark.task(4)
async def test_the_answer_is_closed_when_the_reader_leaves_before_the_first_byte() -> None:
    """An impatient reader is gone between the status line and the first token."""
    model = Model(Silence(60), lesson.Event("{}", "done"))

    async with Visit(lesson.api, state={"ask": model.ask}, leaves_at="http.response.start") as visit:
        await visit.gone()

    assert visit.status == 200, f"POST /chat answered {visit.status}: {visit.body!r}."
    assert [model.opened, model.closed] == [1, 1], (
        f"The reader left at the status line: `ask(prompt)` was entered {model.opened} and left {model.closed} times. "
        "The body's generator was never started, and then its `finally` never runs: close where the opening was."
    )


@pytest.mark.task(4)
async def test_a_reader_who_leaves_costs_at_most_one_more_token() -> None:
    """What the provider writes after that is billed, and read by nobody."""
    with MockLLM() as llm:
        gate = llm.tokens(["a", "b", "c", "d"]).step()
        async with Visit(lesson.api, state={"ask": asks(llm)}) as visit:
            gate.release(1)
            await visit.until(lambda: b"delta" in visit.body, f"The first event did not arrive: {visit.body!r}.")
            visit.leave()
            gate.release(1)

        assert llm.last.state == "abandoned" and llm.last.tokens_sent <= 2, (
            f"The reader left after token 1 of 4; the provider's stream is {llm.last.state} "
            f"after {llm.last.tokens_sent} tokens."
        )


# 04.5


def service(llm: MockLLM) -> Starlette:
    """A service that asks the provider: `/whole` waits for a whole answer, `/stream` streams it."""

    async def read_whole(request: Request) -> Response:
        await request.json()
        async with provider_client(llm) as client:
            return JSONResponse((await client.post("/v1/messages", json=question(stream=False))).json())

    async def read_stream(request: Request) -> Response:
        await request.json()

        async def texts() -> AsyncIterator[str]:
            async with (
                provider_client(llm) as client,
                client.stream("POST", "/v1/messages", json=question(stream=True)) as response,
            ):
                async for text in texts_of(response):
                    yield text

        return StreamingResponse(texts())

    return Starlette(
        routes=[Route("/whole", read_whole, methods=["POST"]), Route("/stream", read_stream, methods=["POST"])]
    )


@pytest.mark.task(5)
async def test_the_application_gets_the_request_and_the_reader_the_response() -> None:
    """Whoever listens to `receive` takes messages away from the application, and its body with them."""
    got: list[bytes] = []

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await everybody_had_a_turn()  # all pieces have come before the first is asked for
        more = True
        while more:
            message = await receive()
            got.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-pieces", b"%d" % len(got))]})
        for piece in got:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async with Visit(lesson.WhileConnected(echo), pieces=[b"one ", b"two ", b"three"]) as visit:
        await visit.until(
            lambda: visit.finished,
            "The request came in three pieces, and the application waits for one that does not come to it. "
            "Two listeners share the messages between them.",
        )

    assert got == [b"one ", b"two ", b"three"], (
        f"The request came in three pieces; the application got {got}. Two listeners share the messages between them."
    )
    assert visit.status == 201 and visit.header("x-pieces") == "3" and visit.body == b"one two three", (
        f"The application answered 201 with b'one two three'; the reader got {visit.status} with {visit.body!r}."
    )


@pytest.mark.task(5)
@pytest.mark.parametrize("path", ["/whole", "/stream"])
async def test_who_leaves_before_the_first_token_costs_nothing_more(path: str) -> None:
    """An endpoint that only awaits is never cancelled by the server: it finishes, and you pay for nobody."""
    with MockLLM() as llm:
        gate = llm.hold()
        async with Visit(lesson.WhileConnected(service(llm)), path, spec="2.4") as visit:
            await visit.meanwhile(gate.arrived())
            visit.leave()
            await visit.gone()

            assert llm.last.state == "abandoned", (
                f"The reader left while the provider was still thinking; the call to the provider is {llm.last.state}. "
                "Nobody called receive(), so nobody heard `http.disconnect`; or it was heard and not acted on."
            )


@pytest.mark.task(5)
@pytest.mark.parametrize("spec", ["2.3", "2.4"])
async def test_who_leaves_in_mid_stream_is_noticed_by_every_server(spec: str) -> None:
    """StreamingResponse listens for leavers up to ASGI 2.3; from 2.4 on it learns of them when it sends, or never."""
    with MockLLM() as llm:
        gate = llm.tokens(["a", "b", "c"]).step()
        async with Visit(lesson.WhileConnected(service(llm)), "/stream", spec=spec) as visit:
            gate.release(1)
            await visit.until(lambda: visit.body == b"a", f"The first token did not arrive: {visit.body!r}.")
            visit.leave()
            await visit.gone()

            assert llm.last.state == "abandoned" and llm.last.tokens_sent == 1, (
                f"ASGI {spec}: the reader left after token 1 of 3, the provider's stream is {llm.last.state} "
                f"after {llm.last.tokens_sent} tokens. `http.disconnect` was not heard, or not acted on: "
                "only a body message without `more_body` is the last byte."
            )


class Deaf:
    """An application that reads no request, never answers, and needs a moment to clean up when it is cancelled."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.state = "still running"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for ever."""
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.state = "still cleaning up"
            with anyio.CancelScope(shield=True):
                await everybody_had_a_turn()
            self.state = "over"
            raise


@pytest.mark.task(5)
@pytest.mark.parametrize("how", ["the reader leaves", "the server cancels"])
async def test_when_it_returns_the_application_is_over(how: str) -> None:
    """Most GET routes never call receive; and a task of your own does not hear that the server cancels yours."""
    app = Deaf()

    async with Visit(lesson.WhileConnected(app)) as visit:
        await visit.meanwhile(app.started.wait())
        if how == "the reader leaves":
            visit.leave()
            await visit.gone()
        else:
            await visit.stop()

        assert app.state == "over", (
            f"When {how}, WhileConnected is done, and an application that reads no request is {app.state}. "
            "It has to be cancelled and then awaited; asyncio.wait() does not cancel the tasks that it waits for."
        )


@pytest.mark.task(5)
async def test_what_runs_after_the_last_byte_is_left_alone() -> None:
    """After the last byte the server says `http.disconnect` as well: background tasks would die of it."""
    ran: list[str] = []

    async def logs_afterwards(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all"})
        for _ in range(20):
            await asyncio.sleep(0)
        ran.append("usage logged")

    async with Visit(lesson.WhileConnected(logs_afterwards)) as visit:
        await visit.to_the_end()

    assert ran == ["usage logged"], (
        "The response was complete, then the work behind it was cancelled. "
        "`http.disconnect` after the last byte says that all is sent, not that somebody left."
    )


@pytest.mark.task(5)
async def test_an_error_of_the_application_comes_out_as_it_was() -> None:
    """Handlers look for ValueError; a task group hands them an ExceptionGroup, and they pass it by."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("ours")

    try:
        async with Visit(lesson.WhileConnected(broken)) as visit:
            await visit.gone()
        out: Exception | None = None
    except NotImplementedError:
        raise
    except Exception as error:
        out = error

    assert type(out) is ValueError, f"The application raised ValueError, out came {out!r}."


@pytest.mark.task(5)
@pytest.mark.parametrize("reader", ["leaves", "stays", "keeps the connection"])
async def test_nothing_is_left_running(reader: str) -> None:
    """One forgotten task for each request is a leak that shows after a day."""

    async def two_tokens(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        if reader == "leaves":
            await asyncio.Event().wait()
        await send({"type": "http.response.body", "body": b"b"})

    known = asyncio.all_tasks()
    keeps = reader == "keeps the connection"
    async with Visit(lesson.WhileConnected(two_tokens), keeps_alive=keeps) as visit:
        await visit.until(lambda: b"a" in visit.body, f"The first token did not arrive: {visit.body!r}.")
        if reader == "leaves":
            visit.leave()
        await visit.gone()

        left = await tasks_besides(known)
        assert not left, f"The request is over, its reader {reader}; these tasks still run: {left}."


@pytest.mark.task(5)
async def test_what_is_no_request_is_passed_on() -> None:
    """An ASGI application is also told of start-up, of shutdown and of WebSockets, through the same door."""

    async def receive() -> Message:
        return {"type": "nothing"}

    async def send(message: Message) -> None: ...

    for type_ in ("lifespan", "websocket"):
        calls: list[tuple[Any, ...]] = []

        async def inner(*call: Any) -> None:
            calls.append(call)  # noqa: B023

        await lesson.WhileConnected(inner)({"type": type_}, receive, send)

        assert len(calls) == 1, f"With a {type_} scope the application was called {len(calls)} times."
        scope, its_receive, its_send = calls[0]
        assert scope["type"] == type_ and its_receive is receive and its_send is send, (
            f"A {type_} scope reached the application with a `receive` or `send` that is not the server's: "
            "what is no HTTP request goes on untouched."
        )


@contextmanager
def served(app: ASGIApp, raised: Callable[[], None]) -> Iterator[tuple[int, list[BaseException]]]:
    """A real server on a free port, and what the application raised in it; `raised` is called when it does."""
    ready, errors = threading.Event(), list[BaseException]()

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except BaseException as error:
            errors.append(error)
            raised()
            raise

    class Server(uvicorn.Server):
        async def main_loop(self) -> None:
            loop, over = asyncio.get_running_loop(), asyncio.Event()
            self.end = lambda: loop.call_soon_threadsafe(over.set)
            ready.set()
            await over.wait()  # uvicorn's own looks only ten times a second whether it should end

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            for server in self.servers:  # uvicorn's own waits a tenth of a second for connections; all are closed
                server.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(noted, http="h11", ws="none", loop="asyncio", lifespan="off", log_config=None)
        server = Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert ready.wait(10), "uvicorn did not start"
            yield listener.getsockname()[1], errors
        finally:
            server.end()
            thread.join(10)


@pytest.mark.task(5)
def test_under_a_real_server_both_leavers_are_noticed() -> None:
    """The proof that counts: a socket, a server, and what the provider saw."""
    body = b'{"prompt": "Hello"}'
    with MockLLM() as llm, served(lesson.WhileConnected(service(llm)), llm.bell.ring) as (port, errors):
        for path in ("/whole", "/stream"):
            gate = llm.tokens(["a", "b"]).step()
            with socket.create_connection(("127.0.0.1", port)) as reader:
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                )
                reader.sendall(f"{head}\r\n\r\n".encode() + body)
                llm.bell.until_blocking(lambda: gate.came > 0 or bool(errors), patience_s())  # noqa: B023
                if path == "/stream":
                    gate.release(1)
                    llm.bell.until_blocking(lambda: gate.came > 1 or bool(errors), patience_s())  # noqa: B023
            if errors:
                raise errors[0]
            llm.bell.until_blocking(lambda: llm.in_flight == 0, patience_s())
            seen = llm.last.state
            gate.open()

            assert seen == "abandoned", f"The reader of {path} closed the socket; the call to the provider is {seen}."


# 04.6


async def ended(*parts: Any) -> tuple[list[tuple[Any, Any]], BaseException | None]:
    """The events made of these parts, and what was raised out of them."""
    seen: list[tuple[Any, Any]] = []
    try:
        async for event in lesson.as_events(Source(*parts)):
            seen.append((event.name, json.loads(event.data)))
    except NotImplementedError:
        raise
    except Exception as error:
        return seen, error
    return seen, None


async def expect_error_event(*parts: Any, kind: str) -> str:
    """Fail in words unless 'Hel' and then one error event of this type came; return its message."""
    seen, error = await ended("Hel", *parts)
    assert error is None, (
        f"After {seen} it raised {error!r}. The status line is out: what is raised now cuts the stream in silence."
    )
    assert seen[:1] == [("delta", {"text": "Hel"})], f"It began with {seen[:1]}, not with the text that came."
    assert len(seen) == 2 and seen[1][0] == "error", (
        f"It sent {seen}: not one delta and then one `error`, as its last event. "
        "A reader cannot tell a cut from an end unless you say which it is."
    )
    told = seen[1][1]
    assert sorted(told) == ["message", "type"] and told["type"] == kind and str(told["message"]).strip(), (
        f"The error event says {told}; it has a type, here {kind}, and a message."
    )
    return told["message"]


@pytest.mark.task(6)
async def test_a_whole_answer_ends_with_done() -> None:
    """Readers look for one event that means: you have it all."""
    seen, error = await ended("Hel", "lo\n", lesson.Finish("end_turn", 9, 2))

    assert error is None, f"A whole answer raised {error!r}."
    done = {"stop": "end_turn", "input_tokens": 9, "output_tokens": 2}
    assert as_text(seen) == as_text([("delta", {"text": "Hel"}), ("delta", {"text": "lo\n"}), ("done", done)]), (
        f"Two texts and a Finish became {seen}."
    )


@pytest.mark.task(6)
async def test_a_text_becomes_an_event_at_once() -> None:
    """One list() at the wrong place, and nothing streams any more."""
    source = Source("Hel", "lo", lesson.Finish())

    first = await anext(aiter(lesson.as_events(source)))

    assert type(first.name) is str and first.name == "delta", f"The first event is {first}."
    assert source.asked == 1, f"The first event came after {source.asked} parts were read; the first part is enough."


@pytest.mark.task(6)
async def test_the_providers_failure_is_told_in_its_words() -> None:
    """`Overloaded` tells a user to try again; a spinner that never stops tells nothing."""
    message = await expect_error_event(lesson.UpstreamError("Overloaded"), kind="upstream_error")

    assert message == "Overloaded", f"The provider said 'Overloaded', the reader is told {message!r}."


@pytest.mark.task(6)
async def test_a_connection_that_breaks_is_told() -> None:
    """The usual end of a long answer through a bad network."""
    error = httpx.ReadError("[Errno 104] reset by 10.0.0.7")

    message = await expect_error_event(error, kind="upstream_error")

    assert "10.0.0.7" not in message, (
        f"The reader is told {message!r}: addresses of your network are nobody's business."
    )


@pytest.mark.task(6)
async def test_a_bug_is_told_without_its_details() -> None:
    """Exceptions carry table names, prompts and keys; those belong into the log."""
    error = KeyError("secret_table")

    message = await expect_error_event(error, kind="internal_error")

    assert "secret_table" not in message and "KeyError" not in message, (
        f"The reader is told {message!r}, with what the exception carried."
    )


@pytest.mark.task(6)
async def test_a_bug_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """The reader is told nothing, so the log is the only place where you will ever find the line that failed."""
    error = KeyError("secret_table")

    await expect_error_event(error, kind="internal_error")

    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert any(one is error for one in logged), (
        f"KeyError was turned into an event, and the log says {[record.getMessage() for record in caplog.records]}, "
        "without the exception: nobody will find the line. logger.exception() takes it along."
    )


@pytest.mark.task(6)
async def test_an_answer_that_just_stops_is_an_error() -> None:
    """No error, no Finish: somebody upstream swallowed it. The reader must not think that this was all."""
    await expect_error_event(kind="upstream_error")


@pytest.mark.task(6)
async def test_done_is_the_last_event() -> None:
    """Whoever has said done does not come back with an error."""
    seen, error = await ended("Hi", lesson.Finish(), lesson.UpstreamError("too late"))

    names = [name for name, _ in seen]
    assert error is None and names == ["delta", "done"], f"Behind the Finish came {names[2:]}, {error!r}."
    unknown = {"stop": None, "input_tokens": None, "output_tokens": None}
    assert as_text(seen[1:]) == as_text([("done", unknown)]), (
        f"A Finish that knows nothing became {seen[1][1]}. Its three keys are always there: null is unknown."
    )


@pytest.mark.task(6)
async def test_a_cancelled_answer_says_nothing_more() -> None:
    """The reader has gone. An error event for nobody also keeps the task alive that was told to stop."""
    seen: list[Any] = []

    async def read() -> None:
        async for event in lesson.as_events(Source("Hel", Silence(60))):
            seen.append(event.name)
            began.set()

    began = asyncio.Event()
    task = asyncio.create_task(read())
    await asyncio.wait({task, asyncio.ensure_future(began.wait())}, return_when="FIRST_COMPLETED")
    if task.done():
        await task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert task.cancelled() and seen == ["delta"], (
        f"A cancelled answer sent {seen} and its task was {'' if task.cancelled() else 'not '}cancelled. "
        "`except BaseException` catches CancelledError too; it is not yours to keep."
    )


# 04.7


def now() -> float:
    """Seconds on the clock of the loop, which jumps in these tests."""
    return round(asyncio.get_running_loop().time(), 3)


async def timed(items: AsyncIterator[Any], reading_s: float = 0) -> tuple[list[tuple[Any, float]], Exception | None]:
    """What comes and when, for a reader who takes `reading_s` seconds for each, and the UpstreamError that ends it."""
    began, seen = now(), list[tuple[Any, float]]()
    try:
        async for item in items:
            seen.append((getattr(item, "data", item), round(now() - began, 3)))
            await asyncio.sleep(reading_s)
    except lesson.UpstreamError as error:
        return [*seen, ("error", round(now() - began, 3))], error
    return seen, None


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_the_first_token_has_a_deadline() -> None:
    """A model that hangs before its first word hangs for ever; the read timeout of most clients is ten minutes."""
    source = Source(Silence(11), "Hi")

    seen, error = await timed(lesson.with_deadlines(source, first_s=10, next_s=2))

    assert error is not None and seen == [("error", 10)], (
        f"first_s=10, and the first token took 11 s: {seen}. It should be an UpstreamError after 10 s."
    )
    assert getattr(error, "status", None) == 504, (
        f"The UpstreamError has status {getattr(error, 'status', None)}, not 504."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_every_further_token_has_a_deadline() -> None:
    """The second way to hang: after half an answer."""
    source = Source(Silence(9), "a", Silence(1), "b", Silence(3), "c")

    seen, _ = await timed(lesson.with_deadlines(source, first_s=10, next_s=2))

    assert seen == [("a", 9), ("b", 10), ("error", 12)], (
        f"first_s=10, next_s=2, tokens after 9, 1 and 3 s: {seen}, not a at 9, b at 10 and an UpstreamError at 12."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_a_long_answer_may_take_its_time() -> None:
    """A deadline for the whole answer cuts exactly those that were worth waiting for."""
    source = Source(*(item for text in "abcdefgh" for item in (Silence(1.5), text)))

    seen, error = await timed(lesson.with_deadlines(source, first_s=3, next_s=2))

    assert error is None and len(seen) == 8, (
        f"Eight tokens, 1.5 s each, first_s=3, next_s=2: {seen}. The deadline is for each token, not for all."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_a_slow_reader_is_not_the_models_fault() -> None:
    """A phone in a tunnel reads slowly; the model was on time."""
    source = Source("a", "b", lesson.Finish())
    try:
        seen, error = await timed(lesson.with_deadlines(source, first_s=3, next_s=2), reading_s=60)
    except (TimeoutError, asyncio.CancelledError) as raised:
        seen, error = [], raised

    assert error is None and len(seen) == 3, (
        f"The model never waited, the reader took 60 s for each token, and it ended with {error!r}. "
        "A timeout around a `yield` measures the reader."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_after_a_deadline_the_model_is_not_listened_to() -> None:
    """A generator that is left waiting holds its connection."""
    source = Source(Silence(100), "a")

    await timed(lesson.with_deadlines(source, first_s=1, next_s=1))

    assert source.ended, "first_s=1 passed, but whoever waited for the model still waits."


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_silence_is_filled_with_heartbeats() -> None:
    """A proxy hangs up after 60 s without a byte; a reasoning model thinks for 90."""
    source = Source(
        *(part for s, text in [(35.4, "a"), (20, "b"), (10, "c")] for part in (Silence(s), lesson.Event(text)))
    )

    seen, _ = await timed(lesson.with_heartbeats(source, every_s=15))

    assert seen == [(None, 15), (None, 30), ("a", 35.4), (None, 50.4), ("b", 55.4), ("c", 65.4)], (
        f"every_s=15, events after 35.4, 20 and 10 s: {seen}. "
        "It should be None at 15, 30 and 50.4, a at 35.4, b at 55.4, c at 65.4: each event starts the count again. "
        "If a never comes: the timeout cancelled the wait, and a cancelled generator is finished."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_an_error_comes_through_the_heartbeats_as_it_was() -> None:
    """What waits in a task of its own fails there, too; somebody has to ask it."""
    source = Source(Silence(20), lesson.Event("a"), lesson.UpstreamError("Overloaded"))

    seen, error = await timed(lesson.with_heartbeats(source, every_s=15))

    assert type(error) is lesson.UpstreamError and str(error) == "Overloaded", (
        f"The events raised UpstreamError: Overloaded; out came {seen} and {error!r}."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_heartbeats_stop_when_the_reader_does() -> None:
    """A task that goes on waiting holds the provider's connection, for a reader who has gone."""
    known = asyncio.all_tasks()
    source = Source(Silence(100), lesson.Event("a"))
    beats = lesson.with_heartbeats(source, every_s=15)

    async with aclosing(beats):  # pyright: ignore[reportArgumentType] - it is a generator, as its stub is
        first = await anext(aiter(beats))

    left = [str(task.get_coro()) for task in asyncio.all_tasks() - known]
    assert first is None, f"After 15 s of silence came {first}, not None."
    assert source.ended and not left, (
        f"The reader left at the first heartbeat; still waiting: {left or 'the generator of the events'}. "
        "A task that was cancelled is over when you have awaited it, not before."
    )


# 04.8

DELTAS = (
    b'event: delta\ndata: {"text": "12 \xe2\x82\xac "}\n\n'
    b'event: delta\ndata: {"text": "\xf0\x9f\x99\x82\xe2\x80\xa8\\n"}\n\n'  # the three bytes are U+2028
)
DONE_EVENT = b'event: done\ndata: {"stop": "end_turn"}\n\n'
ERROR_EVENT = b'event: error\ndata: {"type": "upstream_error", "message": "Overloaded"}\n\n'
NEWS = b'event: news\ndata: {"text": "no"}\n\nevent: news\ndata: not even JSON\n\n'
STREAM = b": ping\n\n" + DELTAS + NEWS + DONE_EVENT
TEXTS = ["12 € ", "🙂\u2028\n"]
REFUSED = b'{"detail": "provider: 429"}'


class Answer(httpx.AsyncByteStream):
    """The bytes of an answer. It heeds the client's patience in its silences, and notes when it is left."""

    def __init__(self, chunks: tuple[Any, ...], request: httpx.Request) -> None:
        self.chunks, self.request = chunks, request
        self.asked = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        patience_s = self.request.extensions.get("timeout", {}).get("read")
        for chunk in self.chunks:
            self.asked += 1
            if isinstance(chunk, Silence):
                if patience_s is not None and chunk.seconds > patience_s:
                    raise httpx.ReadTimeout(f"nothing for {patience_s} s", request=self.request)
            elif isinstance(chunk, Exception):
                raise chunk
            else:
                yield chunk

    async def aclose(self) -> None:
        """Be left."""
        self.closed = True


class Service(httpx.AsyncBaseTransport):
    """The service at the other end: it answers with these bytes."""

    def __init__(self, *chunks: Any, status: int = 200) -> None:
        self.chunks, self.status = chunks, status
        self.answers: list[Answer] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        self.answers.append(Answer(self.chunks, request))
        headers = {"content-type": "text/event-stream; charset=utf-8" if self.status == 200 else "application/json"}
        return httpx.Response(self.status, headers=headers, stream=self.answers[-1], request=request)

    @property
    def answer(self) -> Answer:
        """The answer to the last request."""
        assert self.answers, "read_chat ended without a request to the service."
        return self.answers[-1]


def client_module() -> Any:
    """The learner's client.py."""
    try:
        return importlib.import_module(".client", __package__)
    except ModuleNotFoundError as error:
        pytest.fail(f"client.py cannot be imported: {error}. Task 04.8 is two files, client.py and static/reader.js.")


async def python_reads(service: Service, take: int | None = None) -> tuple[list[Any], Exception | None]:
    """What client.py's read_chat yields, and the ChatFailed that ends it."""
    module, texts = client_module(), list[Any]()
    async with httpx.AsyncClient(transport=service) as client:
        answer = module.read_chat(client, "http://chat.test/chat", "Why?")
        try:
            async with aclosing(answer):
                async for text in answer:
                    texts.append(text)
                    if len(texts) == take:
                        break
        except module.ChatFailed as error:
            return texts, error
        except (ValueError, KeyError, RuntimeError, httpx.HTTPError) as error:
            if isinstance(error, NotImplementedError):
                raise
            raise AssertionError(
                f"After {texts} read_chat raised {type(error).__name__}: {error}. A whole answer raises nothing, and "
                "where there is none, ChatFailed was due. If it is the JSON: was a line cut at U+2028, as aiter_lines "
                "does, or read from an event that you do not know?"
            ) from error
    return texts, None


@pytest.mark.task(8)
async def test_python_reads_the_answer_wherever_it_is_cut() -> None:
    """`async for line in response.aiter_lines(): line[6:]` prints JSON, and loses what has two lines."""
    for cut in ([STREAM], [STREAM[i : i + 1] for i in range(len(STREAM))], [STREAM.replace(b"\n", b"\r\n")]):
        service = Service(*cut)
        texts, error = await python_reads(service)

        asked = service.answer.request
        sent = asked.content.decode(errors="replace")
        with suppress(ValueError):
            sent = json.loads(sent)
        assert asked.method == "POST" and json.dumps(sent) == '{"prompt": "Why?"}', (
            f"read_chat sent {asked.method} with the body {asked.content!r}; "
            'it should be a POST with the JSON {"prompt": "Why?"}.'
        )
        assert error is None, f"A whole answer in {len(cut)} chunks raised ChatFailed: {error}."
        assert json.dumps(texts) == json.dumps(TEXTS), (
            f"An answer in {len(cut)} chunks was read as {texts}, not {TEXTS}."
        )


@pytest.mark.task(8)
async def test_python_hands_on_a_text_when_it_comes() -> None:
    """`client.post()` reads the whole body first: the service streams, and nobody sees it."""
    first, second = DELTAS.split(b"\n\n", 1)
    service = Service(first + b"\n\n", second, DONE_EVENT)

    texts, error = await python_reads(service, take=1)

    assert error is None and json.dumps(texts) == json.dumps(TEXTS[:1]), (
        f"The first text was read as {texts}, {error!r}."
    )
    asked = service.answer.asked
    assert asked == 1, f"Chunk 1 has the first text; it was handed on after {asked} chunks."
    assert service.answer.closed, (
        "The loop over read_chat was left, but the response was not closed: the model writes on for nobody."
    )


@pytest.mark.task(8)
async def test_python_waits_while_the_model_thinks() -> None:
    """By default httpx hangs up after 5 s without a byte, unless it is told otherwise; the service pings every 15 s."""
    service = Service(Silence(15), b": ping\n\n", Silence(15), b": ping\n\n", Silence(14), DELTAS, DONE_EVENT)

    texts, error = await python_reads(service)

    assert error is None and len(texts) == 2, (
        f"After 15 s of silence between pings: {texts}, {error!r}. Mind the timeout."
    )


@pytest.mark.task(8)
async def test_python_says_that_there_is_no_whole_answer() -> None:
    """Whatever reads your client believes what it is given."""
    for what, service, words in [
        ("The stream ended without `done`", Service(DELTAS), ""),
        ("An `error` event came", Service(DELTAS, ERROR_EVENT), "Overloaded"),
        ("The connection broke", Service(DELTAS, httpx.ReadError("reset")), ""),
        ("The status was 429", Service(REFUSED, status=429), "429"),
    ]:
        texts, error = await python_reads(service)

        expected = TEXTS if service.status == 200 else []
        assert error is not None, (
            f"{what}, and read_chat read {texts} and ended as if that were the whole answer; ChatFailed was due."
        )
        assert json.dumps(texts) == json.dumps(expected), f"{what}; before ChatFailed it read {texts}, not {expected}."
        assert words in str(error), f"{what}; ChatFailed says {str(error)!r}, and should say {words!r}."


@pytest.mark.task(8)
async def test_python_ends_at_done() -> None:
    """The service may keep the connection for the next question."""
    texts, error = await python_reads(Service(DELTAS, DONE_EVENT, httpx.ReadError("read on behind done")))

    assert error is None and len(texts) == 2, f"Behind `done` it went on reading: {texts}, {error!r}."


HARNESS = """
import { appendFileSync, readFileSync } from "node:fs";
const { readChat } = await import("./reader.mjs");

// What readChat needs of a Response. Node's own one starts WebAssembly, and that wants gigabytes of address space.
function answer(status, body) {
  const text = async () => {
    let all = "";
    for await (const part of body.pipeThrough(new TextDecoderStream())) all += part;
    return all;
  };
  const json = async () => JSON.parse(await text());
  const headers = new Map([["content-type", status === 200 ? "text/event-stream" : "application/json"]]);
  return { status, ok: status < 300, statusText: "", headers, body, text, json };
}

async function play({ id, chunks, status, take, stays, held }) {
  const seen = { id, texts: [], error: null, cancelled: false };
  let [pulls, handOn] = [0, null];
  const handedOn = new Promise((resolve) => (handOn = resolve));
  const body = new ReadableStream({
    async pull(controller) {
      const chunk = chunks[pulls++];
      if (pulls > held) await handedOn;
      if (chunk !== undefined) controller.enqueue(Uint8Array.from(Buffer.from(chunk, "base64")));
      else if (!stays) controller.close();
    },
    cancel() { seen.cancelled = true; },
  }, { highWaterMark: 0 });
  try {
    for await (const text of readChat(answer(status, body))) {
      handOn();
      seen.texts.push(text);
      if (seen.texts.length === take) break;
    }
  } catch (problem) {
    seen.error = String(problem?.message ?? problem);
  }
  await new Promise((resolve) => setTimeout(resolve));
  appendFileSync("seen.jsonl", JSON.stringify(seen) + "\\n");
}

for (const scenario of JSON.parse(readFileSync("scenarios.json", "utf8"))) play(scenario);
"""
# In the name of an event, in the euro sign, between two line ends, in the U+1F642.
CUTS = [STREAM.index(one) + 1 for one in (b"delta", b"\xe2\x82\xac", b"\x82\xac", b"\n\nevent: delta", b"\x9f\x99")]
SCENARIOS: dict[str, dict[str, Any]] = {
    "uncut": {"chunks": [STREAM]},
    **{f"cut {at}": {"chunks": [STREAM[:at], STREAM[at:]]} for at in CUTS},
    "bytes": {"chunks": [bytes([byte]) for byte in STREAM]},
    "crlf": {"chunks": [bytes([byte]) for byte in STREAM.replace(b"\n", b"\r\n")]},
    "first": {"chunks": [*(part + b"\n\n" for part in STREAM.split(b"\n\n")[:-1])], "take": 1, "held": 2},
    "error": {"chunks": [DELTAS, ERROR_EVENT]},
    "no done": {"chunks": [DELTAS]},
    "half": {"chunks": [DELTAS, DONE_EVENT[:14]]},
    "429": {"chunks": [REFUSED], "status": 429},
    "stays": {"chunks": [DELTAS, DONE_EVENT], "stays": True},
}


class NodeRun:
    """static/reader.js in node, once and on every scenario, beside the tests that do not look at it."""

    def __init__(self, folder: Path) -> None:
        self.node, self.reader = shutil.which("node"), Path(__file__).parent / "static" / "reader.js"
        self.printed, self.seen = "", dict[str, dict[str, Any]]()
        self._folder = folder
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        if not self.node or not self.reader.is_file():
            return
        scenarios = [
            {"id": id, "status": 200}
            | scenario
            | {"chunks": [base64.b64encode(one).decode() for one in scenario["chunks"]]}
            for id, scenario in SCENARIOS.items()
        ]
        (self._folder / "scenarios.json").write_text(json.dumps(scenarios), encoding="utf-8")
        (self._folder / "harness.mjs").write_text(HARNESS, encoding="utf-8")
        shutil.copy(self.reader, self._folder / "reader.mjs")
        try:
            # An environment of its own: pytest changes the process's for each test, and node would start from it.
            run = subprocess.run(
                [self.node, "harness.mjs"],
                cwd=self._folder,
                env=dict(os.environ),
                capture_output=True,
                timeout=10,
                check=False,
            )
            self.printed = run.stderr.decode(errors="replace")
        except subprocess.TimeoutExpired:
            self.printed = "it was stopped: a loop in it never ends"
        with suppress(FileNotFoundError):
            lines = (self._folder / "seen.jsonl").read_text(encoding="utf-8").strip("\n").split("\n")
            self.seen = {one["id"]: one for one in map(json.loads, lines)}

    def wait(self) -> None:
        """Wait until node is done or was stopped."""
        self._thread.join()


@pytest.fixture(scope="module", autouse=True)
def node_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeRun | None]:
    """Start node before the first test, if any test will ask for it."""
    if not any("javascript" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    run = NodeRun(tmp_path_factory.mktemp("reader"))
    yield run
    run.wait()


@pytest.fixture
def javascript(node_run: NodeRun) -> Callable[[str], dict[str, Any]]:
    """Give what was seen in one scenario."""
    node_run.wait()
    node, reader, printed, seen = node_run.node, node_run.reader, node_run.printed, node_run.seen

    def look(id: str) -> dict[str, Any]:
        assert node, "This test runs static/reader.js in Node.js, and there is no `node`: install Node.js 20 or newer."
        assert reader.is_file(), "static/reader.js is missing. Task 04.8 is two files, client.py and static/reader.js."
        if "TODO 04.8" in printed or any(one["error"] == "TODO 04.8" for one in seen.values()):
            raise NotImplementedError("TODO 04.8")
        trouble = re.findall(r"^\w*Error: .*|^it was stopped.*", printed, re.M)
        assert id in seen, f"readChat never came to an end ({id}). " + (
            trouble[0] if trouble else "It waits for bytes that do not come before it hands on what it has."
        )
        return seen[id]

    return look


JavaScript = Callable[[str], dict[str, Any]]


@pytest.mark.task(8)
def test_javascript_reads_the_answer_wherever_it_is_cut(javascript: JavaScript) -> None:
    """It works on your machine, where every event comes alone; users with a euro sign in the answer see �."""
    usual = "Only what stands between blank lines is an event; those that you do not know are passed over."
    for id in ["uncut", *(id for id in SCENARIOS if id.startswith("cut ")), "bytes", "crlf"]:
        seen = javascript(id)
        first = SCENARIOS[id]["chunks"][0]
        how = {"uncut": "Even uncut", "bytes": "Byte by byte", "crlf": "With CRLF, byte by byte"}
        cut = how.get(id, f"Cut behind {first[-12:]!r}")

        assert seen["error"] is None, f"{cut}, readChat threw {seen['error']!r}. {usual}"
        assert "\ufffd" not in "".join(map(str, seen["texts"])), (
            f"{cut}, the texts are {seen['texts']}: a character was cut in two. `decode` without `stream: true`?"
        )
        assert seen["texts"] == TEXTS, f"{cut}, readChat yielded {seen['texts']}, not {TEXTS}. {usual}"
        usual = "A chunk is no event: keep the rest."


@pytest.mark.task(8)
def test_javascript_hands_on_a_text_when_it_comes(javascript: JavaScript) -> None:
    """`await response.text()` waits for the last token."""
    seen = javascript("first")

    assert seen["error"] is None and seen["texts"] == TEXTS[:1], (
        f"The second text is held back until the first is handed on; readChat yielded {seen['texts']}, {seen['error']}."
    )


@pytest.mark.task(8)
def test_javascript_throws_when_there_is_no_whole_answer(javascript: JavaScript) -> None:
    """A page that shows half an answer as a whole one lies to somebody."""
    for id, what, words in [
        ("no done", "The stream ended without `done`", ""),
        ("half", "The stream ended inside `done`", ""),
        ("error", "An `error` event came", "Overloaded"),
        ("429", "The status was 429", "429"),
    ]:
        seen = javascript(id)

        assert seen["error"] is not None, f"{what}: readChat yielded {seen['texts']} and ended as if that were all."
        assert seen["texts"] == ([] if id.isdigit() else TEXTS), f"{what}: before it threw, it yielded {seen['texts']}."
        assert words in seen["error"], f"{what}: the Error says {seen['error']!r}; it should say {words!r}."


@pytest.mark.task(8)
def test_javascript_ends_at_done(javascript: JavaScript) -> None:
    """The service may keep the connection; the page should not show a spinner meanwhile."""
    seen = javascript("stays")

    assert seen["error"] is None and seen["texts"] == TEXTS, f"readChat yielded {seen['texts']}, {seen['error']}."


@pytest.mark.task(8)
def test_javascript_closes_the_connection_when_nobody_reads_on(javascript: JavaScript) -> None:
    """`break` in the page must reach the model, or it writes on at your cost."""
    seen = javascript("first")

    assert seen["cancelled"], (
        "The loop over readChat was left, but its stream was not cancelled: the server never learns that we left."
    )
