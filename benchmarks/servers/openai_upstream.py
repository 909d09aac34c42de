"""A model provider that costs next to nothing: HTTP/1.1 written by hand, one timer for all streams.

    python benchmarks/servers/openai_upstream.py PORT

It speaks OpenAI's chat completions, stream and not. What it does is said in the last message of the request, such as
`delay=0.5` (seconds before the status line), `tokens=60`, `cadence=0.05` (seconds between tokens), `first=0.1` (before
the first). `GET /stats` tells what became of the calls.
"""

import asyncio
import json
import re
import sys
from typing import Any, cast

TICK_S = 0.01
WISH = re.compile(rb"(delay|tokens|cadence|first)=([0-9.]+)")
USAGE = {"prompt_tokens": 9, "completion_tokens": 60, "total_tokens": 69}
HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "mock-large"}
ANSWER = json.dumps(
    {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "An answer. " * 20, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
).encode()


def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    """Return one event as a chunk of HTTP's chunked encoding."""
    event = json.dumps({**HEAD, "object": "chat.completion.chunk", "choices": choices, **more}).encode()
    return framed(b"data: " + event + b"\n\n")


def framed(data: bytes) -> bytes:
    """Return data as a chunk of HTTP's chunked encoding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nx-request-id: req-1\r\n\r\n"
)
TOKEN = chunk([{"index": 0, "delta": {"content": " token"}, "finish_reason": None}])
END = (
    chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + chunk([], usage=USAGE)
    + framed(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


class Stats:
    """What became of the calls."""

    def __init__(self) -> None:
        self.calls = self.finished = self.left = 0

    def as_json(self) -> bytes:
        """Return the counts, with those that are still open."""
        open_now = self.calls - self.finished - self.left
        return json.dumps({**vars(self), "open": open_now}).encode()


class Provider(asyncio.Protocol):
    """One connection."""

    def __init__(self, stats: Stats, streams: "set[Provider]") -> None:
        self.stats, self.streams = stats, streams
        self.transport: asyncio.Transport | None = None
        self.data = b""
        self.busy = False
        self.waiting: asyncio.TimerHandle | None = None
        self.tokens = 0
        self.next_at = self.cadence = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a call that was left."""
        if self.busy:
            self.stats.left += 1
            self.busy = False
        self.streams.discard(self)
        if self.waiting:
            self.waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Take one request at a time; nobody pipelines here."""
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        if head.startswith(b"GET"):
            self.data = b""
            self.send(200, self.stats.as_json())
            return
        length = re.search(rb"content-length: *(\d+)", head, flags=re.I)
        if length is None:
            self.send(411, b"{}")
            return
        if len(body) < int(length[1]):
            return
        self.data = b""
        self.begin(body)

    def begin(self, body: bytes) -> None:
        """Start an answer."""
        self.stats.calls += 1
        self.busy = True
        wishes = {name.decode(): float(value) for name, value in WISH.findall(body)}
        streamed = re.search(rb'"stream": *true', body) is not None
        loop = asyncio.get_running_loop()

        def answer() -> None:
            if not streamed:
                self.end(200, ANSWER)
                return
            assert self.transport  # noqa: S101 - for the type checker: a request came through it
            self.transport.write(STREAM_HEAD)
            self.tokens = int(wishes.get("tokens", 60))
            self.cadence = wishes.get("cadence", 0.0)
            self.next_at = loop.time() + wishes.get("first", self.cadence)
            self.streams.add(self)

        if delay := wishes.get("delay", 0.0):
            self.waiting = loop.call_later(delay, answer)
        else:
            answer()

    def tick(self, now: float) -> bool:
        """Send what is due; return whether the stream is over."""
        assert self.transport  # noqa: S101 - for the type checker: only open streams tick
        while now >= self.next_at:
            if not self.tokens:
                self.transport.write(END)
                self.busy = False
                self.stats.finished += 1
                return True
            self.transport.write(TOKEN)
            self.tokens -= 1
            self.next_at += self.cadence
        return False

    def end(self, status: int, body: bytes) -> None:
        """Answer as a whole."""
        self.busy = False
        self.stats.finished += 1
        self.send(status, body)

    def send(self, status: int, body: bytes) -> None:
        """Write a response."""
        assert self.transport  # noqa: S101 - for the type checker: a request came through it
        self.transport.write(
            b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    stats, streams = Stats(), set[Provider]()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Provider(stats, streams), "127.0.0.1", port, backlog=4096)
    while True:
        await asyncio.sleep(TICK_S)
        now = loop.time()
        for stream in [*streams]:
            if stream.tick(now):
                streams.discard(stream)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
