# %% [markdown]
# # 04 streaming: tokens as they come
#
# Nine questions about answers whose end you do not know when you send their status.
# Each stands alone: run the cell below, then go to any of them.
# The lesson behind them is `lessons/04_streaming`.

# %%
import mockllm.alias  # first of all: one name for httpx2 and httpx, so that one fake sees every client
from mockllm import MockLLM
from mockllm.router import routed

# %% [markdown]
# ## Why stream at all? What does it change, and what not?
#
# `streaming-01` · junior
#
# *Think first.* A model writes 48 words, four a second.
# When does the user read the first one, when the last one, and what does the answer cost, with a stream and without?

# %% [markdown]
# **Spoken answer.** It changes when the user sees the first word, and nothing else.
# An answer of twelve seconds shows its first word after a quarter of a second instead of twelve, and people read along, so it feels fast.
# The last word comes at the same moment, the tokens are the same, and so is the bill.
# What it costs is on our side: the status is sent before we know how it ends, so errors, clean-up and the end itself need a form of their own inside the stream.
# Where a program reads the answer, and needs all of it before it can do anything, I do not stream.

# %%
import json
from collections.abc import AsyncIterator

import httpx2 as httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pictures import arrivals
from virtual_time import run
from visits import Visit, visit

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
QUESTION = {
    "model": "mock-large",
    "stream": True,
    "messages": [{"role": "user", "content": "Hello"}],
}
app = FastAPI()


async def tokens() -> AsyncIterator[str]:
    async with (
        httpx.AsyncClient(headers=KEY, timeout=60) as client,
        client.stream("POST", URL, json=QUESTION) as reply,
    ):
        async for event in httpx.EventSource(reply):
            if event.data != "[DONE]" and (choices := json.loads(event.data)["choices"]):
                if text := choices[0]["delta"].get("content"):
                    yield text


@app.get("/whole")
async def read_whole() -> str:
    return "".join([token async for token in tokens()])


@app.get("/stream")
async def read_stream() -> StreamingResponse:
    return StreamingResponse(tokens(), media_type="text/plain")


def read(url: str) -> tuple[Visit, int]:
    """One request, and the tokens that the provider has written for it."""
    with MockLLM() as llm, routed(llm):
        llm.tokens(["word "] * 48).slow(first_token_s=0.25, cadence_s=0.25)
        return run(visit(app, url)), llm.last.tokens_sent


seen = {url: read(url) for url in ("/whole", "/stream")}
times = {url: [at for at, _ in reply.pieces] for url, (reply, _) in seen.items()}
for url, (_, written) in seen.items():
    print(
        f"{url:8} first byte at {times[url][0]:5.2f} s, last at {times[url][-1]:5.2f} s, {written} tokens"
    )
assert (times["/whole"][0], times["/stream"][0]) == (12, 0.25)
arrivals(
    {"in one piece": times["/whole"], "as a stream": times["/stream"]},
    until_s=13,
    title="When the bytes of one answer come",
)

# %% [markdown]
# **Listens for**
#
# - Time to the first token against time to the last.
# - Same work, same bill.
# - When not to: a reader that is a program.
#
# **Usual wrong answer.** *"Streaming makes it faster, and I return a `StreamingResponse`, so it streams."*
# The end comes when it came before; and whoever collects first and then streams has only the disadvantages.


# %%
@app.get("/collected")
async def read_collected() -> StreamingResponse:
    collected = [token async for token in tokens()]  # "to be able to handle errors"
    return StreamingResponse(iter(collected), media_type="text/plain")


collected, written = read("/collected")
print(
    "the last byte, in one piece and as a stream:",
    times["/whole"][-1],
    "s and",
    times["/stream"][-1],
    "s",
)
print(
    "collected, then streamed: first byte at",
    collected.pieces[0][0],
    "s, in",
    len(collected.pieces),
    "pieces",
)
assert (
    times["/whole"][-1] == times["/stream"][-1]
    and seen["/whole"][1] == seen["/stream"][1] == written
)
assert collected.pieces[0][0] == 12

# %% [markdown]
# **Then they ask.** *What becomes harder once you stream?*
# What was shown cannot be taken back, so a filter for bad content has to look at pieces before they leave.
# A cache needs the whole, a retry after the first token would repeat what was read, and the usage comes last or, if the reader leaves, never.
#
# **Your turn.** Write when the first and the last byte reach the user.


# %%
def first_and_last(first_s: float, per_token_s: float, tokens: int, streamed: bool) -> list[float]:
    """Return both in seconds; the first token comes at `first_s`, each further one `per_token_s` later."""
    ...


# %%
from verdicts import check


def tried(first_s: float, per_token_s: float, count: int, streamed: bool) -> list[float]:
    with MockLLM() as llm, routed(llm):
        llm.tokens(["word "] * count).slow(first_token_s=first_s, cadence_s=per_token_s)
        pieces = run(visit(app, "/stream" if streamed else "/whole")).pieces
    return [pieces[0][0], pieces[-1][0]]


CASES = [(0.25, 0.25, 48, True), (0.25, 0.25, 48, False), (2.0, 0.5, 1, True), (1.0, 0.5, 5, False)]
check(
    first_and_last,
    [(case, tried(*case)) for case in CASES],
    because=(
        "n tokens have n - 1 pauses between them; in one piece, the first byte comes with the last."
    ),
)

# %% [markdown]
# ## Your stream reader works on your laptop and breaks in production. What is a chunk?
#
# `streaming-02` · mid
#
# *Think first.* The bytes of two events travel, and a network may cut them anywhere.
# In how many of the places does a reader fail that decodes each chunk and looks for lines that begin with `data:`?

# %% [markdown]
# **Spoken answer.** A chunk is what one read returned, and it means nothing: half an event, three events, or two bytes of a character that has three.
# On a laptop each write happens to be one read, so the mistake does not show.
# A reader needs two memories: a decoder that keeps half a character, and a buffer that keeps half an event until its blank line is there.
# I do not write that again where a client brings it, such as httpx's `EventSource`; if I do, I test it by cutting one stream at every byte.
# In the browser it is the same: `decode(value, {stream: true})`, and a buffer.

# %%
import codecs
import json

from pictures import chunks

WIRE = 'data: {"text": "42 €"}\n\ndata: {"text": " net"}\n\n'.encode()


def chunk_by_chunk(pieces: list[bytes]) -> str:
    """As it is often written."""
    text = ""
    for piece in pieces:
        for line in piece.decode(errors="replace").split("\n"):
            if line.startswith("data: "):
                try:
                    text += json.loads(line[6:])["text"]
                except ValueError:
                    pass  # "sometimes there is garbage"
    return text


def with_memory(pieces: list[bytes]) -> str:
    decoder, rest, text = codecs.getincrementaldecoder("utf-8")(), "", ""
    for piece in pieces:
        *events, rest = (rest + decoder.decode(piece)).split("\n\n")
        for event in events:
            text += json.loads(event.removeprefix("data: "))["text"]
    return text


cuts = [[WIRE[:at], WIRE[at:]] for at in range(1, len(WIRE))]
byte_by_byte = [bytes([byte]) for byte in WIRE]
right = {
    reader.__name__: sum(reader(pieces) == "42 € net" for pieces in cuts)
    for reader in (chunk_by_chunk, with_memory)
}
print(f"uncut:          {chunk_by_chunk([WIRE])!r} and {with_memory([WIRE])!r}")
print(
    f"chunk by chunk: right at {right['chunk_by_chunk']} of {len(cuts)} places where it may be cut"
)
print(
    f"with memory:    right at {right['with_memory']}, and byte by byte: {with_memory(byte_by_byte)!r}"
)
assert chunk_by_chunk([WIRE]) == "42 € net", "on the laptop"
assert right["with_memory"] == len(cuts) and right["chunk_by_chunk"] < 0.2 * len(cuts)
assert with_memory(byte_by_byte) == "42 € net"

# %%
one_day = [WIRE[:20], WIRE[20:29], WIRE[29:]]
assert (chunk_by_chunk(one_day), with_memory(one_day)) == ("", "42 € net")
chunks(
    one_day,
    title="Two events in three chunks: one cut inside of a character, one inside of a field's name",
)

# %% [markdown]
# **Listens for**
#
# - A chunk is an accident; an event ends at a blank line.
# - Two memories: half a character, half an event.
# - A test that cuts at every byte.
#
# **Usual wrong answer.** *"I read line by line, `aiter_lines()` and `line[6:]`: that puts the chunks together."*
# It does, and takes characters of the text for line ends, and loses the name of every event.

# %%
import httpx2 as httpx


def line_by_line(wire: str) -> list[str]:
    response = httpx.Response(200, content=wire.encode())
    return [line[6:] for line in response.iter_lines() if line.startswith("data: ")]


def events(wire: str) -> list[tuple[str, str]]:
    request = httpx.Request("GET", "https://service.test")
    response = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, content=wire.encode(), request=request
    )
    return [(event.event, event.data) for event in httpx.EventSource(response)]


# U+2028 ends a line for Python's splitlines(); for the stream it is a character of the text.
SEPARATOR = 'data: {"text": "one\u2028two"}\n\n'
FAILED = 'event: error\ndata: {"text": "overloaded"}\n\n'
print("U+2028 in a text, by lines: ", line_by_line(SEPARATOR))
print("U+2028 in a text, by events:", [json.loads(data)["text"] for _, data in events(SEPARATOR)])
print("an error, by lines and by events:", line_by_line(FAILED), events(FAILED))
assert line_by_line(SEPARATOR) == ['{"text": "one'], "half of the JSON"
assert json.loads(events(SEPARATOR)[0][1])["text"] == "one\u2028two"
assert events(FAILED)[0][0] == "error" and "error" not in line_by_line(FAILED)[0]

# %% [markdown]
# **Then they ask.** *Where do the cuts come from?*
# From TCP, which knows bytes and not messages, from TLS records of at most sixteen kilobytes, from HTTP/2 frames, and from every proxy that copies through a buffer.
# None of them is wrong, so the reader has to be right.
#
# **Your turn.** Write what can be shown after each chunk, without ever showing half a character.


# %%
def shown_after_each(chunks: list[bytes]) -> list[str]:
    """Return for each chunk the new text that it completes, "" if none."""
    ...


# %%
from verdicts import check

EURO = "€".encode()
check(
    shown_after_each,
    [
        (([b"42 ", EURO],), ["42 ", "€"]),
        (([b"42 " + EURO[:1], EURO[1:2], EURO[2:] + b"!"],), ["42 ", "", "€!"]),
        (([b"", "né🙂".encode()[:5], "né🙂".encode()[5:]],), ["", "né", "🙂"]),
    ],
    because=(
        "An incremental decoder keeps the bytes of a character until the last one comes; "
        "a new one for each chunk does not."
    ),
)

# %% [markdown]
# ## The provider answers 429 and your dashboard shows 200. How did that happen?
#
# `streaming-03` · senior
#
# *Think first.* The generator opens the provider and passes its tokens on.
# When does its first line run, and what has been sent by then?

# %% [markdown]
# **Spoken answer.** The provider is asked inside of the generator, and a generator does not run before somebody wants its first item; by then the status line has gone out.
# So a refused key, a rate limit, an overloaded model are all a 200 with an empty body, for the caller and for the dashboard.
# I open the provider before there is a response, in a dependency with `yield`: it waits for the status, may still say no with `Retry-After`, and is closed when the stream is over.
# The price is that nobody cancels that wait when the reader leaves, so I watch for it there myself.
# And since a 200 proves so little, I also count how streams end.

# %%
from collections.abc import AsyncIterator
from typing import Annotated

import httpx2 as httpx
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

URL = "https://api.anthropic.com/v1/messages"
KEY = {"authorization": "Bearer sk-ant-test", "anthropic-version": "2026-10-21"}
QUESTION = {
    "model": "mock-large",
    "max_tokens": 50,
    "stream": True,
    "messages": [{"role": "user", "content": "Hello"}],
}
app = FastAPI()


@app.post("/too-late")
async def create_chat_too_late() -> StreamingResponse:
    async def tokens() -> AsyncIterator[str]:
        async with (
            httpx.AsyncClient(headers=KEY) as client,
            client.stream("POST", URL, json=QUESTION) as reply,
        ):
            async for line in reply.aiter_lines():
                if line.startswith("data: "):
                    yield f"{line}\n\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")


async def open_answer() -> AsyncIterator[httpx.Response]:
    async with (
        httpx.AsyncClient(headers=KEY) as client,
        client.stream("POST", URL, json=QUESTION) as reply,
    ):
        if reply.status_code == 429:
            raise HTTPException(
                429, "the model is busy", {"Retry-After": reply.headers.get("retry-after", "1")}
            )
        if reply.is_error:
            raise HTTPException(502, "the provider refused")
        yield reply  # closed when the stream is over


@app.post("/in-time")
async def create_chat(answer: Annotated[httpx.Response, Depends(open_answer)]) -> StreamingResponse:
    return StreamingResponse(answer.aiter_bytes(), media_type="text/event-stream")


def seen_by_the_caller(url: str, provider_status: int) -> tuple[int, int, str | None]:
    with MockLLM() as llm, routed(llm):
        llm.fail(provider_status, retry_after=7 if provider_status == 429 else None)
        reply = TestClient(app).post(url)
    return reply.status_code, len(reply.content), reply.headers.get("retry-after")


for url in ("/too-late", "/in-time"):
    statuses = {status: seen_by_the_caller(url, status)[0] for status in (401, 429, 529)}
    print(f"{url:10}", ", ".join(f"{theirs} becomes {ours}" for theirs, ours in statuses.items()))
print("and how long to wait:", seen_by_the_caller("/in-time", 429)[2], "s")
assert {seen_by_the_caller("/too-late", status)[:2] for status in (401, 429, 529)} == {(200, 0)}, (
    "an empty success"
)
assert [seen_by_the_caller("/in-time", status)[0] for status in (401, 429, 529)] == [502, 429, 502]
assert seen_by_the_caller("/in-time", 429)[2] == "7"

# %% [markdown]
# **Listens for**
#
# - The order: status line, then the generator's first line.
# - Where the call stands instead, and who closes it.
# - The price of that: waiting for a status, nobody tells you that the reader has gone.
# - A dashboard of statuses says nothing about streams.
#
# **Usual wrong answer.** *"I raise an `HTTPException` in the generator, and a handler turns it into a 429."*
# Both come after the status.

# %%
from virtual_time import run
from visits import Visit, visit

order: list[str] = []
handled = FastAPI()


@handled.exception_handler(HTTPException)
async def refuse(*_) -> None:
    order.append("handler")


@handled.post("/chat")
async def create_chat_with_a_raise() -> StreamingResponse:
    async def tokens() -> AsyncIterator[str]:
        order.append("generator")
        raise HTTPException(429)
        yield ""

    return StreamingResponse(tokens(), media_type="text/event-stream")


async def watched() -> Visit:
    async def outside(scope, receive, send) -> None:
        async def noting(message) -> None:
            if message["type"] == "http.response.start":
                order.append(f"status {message['status']}")
            await send(message)

        await handled(scope, receive, noting)

    return await visit(outside, "/chat", method="POST")


seen = run(watched())
print("in order:", order)
print("the caller has:", seen.status, "and a whole body:", seen.whole)
print("the server's log has:", type(seen.error).__name__, "-", seen.error)
assert order == ["status 200", "generator"], "the handler was never called"
assert (seen.status, seen.whole) == (200, False)

# %% [markdown]
# **Then they ask.** *And an error after the first token?*
# There is no status left, so it is an event: `error`, with a type and words that give nothing away, and then the end.
# The reader insists on a last event that says that all is well, because a cut connection looks like an end.
#
# **Your turn.** Write the status that the caller sees, given what happens in order.


# %%
def seen_status(moments: list[str]) -> int:
    """Return it; moments are "status 200" (ours is sent) and "provider 429" (it answers).

    As long as we can, a provider's 429 is passed on, and any other error of it becomes 502.
    """
    ...


# %%
from verdicts import check

check(
    seen_status,
    [
        ((["status 200", "provider 429"],), 200),
        ((["provider 429"],), 429),
        ((["provider 529"],), 502),
        ((["provider 200", "status 200"],), 200),
        ((["provider 401"],), 502),
    ],
    because=(
        "What was sent first counts. "
        "Before that, 429 is passed on, any other error of the provider is a 502."
    ),
)

# %% [markdown]
# ## The model dies after forty tokens. What does the client see, and how does it know?
#
# `streaming-04` · senior
#
# *Think first.* The connection to the provider just ends, in the middle of a sentence.
# What tells half an answer from a whole one?

# %% [markdown]
# **Spoken answer.** Nothing by itself: the bytes stop, and a loop over them ends without an error, just as it does after a whole answer.
# Only the provider's own end marker tells, `message_stop` in one dialect and `[DONE]` in the other, so a stream that ends without it is an error, also if a stop reason came.
# I cannot change the status any more, so my stream says it in an event: exactly one `done` or one `error` at the end of every answer.
# The reader needs the other half: without a `done` it has no answer, whatever text it shows.
# An error in the middle may also be an event of the provider with a status of 200, so I look for that too.

# %%
import json
from collections.abc import AsyncIterator

import httpx2 as httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from virtual_time import run
from visits import visit

URL = "https://api.anthropic.com/v1/messages"
KEY = {"authorization": "Bearer sk-ant-test", "anthropic-version": "2026-10-21"}
QUESTION = {
    "model": "mock-large",
    "max_tokens": 99,
    "stream": True,
    "messages": [{"role": "user", "content": "Hello"}],
}
app = FastAPI()


async def texts() -> AsyncIterator[str]:
    """The texts of a whole answer; ConnectionError if it is not whole."""
    async with (
        httpx.AsyncClient(headers=KEY) as client,
        client.stream("POST", URL, json=QUESTION) as reply,
    ):
        async for event in httpx.EventSource(reply):
            match json.loads(event.data):
                case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}:
                    yield text
                case {"type": "error", "error": {"message": message}}:
                    raise ConnectionError(message)
                case {"type": "message_stop"}:
                    return
    raise ConnectionError("the model broke off")


def encode(name: str, data: dict) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


@app.post("/chat")
async def create_chat() -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        try:
            async for text in texts():
                yield encode("delta", {"text": text})
            yield encode("done", {})
        except (ConnectionError, httpx.TransportError) as error:
            yield encode("error", {"message": str(error)})

    return StreamingResponse(events(), media_type="text/event-stream")


# %%
def names(script) -> list[str]:
    """The events that a reader gets, as the provider goes through this script."""
    with MockLLM() as llm, routed(llm):
        script(llm.tokens(["word "] * 50))
        return [
            line[7:]
            for line in run(visit(app, "/chat", method="POST")).text.split("\n")
            if line.startswith("event: ")
        ]


ends = {
    "whole": names(lambda answer: answer),
    "cut after 40": names(lambda answer: answer.cut(after=40)),
    "an error after 40": names(lambda answer: answer.fail(529, after=40)),
}
for name, events in ends.items():
    print(f"{name:18} {events.count('delta')} texts, then {events[-1]}")
assert [events[-1] for events in ends.values()] == ["done", "error", "error"]
assert [events.count("delta") for events in ends.values()] == [50, 40, 40]

# %% [markdown]
# **Listens for**
#
# - A cut looks like an end; only a marker tells.
# - Both halves: the service says `done` or `error`, the reader insists on it.
# - The provider's error event inside of a 200.
#
# **Usual wrong answer.** *"The client gets an exception: the SDK raises when the connection drops."*
# Over a cut, the loop of an official client just ends.

# %%
import openai


async def with_the_official_client() -> tuple[int, set]:
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0) as client:
        question = [{"role": "user", "content": "Hello"}]
        stream = await client.chat.completions.create(
            model="mock-large", messages=question, stream=True
        )
        count, reasons = 0, set()
        async for chunk in stream:  # no exception
            for choice in chunk.choices:
                count += bool(choice.delta.content)
                reasons.add(choice.finish_reason)
        return count, reasons


with MockLLM() as llm, routed(llm):
    llm.tokens(["word "] * 50).cut(after=40)
    cut = run(with_the_official_client())
    llm.tokens(["word "] * 50)
    whole = run(with_the_official_client())
print("cut after 40:", cut[0], "texts, no exception, finish_reason:", cut[1] - {None} or "none")
print("whole:       ", whole[0], "texts, no exception, finish_reason:", *(whole[1] - {None}))
assert cut == (40, {None}) and whole == (50, {None, "stop"})

# %% [markdown]
# **Then they ask.** *The user has forty tokens on the screen. What do you do with them?*
# They stay, marked as broken off, with a button to ask again: taking away what somebody reads is worse.
# They are not stored as an answer, not cached, and not put into the conversation's history as if the model had said that and no more.
#
# **Your turn.** Write whether an answer is whole, from the names of its events.


# %%
def is_whole(names: list[str]) -> bool:
    """Return whether the reader has a whole answer; pings may come anywhere, and unknown names are passed over."""
    ...


# %%
from verdicts import check

check(
    is_whole,
    [
        ((["delta", "delta", "done"],), True),
        ((["delta", "delta"],), False),
        ((["delta", "error"],), False),
        (([],), False),
        ((["ping", "done"],), True),
        ((["delta", "error", "done"],), False),
    ],
    because=(
        "A `done` must have come, and no `error`; "
        "an empty answer can be whole, a long one can be cut."
    ),
)

# %% [markdown]
# ## The reader closes the tab in the middle of a stream. What runs, and what leaks?
#
# `streaming-05` · senior
#
# *Think first.* The generator has a `finally` that gives a connection back to the pool with an `await`.
# Does that line run? And the one behind it?

# %% [markdown]
# **Spoken answer.** The task that sends the stream is cancelled at its next `await`, so `CancelledError` goes through my generator and its `finally` runs.
# But the task is cancelled, so the first `await` inside that `finally` is cancelled too, and what stands behind it never happens.
# So each reader who closes a tab costs one connection, until the pool is empty and the service stands still with nothing in the log.
# I put a shield around clean-up that awaits, `anyio.CancelScope(shield=True)`, and nothing in it that can take long.
# The provider's stream I open with `async with`, and test that a reader who leaves after one token ends it there.

# %%
from collections.abc import AsyncIterator

import anyio
import httpx2 as httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from virtual_time import run
from visits import visit

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
QUESTION = {
    "model": "mock-large",
    "stream": True,
    "messages": [{"role": "user", "content": "Hello"}],
}


class Pool:
    """Three connections, which are given back with an `await`, as real ones are."""

    def __init__(self) -> None:
        self.free = ["first", "second", "third"]

    async def give_back(self, connection: str) -> None:
        await anyio.sleep(0)  # says good-bye to the other side
        self.free.append(connection)


def service(pool: Pool, *, shielded: bool) -> FastAPI:
    app = FastAPI()

    async def tokens() -> AsyncIterator[str]:
        connection = pool.free.pop()
        try:
            async with (
                httpx.AsyncClient(headers=KEY) as client,
                client.stream("POST", URL, json=QUESTION) as reply,
            ):
                async for line in reply.aiter_lines():
                    yield line
        finally:
            with anyio.CancelScope(shield=shielded):
                await pool.give_back(connection)

    @app.post("/chat")
    async def create_chat() -> StreamingResponse:
        return StreamingResponse(tokens())

    return app


def three_readers_leave(*, shielded: bool) -> tuple[list[str], list[int]]:
    """What is free afterwards, and how many of 100 tokens the provider wrote for each."""
    pool = Pool()
    app = service(pool, shielded=shielded)
    with MockLLM() as llm, routed(llm):
        llm.default.tokens(["word "] * 100).slow(cadence_s=1)
        for _ in range(3):
            run(visit(app, "/chat", method="POST", leaves_at_s=2.5))
        return pool.free, [request.tokens_sent for request in llm.closed_early]


free, written = three_readers_leave(shielded=True)
print("three readers leave after 2.5 s; free connections:", len(free))
print("tokens that the provider wrote for each, of 100:  ", written)
assert len(free) == 3
assert written == [3, 3, 3]

# %% [markdown]
# **Listens for**
#
# - The task is cancelled, and stays cancelled: the next `await` is cancelled too.
# - A shield, around as little as possible.
# - What it looks like: a pool that empties slowly, and no error.
# - That the provider's stream ends as well, and that this is tested.
#
# **Usual wrong answer.** *"There is a `finally`, and `finally` always runs."*
# It runs as far as its first `await`.

# %%
free, written = three_readers_leave(shielded=False)
print("three readers leave; free connections:", len(free))
print("the streams themselves were closed:   ", written)
assert free == [], "the fourth reader finds an empty pool"
assert written == [3, 3, 3]

# %% [markdown]
# **Then they ask.** *And a route that does not stream?*
# Nobody cancels it: it runs to its end and pays.
# The same is true of a stream that still waits for its first token, if that wait stands before the response; so there I race the work against `http.disconnect`.
#
# **Your turn.** Write after how many requests the pool is empty, if one reader in so many leaves and each leaver costs a connection.


# %%
def empty_after(pool: int, one_in: int) -> int:
    """Return the number of the request that takes the last connection for good; every `one_in`-th reader leaves."""
    ...


# %%
from verdicts import check

check(
    empty_after,
    [((10, 20), 200), ((1, 3), 3), ((5, 1), 5)],
    because="Every `one_in` requests cost one connection, and there are `pool` of them.",
)

# %% [markdown]
# ## It streams on your laptop; behind nginx everything arrives at once. What do you look at?
#
# `streaming-06` · mid
#
# *Think first.* A proxy reads from you into a buffer of four kilobytes, and writes when the buffer is full.
# How long does a reader wait for the first of your twenty-byte events?

# %% [markdown]
# **Spoken answer.** At whoever stands between us and gathers: nginx buffers answers unless it is told not to, a compressing middleware waits for more to compress, and so do some load balancers.
# The header `X-Accel-Buffering: no` on the response tells nginx, `Cache-Control: no-cache` the caches, and event streams are left out of compression.
# Then I look at silence: a proxy closes a connection that says nothing for a minute, so while the model thinks I send a comment every fifteen seconds, which no reader sees.
# FastAPI's `EventSourceResponse` does both.
# And I look at it from outside, with `curl -N`, because a test client knows no proxy.

# %%
import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pictures import arrivals
from virtual_time import run
from visits import Visit, visit

app = FastAPI()


async def events() -> AsyncIterator[str]:
    for n in range(24):
        await asyncio.sleep(0.5)
        yield f"data: token {n}\n\n"


@app.get("/bare")
async def read_bare() -> StreamingResponse:
    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/told")
async def read_told() -> StreamingResponse:
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def behind_a_proxy(app, buffer_bytes: int = 4_096):
    """As nginx does: gather until the buffer is full or the answer over, unless the answer says not to."""

    async def proxy(scope, receive, send) -> None:
        kept, gathers = b"", True

        async def gather(message) -> None:
            nonlocal kept, gathers
            if message["type"] == "http.response.start":
                gathers = (b"x-accel-buffering", b"no") not in message["headers"]
            elif gathers:
                kept += message.get("body", b"")
                if message.get("more_body") and len(kept) < buffer_bytes:
                    return
                message, kept = {**message, "body": kept}, b""
            await send(message)

        await app(scope, receive, gather)

    return proxy


seen: dict[str, Visit] = {
    "straight": run(visit(app, "/bare")),
    "behind a proxy": run(visit(behind_a_proxy(app), "/bare")),
    "behind a proxy, told": run(visit(behind_a_proxy(app), "/told")),
}
times = {name: [at for at, _ in reply.pieces] for name, reply in seen.items()}
for name, at in times.items():
    print(f"{name:22} {len(at):2} pieces, the first after {at[0]:g} s")
assert [(len(at), at[0]) for at in times.values()] == [(24, 0.5), (1, 12), (24, 0.5)]
arrivals(times, until_s=13, title="24 events, one every half second: when they reach the reader")

# %% [markdown]
# **Listens for**
#
# - Who gathers: proxy, compression, load balancer, in this order.
# - The header, and where it comes from by itself.
# - Silence: the proxy's patience, and a ping that is a comment.
# - Looks from outside.
#
# **Usual wrong answer.** *"`Connection: keep-alive`: then it stays open and streams."*
# That header is a matter between two machines, HTTP/2 forbids it, and it does nothing about the buffer.


# %%
@app.get("/kept-alive")
async def read_kept_alive() -> StreamingResponse:
    return StreamingResponse(
        events(), media_type="text/event-stream", headers={"Connection": "keep-alive"}
    )


kept = run(visit(behind_a_proxy(app), "/kept-alive"))
print("with Connection: keep-alive:", len(kept.pieces), "piece, after", kept.pieces[0][0], "s")
print("and it was sent as it stands:", kept.headers["connection"])
assert [at for at, _ in kept.pieces] == [12]

# %% [markdown]
# **Then they ask.** *The first token may take forty seconds. What keeps the connection?*
# The ping: a line that begins with a colon, and a blank one.
# Every proxy counts it as bytes, every reader passes over it, and it also finds out early that the reader has gone, because a write into a closed socket fails.
#
# **Your turn.** Write whether a stream outlives a proxy's patience.


# %%
def stays_open(silences_s: list[float], ping_every_s: float | None, patience_s: float) -> bool:
    """Return whether no pause without a byte is as long as the patience; None sends no pings."""
    ...


# %%
from verdicts import check

check(
    stays_open,
    [
        (([1.0, 40.0], None, 60.0), True),
        (([1.0, 90.0], None, 60.0), False),
        (([1.0, 90.0], 15.0, 60.0), True),
        (([90.0], 75.0, 60.0), False),
        (([], None, 60.0), True),
    ],
    because=(
        "With pings no pause is longer than their distance; without, the longest silence counts."
    ),
)

# %% [markdown]
# ## Why not `EventSource` in the browser, and why not WebSockets?
#
# `streaming-07` · junior
#
# *Think first.* A prompt has ten thousand characters, the user has a token, and the answer is over after ten seconds.
# Which of these does `EventSource` know what to do with?

# %% [markdown]
# **Spoken answer.** `EventSource` sends only GET and no headers of mine, so the prompt and the key would stand in the URL, where logs keep them.
# And it was made for streams that never end: when the answer is over it connects again by itself, and I pay for it again.
# A WebSocket is a second protocol to authenticate, to balance and to time out, for something that flows one way.
# So I answer a `POST` with the same event stream format and read it with `fetch`, which sends a body and headers and can be aborted.
# WebSockets I take when both sides talk at any moment: voice, or several people in one document.

# %%
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from virtual_time import run
from visits import Visit, visit

app, asked = FastAPI(), []


def answer(prompt: str) -> StreamingResponse:
    asked.append(prompt)  # what the provider is paid for
    return StreamingResponse(
        iter(["data: 42\n\n", "event: done\ndata: {}\n\n"]), media_type="text/event-stream"
    )


@app.get("/ask")
async def read_answer(prompt: str) -> StreamingResponse:
    return answer(prompt)


@app.post("/chat")
async def create_chat(body: dict) -> StreamingResponse:
    return answer(body["prompt"])


async def like_event_source(url: str, connections: int) -> list[Visit]:
    """GET, no headers, and once more whenever the stream is over or broken: what the standard asks of EventSource."""
    visits: list[Visit] = []
    while len(visits) < connections:
        visits.append(await visit(app, url, headers={"accept": "text/event-stream"}))
        if visits[-1].status != 200:
            break  # only a refusal stops it
    return visits


url = "/ask?prompt=my+diagnosis"
run(like_event_source(url, connections=3))
paid = len(asked)
refused = run(like_event_source("/chat", connections=3))
print("EventSource asks a POST route:", refused[0].status)
print("EventSource asks a GET route, and the access log has:", url)
print(f"and when the answer is over it connects again: {paid} answers paid for one question")
assert [one.status for one in refused] == [405]
assert paid == 3

# %% [markdown]
# **Listens for**
#
# - GET only, no headers: what that does to prompts and keys.
# - It reconnects at the end.
# - What a WebSocket costs, and when it is worth it.
#
# **Usual wrong answer.** *"Server-sent events are GET only, so for a POST we need WebSockets."*
# The browser's class is; the format is a content type, and any response may have it.

# %%
import httpx2 as httpx

asked.clear()
seen = run(
    visit(
        app,
        "/chat",
        method="POST",
        json={"prompt": "my diagnosis"},
        headers={"authorization": "Bearer t"},
    )
)
request = httpx.Request("POST", "https://service.test/chat")
response = httpx.Response(
    200, headers={"content-type": seen.headers["content-type"]}, content=seen.body, request=request
)
names = [(event.event, event.data) for event in httpx.EventSource(response)]
print("a POST with a body and a key:", seen.status, seen.headers["content-type"])
print("its events:", names, "- asked", len(asked), "time")
assert names == [("message", "42"), ("done", "{}")] and asked == ["my diagnosis"]

# %% [markdown]
# **Then they ask.** *What do you lose without `EventSource`?*
# Its parser and its reconnecting, so the reader has to keep half an event between two reads and to decide itself what a broken answer means.
# For a chat that is right: asking again costs money, and a person should decide it.
#
# **Your turn.** Choose.


# %%
def transport(sends_body: bool, both_talk_at_any_time: bool, ends: bool) -> str:
    """Return "websocket", "fetch" (an event stream, read with fetch) or "EventSource"."""
    ...


# %%
from verdicts import check

check(
    transport,
    [
        ((True, False, True), "fetch"),
        ((False, False, True), "fetch"),
        ((False, False, False), "EventSource"),
        ((True, True, False), "websocket"),
        ((False, True, False), "websocket"),
        ((True, False, False), "fetch"),
    ],
    because=(
        "Both talk at any time: websocket. A body to send, or an end that must stay one: fetch. "
        "Else EventSource is made for it."
    ),
)

# %% [markdown]
# ## Where does a timeout belong in a stream, and what does one around a `yield` measure?
#
# `streaming-08` · senior
#
# *Think first.* The model is quick, the reader takes twenty seconds for each token, and `asyncio.timeout(30)` stands around the loop.
# Who is cut off, and why?

# %% [markdown]
# **Spoken answer.** Around the wait for the next part, and nowhere else: one deadline for the first token, because a model may think, and a shorter one for each further token.
# A timeout around the whole loop also counts the time in which my generator is suspended at its `yield`, and that is the reader's time: a slow reader is cut off although the model was quick, and a long answer although it came steadily.
# For pings I wait with `asyncio.wait`, which leaves the task alone; `wait_for` cancels it, and a cancelled generator has ended.
# The HTTP client's read timeout is the same idea one floor below: silence, not length.

# %%
import asyncio
from collections.abc import AsyncIterator

from virtual_time import now, run


async def model(silences_s: list[float]) -> AsyncIterator[str]:
    for silence in silences_s:
        await asyncio.sleep(silence)
        yield "word"


async def with_deadlines(
    parts: AsyncIterator[str], *, first_s: float, next_s: float
) -> AsyncIterator[str]:
    iterator, limit_s = aiter(parts), first_s
    while True:
        try:
            async with asyncio.timeout(limit_s):
                part = await anext(iterator)
        except StopAsyncIteration:
            return
        yield part  # outside of the timeout: the reader's time
        limit_s = next_s


async def read(parts: AsyncIterator[str], takes_s: float = 0.0) -> tuple[int, str, float]:
    """How many words a reader gets who takes so long for each, what ends it, and when."""
    count = 0
    try:
        async for _ in parts:
            count += 1
            await asyncio.sleep(takes_s)
    except TimeoutError:
        return count, "the model was silent", now()
    except asyncio.CancelledError:  # only to look at it; a reader lets it pass
        return count, "the reader was cancelled", now()
    finally:
        await parts.aclose()
    return count, "the end", now()


limits = {"first_s": 60, "next_s": 20}
quick, thinks, falls_silent = [0.1] * 5, [40, *[0.1] * 4], [0.1, 0.1, 3_600, 0.1, 0.1]
seen = {
    "thinks for 40 s": run(read(with_deadlines(model(thinks), **limits))),
    "falls silent": run(read(with_deadlines(model(falls_silent), **limits))),
    "a slow reader": run(read(with_deadlines(model(quick), **limits), takes_s=20)),
}
for name, (words, end, at) in seen.items():
    print(f"{name:16} {words} of 5 words, {end}, after {at:5.1f} s")
assert seen["thinks for 40 s"][:2] == (5, "the end")
assert seen["falls silent"] == (2, "the model was silent", 20.2)
assert seen["a slow reader"][:2] == (5, "the end")

# %% [markdown]
# **Listens for**
#
# - Silence, not length: a deadline for each part.
# - Two numbers, because the first token is different.
# - A `yield` hands the clock to the reader.
# - `wait` instead of `wait_for` where the generator must live on.
#
# **Usual wrong answer.** *"`async with asyncio.timeout(30)` around the loop that yields."*
# It cuts off the reader, and the next `wait_for` ends the model.


# %%
async def with_one_deadline(parts: AsyncIterator[str]) -> AsyncIterator[str]:
    async with asyncio.timeout(30):
        async for part in parts:
            yield part


async def ping_with_wait_for() -> list[str]:
    tokens, said = model([40, 0.1]), []
    for _ in range(3):
        try:
            said.append(await asyncio.wait_for(anext(tokens), 15))
        except TimeoutError:
            said.append("ping")
        except StopAsyncIteration:
            said.append("the model has ended")
    return said


words, end, at = run(read(with_one_deadline(model(quick)), takes_s=20))
print(f"one deadline, a slow reader: {words} of 5 words, {end}, after {at:g} s")
print("wait_for around the next token:", run(ping_with_wait_for()))
assert (words, end, at) == (2, "the reader was cancelled", 30)
assert run(ping_with_wait_for()) == ["ping", "the model has ended", "the model has ended"]

# %% [markdown]
# **Then they ask.** *And a model that sends one token every nineteen seconds, for an hour?*
# Each part is in time, so these deadlines never fire; `max_tokens` bounds how many there can be.
# If the whole must have an end, I add a third number and look at the clock between two parts, without a timeout around the `yield`.
#
# **Your turn.** Write the longest that an answer can take from the model's side, with these deadlines.


# %%
def longest(first_s: float, next_s: float, max_tokens: int) -> float:
    """Return seconds; the reader takes no time."""
    ...


# %%
from verdicts import check

check(
    longest,
    [((60.0, 20.0, 1), 60.0), ((60.0, 20.0, 4), 120.0), ((10.0, 0.5, 101), 60.0)],
    because="The first part has a deadline of its own; each of the others has one too.",
)

# %% [markdown]
# ## The phone loses its network at token 40 and comes back. Do you resume or start again?
#
# `streaming-09` · staff
#
# *Think first.* A hundred tokens were to come.
# What does each choice cost, how many tokens does the provider write, and what has to be kept where?

# %% [markdown]
# **Spoken answer.** It depends on what an answer costs and who loses connections.
# To start again is simple and pays twice, and the second answer is another one, so the screen jumps.
# To resume, the answer must not belong to the request: a producer writes numbered events to a store, any request reads from a number on, and the reader sends the last id that it saw.
# Then the reader's leaving no longer ends the provider's call, so that needs a rule of its own: a grace of some seconds, or a stop button.
# And the store is shared by all workers, with a time to live, because the reader comes back to another one.
# For a chat on phones I build it; inside a data center I start again.

# %%
import asyncio
import json
from collections.abc import AsyncIterator

import httpx2 as httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from virtual_time import run
from visits import visit

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
QUESTION = {
    "model": "mock-large",
    "stream": True,
    "messages": [{"role": "user", "content": "Hello"}],
}


async def tokens() -> AsyncIterator[str]:
    async with (
        httpx.AsyncClient(headers=KEY, timeout=60) as client,
        client.stream("POST", URL, json=QUESTION) as reply,
    ):
        async for event in httpx.EventSource(reply):
            if event.data != "[DONE]" and (choices := json.loads(event.data)["choices"]):
                if text := choices[0]["delta"].get("content"):
                    yield text


def resumable() -> FastAPI:
    app, producers = FastAPI(), set()
    kept = {}  # stands for a Redis stream, which all workers share
    news = asyncio.Condition()

    async def produce(chat: str) -> None:
        async for text in tokens():
            async with news:
                kept[chat].append(text)
                news.notify_all()
        async with news:
            kept[chat].append(None)  # the end
            news.notify_all()

    @app.get("/chats/{chat}")
    async def read_chat(chat: str, request: Request) -> StreamingResponse:
        if chat not in kept:
            kept[chat] = []
            producers.add(asyncio.create_task(produce(chat)))

        async def events(seen: int) -> AsyncIterator[str]:
            while True:
                async with news:
                    await news.wait_for(lambda: len(kept[chat]) > seen)
                if (text := kept[chat][seen]) is None:
                    return
                seen += 1
                yield f"id: {seen}\ndata: {text}\n\n"

        return StreamingResponse(events(int(request.headers.get("last-event-id", 0))))

    return app


# %%
def per_request() -> FastAPI:
    app = FastAPI()

    @app.get("/chats/{chat}")
    async def read_chat(chat: str) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            number = 0
            async for text in tokens():
                number += 1
                yield f"id: {number}\ndata: {text}\n\n"

        return StreamingResponse(events())

    return app


def lost_at_40(build) -> tuple[list[int], int, int]:
    """The ids that the reader got in all, the provider's calls, the tokens that it wrote."""

    async def both() -> list[int]:
        app = build()
        first = await visit(app, "/chats/7", leaves_after=40)
        again = await visit(app, "/chats/7", headers={"last-event-id": "40"})
        lines = (first.text + again.text).split("\n")
        return [int(line[4:]) for line in lines if line.startswith("id: ")]

    with MockLLM() as llm, routed(llm):
        llm.default.tokens(["word"] * 100).slow(cadence_s=0.1)
        ids = run(both())
        return ids, len(llm.requests), sum(request.tokens_sent for request in llm.requests)


ids, calls, written = lost_at_40(resumable)
print(f"resumed:      {len(ids)} events, each once and in order: {ids == list(range(1, 101))}")
print(f"the provider: {calls} call, {written} tokens")
assert ids == list(range(1, 101))
assert (calls, written) == (1, 100)

# %% [markdown]
# **Listens for**
#
# - Both choices with their price; asks what an answer costs.
# - The answer belongs to a store and not to a request; ids; any worker can go on.
# - What resuming breaks: leaving no longer means stop.
# - A time to live, and what happens when the id is too old.
#
# **Usual wrong answer.** *"I number the events, and the browser resumes by itself: it sends `Last-Event-ID`."*
# It sends it; the rest is yours.

# %%
ids, calls, written = lost_at_40(per_request)
print(f"numbered and no more: {len(ids)} events, {len(ids) - len(set(ids))} of them twice")
print(f"the provider:         {calls} calls, {written} tokens")
assert len(ids) == 140 and len(set(ids)) == 100
assert calls == 2 and written > 135

# %% [markdown]
# **Then they ask.** *Nobody comes back. When does the producer stop?*
# When the grace is over: the reader's leaving starts a timer, a new reader stops it, and at its end the task is cancelled, which closes the provider's stream.
# How much was written by then is settled like every other answer; the store forgets the rest by its time to live.
#
# **Your turn.** Write what a reader still has to get. `kept` are numbered texts, oldest first; old ones may be gone.


# %%
def still_to_send(kept: list[tuple[int, str]], last_id: int) -> list[str] | None:
    """Return the texts behind `last_id`, or None if one of them is gone and the answer cannot be resumed."""
    ...


# %%
from verdicts import check

KEPT = [(5, "five"), (6, "six"), (7, "seven")]
check(
    still_to_send,
    [
        ((KEPT, 5), ["six", "seven"]),
        ((KEPT, 7), []),
        ((KEPT, 4), ["five", "six", "seven"]),
        ((KEPT, 3), None),
        (([(1, "one")], 0), ["one"]),
    ],
    because=(
        "Whatever has a larger id; "
        "but if the oldest that is kept is not the next one, something in between is lost."
    ),
)
