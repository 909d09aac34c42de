"""What lesson 07 promises. The tests are cluster, server, Lambda and Redis; hadolint and Compose are the real ones.

Nothing here waits by the clock: time is virtual, and what happens at the same moment is held until it does.
"""

import asyncio
import base64
import gc
import json
import logging
import math
import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from heapq import heappop, heappush
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest
from anyio import to_thread
from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from . import app as lesson

HERE = Path(__file__).parent
PATIENCE_S = 3.0  # real seconds that a wrong answer is given; a right one never waits for them


def text_of(value: Any) -> str:
    """A value as JSON: what it is, whatever it says that it equals."""
    return json.dumps(value, sort_keys=True)


# 07.1


class Part:
    """Something that the service talks to, and how often it was pinged."""

    def __init__(
        self, name: str, kind: Any = "needed", *, error: str = "", hangs: bool = False, takes: float = 0.01
    ) -> None:
        self.name, self.kind, self.error, self.takes = name, kind, error, 3_600 if hangs else takes
        self.pings = 0

    async def ping(self) -> None:
        """Be well, or not."""
        self.pings += 1
        await asyncio.sleep(self.takes)
        if self.error:
            raise ConnectionError(self.error)


@asynccontextmanager
async def prober(*parts: Part, drain: Any = None, **timing: float) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """What a cluster does: `await probe("live")` gives status and body."""
    app = FastAPI()
    readiness = lesson.Readiness([lesson.Part(one.name, one.ping, one.kind) for one in parts], **timing)
    app.include_router(lesson.probes(readiness, drain or lesson.Drain()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as caller:

        async def probe(name: str) -> tuple[int, str, dict[str, Any]]:
            reply = await caller.get(f"/health/{name}")
            try:
                body = reply.json()
            except ValueError:
                body = {}
            return reply.status_code, reply.text, body if isinstance(body, dict) else {}

        yield probe


@pytest.mark.task(1)
@pytest.mark.looptime
async def test_alive_whatever_the_parts_say() -> None:
    """Ask the database in a liveness probe, and a slow database restarts every replica at once."""
    database, model = Part("database", hangs=True), Part("model", "remote", error="down")
    async with prober(database, model) as probe:
        status, _, body = await probe("live")

    assert (status, body.get("status")) == (200, "alive"), (
        f"the database hangs, and GET /health/live answered {status} {body}. "
        "A restart mends no database: alive means that this process can answer."
    )
    assert database.pings + model.pings == 0, (
        "GET /health/live asked a part. Alive is a question about this process alone."
    )


@pytest.mark.task(1)
async def test_alive_while_every_thread_is_busy() -> None:
    """Forty slow calls in threads are load, no reason for a restart that loses all forty."""
    threads = to_thread.current_default_thread_limiter()
    async with prober() as probe:
        for work in range(int(threads.total_tokens)):
            threads.acquire_on_behalf_of_nowait(f"work {work}")
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, _, _ = await probe("live")
        except TimeoutError:
            status = None

    assert status == 200, (
        "All 40 threads are busy, and GET /health/live does not answer: it waits for a thread, and is restarted under "
        "load. A plain `def` route runs in a thread; `async def` does not."
        if status is None
        else f"GET /health/live answered {status}"
    )


@pytest.mark.task(1)
@pytest.mark.looptime
@pytest.mark.parametrize(
    ("parts", "status", "word", "states"),
    [
        ([("database", "needed", "")], 200, "ready", {"database": "ok"}),
        ([], 200, "ready", {}),
        ([("database", "needed", "failed")], 503, "not ready", {"database": "failed"}),
        ([("database", "needed", "timeout")], 503, "not ready", {"database": "timeout"}),
        (
            [("database", "needed", ""), ("cache", "helpful", "failed")],
            200,
            "degraded",
            {"database": "ok", "cache": "failed"},
        ),
        (
            [("database", "needed", "failed"), ("cache", "helpful", "failed")],
            503,
            "not ready",
            {"database": "failed", "cache": "failed"},
        ),
    ],
    ids=["well", "no-parts", "needed-fails", "needed-hangs", "helpful-fails", "both-fail"],
)
async def test_ready_is_what_the_parts_say(parts: Any, status: int, word: str, states: dict[str, str]) -> None:
    """A replica without its database should get no requests; one without its cache should, and say so."""
    made = [
        Part(name, kind, error="no" if how == "failed" else "", hangs=how == "timeout") for name, kind, how in parts
    ]
    async with prober(*made) as probe:
        seen_status, _, body = await probe("ready")

    seen = text_of({"status": body.get("status"), "parts": body.get("parts")})
    assert (seen_status, seen) == (status, text_of({"status": word, "parts": states})), (
        f"with {parts} GET /health/ready answered {seen_status} {body}, not {status} {word!r} and {states}"
    )


@pytest.mark.task(1)
@pytest.mark.looptime
@pytest.mark.parametrize("how", ["well", "down", "silent"])
async def test_ready_never_asks_the_provider(how: str) -> None:
    """One provider, all replicas: when it is down, a probe that asks it takes the whole service off the net."""
    provider = Part("provider", "remote", error="down" if how == "down" else "", hangs=how == "silent")
    async with prober(Part("database"), provider) as probe:
        status, _, body = await probe("ready")

    assert provider.pings == 0, (
        "GET /health/ready asked the provider, a remote part. Every replica asks it every few seconds, pays, is "
        "rate-limited, and when it is down all of them leave the load balancer at once: nobody is left to say 503 "
        "politely."
    )
    assert (status, text_of(body.get("parts"))) == (200, '{"database": "ok"}'), (
        f"the provider is {how}, and GET /health/ready answered {status} {body}"
    )


@pytest.mark.task(1)
@pytest.mark.looptime
async def test_parts_are_asked_at_once_and_each_has_a_deadline() -> None:
    """A probe gives up after a second; one that asks three silent parts in turn has never answered by then."""
    parts = [Part(name, hangs=True) for name in ("database", "queue", "index")]
    async with prober(*parts, timeout_s=0.8) as probe:
        began = asyncio.get_running_loop().time()
        await probe("ready")
        took = asyncio.get_running_loop().time() - began

    assert 0.79 <= took <= 0.9, (
        f"three parts say nothing, timeout_s=0.8, and the answer took {took:.1f} s. "
        "2.4 means one after another; 3600 means that nobody stopped waiting."
    )


@pytest.mark.task(1)
@pytest.mark.looptime
async def test_many_probes_are_one_question() -> None:
    """Three zones, a mesh and a dashboard probe every second; the database should not hear all of them."""
    database, cache_ = Part("database", takes=0.7), Part("cache", "helpful", error="no")
    async with prober(database, cache_, fresh_s=5) as probe:
        await asyncio.gather(*(probe("ready") for _ in range(6)))
        at_once = database.pings
        await asyncio.sleep(4.5)
        before = (await probe("ready"))[0], database.pings
        await asyncio.sleep(1)
        database.error = "down"
        after = (await probe("ready"))[0], database.pings

    assert at_once == 1, (
        f"six probes at the same moment pinged the database {at_once} times. Who comes while it is asked waits for "
        "that answer, also when it is a bad one: here the cache has failed."
    )
    assert before == (200, 1), (
        f"4.5 s after the answer, fresh_s=5: status and pings were {before}, not (200, 1). The answer still holds: "
        "fresh_s begins when the parts have answered (0.7 s after they were asked)."
    )
    assert after == (503, 2), (
        f"5.5 s later the database is down; status and pings were {after}, not (503, 2). "
        "What was known is older than fresh_s: ask again."
    )


@pytest.mark.task(1)
@pytest.mark.looptime
async def test_draining_is_not_ready_but_alive() -> None:
    """Whoever sends requests has to stop before the door is closed; whoever restarts has nothing to do yet."""
    drain = lesson.Drain()
    drain.draining = True
    for error in ("", "down"):
        async with prober(Part("database", error=error), drain=drain) as probe:
            ready, _, body = await probe("ready")
            alive, _, _ = await probe("live")

        assert (ready, body.get("status")) == (503, "draining"), (
            f"draining, the database is {error or 'well'}, and GET /health/ready answered {ready} {body}. "
            "Who drains says so, however its parts are: nobody has to look for a fault."
        )
        assert alive == 200, (
            f"draining, and GET /health/live answered {alive}: that is a kill in the middle of the streams"
        )


@pytest.mark.task(1)
@pytest.mark.looptime
async def test_what_went_wrong_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Probes are open to the net, and a driver's error holds host, user and sometimes password."""
    secret = "postgres://ada:hunter2@10.0.0.7"
    async with prober(Part("database", error=secret)) as probe:
        with caplog.at_level(logging.WARNING):
            _, text, _ = await probe("ready")

    assert "hunter2" not in text and "ConnectionError" not in text, f"the probe tells strangers: {text}"
    told = caplog.text + "".join(str(record.exc_info) for record in caplog.records)
    assert secret in told, "what the part raised is not in the log, from WARNING up: nobody can find out why"


# 07.2


@dataclass
class Exchange:
    """One request under the middleware: every message that came out, and when."""

    messages: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    work_ended: float | None = None  # when the application was left, however
    task: Any = None

    async def send(self, message: Any) -> None:
        """Be the server."""
        self.messages.append((now(), dict(message)))

    @property
    def body(self) -> bytes:
        """All that the reader got."""
        return b"".join(message.get("body", b"") for _, message in self.messages)

    @property
    def is_whole(self) -> bool:
        """Whether the response has its end, once."""
        ends = [m for _, m in self.messages if m["type"] == "http.response.body" and not m.get("more_body")]
        return len(ends) == 1 and self.messages[-1][1] is ends[0]


def now() -> float:
    """The virtual time."""
    return round(asyncio.get_running_loop().time(), 3)


class Service:
    """A service of one route under the middleware, the drain that ends it, and the server that it leaves."""

    def __init__(self) -> None:
        self.drain = lesson.Drain(notice_s=5, deadline_s=25)
        self.began = now()
        self.left: list[float] = []

    def stop(self) -> None:
        """SIGTERM comes."""
        self.stopping = asyncio.ensure_future(self.drain.stop(lambda: self.left.append(now() - self.began)))

    def request(self, work: Callable[[Any], Awaitable[None]]) -> Exchange:
        """Begin a request that `work(send)` answers."""
        exchange = Exchange()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                await work(send)
            finally:
                exchange.work_ended = now() - self.began

        async def receive() -> Any:
            await asyncio.sleep(1e6)

        scope = {"type": "http", "method": "POST", "path": "/chat", "headers": []}
        exchange.task = asyncio.ensure_future(lesson.CutAtDeadline(app, self.drain)(scope, receive, exchange.send))
        return exchange


def head(media_type: str) -> dict[str, Any]:
    """The beginning of a response."""
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type.encode())]}


def stream(seconds: int, media_type: str = "text/event-stream; charset=utf-8") -> Callable[[Any], Awaitable[None]]:
    """An answer of one event a second."""

    async def work(send: Any) -> None:
        await send(head(media_type))
        for second in range(seconds):
            await asyncio.sleep(1)
            event = f'event: delta\ndata: {{"text": "{second} "}}\n\n'.encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"event: done\ndata: {}\n\n", "more_body": False})

    return work


def whole(seconds: int) -> bytes:
    """What `stream(seconds)` sends."""
    events = "".join(f'event: delta\ndata: {{"text": "{second} "}}\n\n' for second in range(seconds))
    return f"{events}event: done\ndata: {{}}\n\n".encode()


async def not_open(service: Service) -> None:
    """Raise the TODO that the drain has met."""
    if service.stopping.done() and isinstance(service.stopping.exception(), NotImplementedError):
        await service.stopping


async def ended(exchange: Exchange, service: Service) -> None:
    """Wait for a request, on the virtual clock."""
    await asyncio.wait({exchange.task}, timeout=120)
    await not_open(service)
    assert exchange.task.done(), "120 s after the signal the request is still under way: nobody cuts it."
    if not exchange.task.cancelled() and (error := exchange.task.exception()):
        raise error


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_not_ready_first_then_the_door_is_closed() -> None:
    """Close the door while the load balancer still sends, and every deploy is a handful of refused connections."""
    service = Service()
    await service.request(stream(0)).task  # both halves of this task are looked at
    service.stop()
    await asyncio.sleep(0.1)
    at_once = service.drain.draining
    late = service.request(stream(1))
    await asyncio.sleep(4.8)
    early = list(service.left)
    await asyncio.sleep(0.3)
    await ended(late, service)

    assert at_once is True, f"the signal came, and drain.draining is {at_once!r}: the readiness probe still says 200"
    assert early == [], (
        f"notice_s=5, and leave() was called after {early[0]} s: requests still come, and find a closed door."
        if early
        else ""
    )
    assert service.left == [5], f"leave() should be called once, 5 s after the signal; it was called at {service.left}"
    assert late.body == whole(1), f"a request that came after the signal was not served: {late.messages}"


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_who_finishes_in_time_notices_nothing() -> None:
    """A deploy at noon must not be seen by somebody who reads an answer at noon."""
    service = Service()
    exchange = service.request(stream(24))
    service.stop()
    await ended(exchange, service)

    assert exchange.body == whole(24), f"an answer of 24 s, deadline_s=25, ended with {exchange.body[-120:]!r}"
    assert exchange.is_whole, "the response has no end, or two"


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_a_stream_that_is_cut_says_so() -> None:
    """A stream that just stops looks like an answer that is whole; the reader shows half of it as the truth."""
    service = Service()
    exchange = service.request(stream(600))
    service.stop()
    await asyncio.sleep(3)
    late = service.request(stream(600))
    await ended(exchange, service)
    await asyncio.wait({late.task}, timeout=1)

    assert exchange.work_ended == 25, (
        f"deadline_s=25, and the application was ended {exchange.work_ended:g} s after the signal"
    )
    assert late.work_ended == 25 and b"event: delta" in late.body, (
        "a stream that began 3 s after the signal, with the door still open, was not cut at the deadline. "
        "Who is under way is known then, not when the signal comes."
    )
    read = exchange.body.replace(b"\r\n", b"\n")
    last = read.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
    assert is_error_event(last) and read.endswith(b"\n\n"), (
        f"the last thing that the reader got was {last[-160:]!r}. "
        "Nobody told it: an `event: error` with SHUTTING_DOWN as its data was due, and a blank line behind it."
    )
    assert exchange.is_whole, "after the error event the response must end (`more_body` False), once"
    assert exchange.body.startswith(whole(24).split(b"event: done")[0]), "what was sent before the cut is not as it was"


def is_error_event(body: bytes) -> bool:
    """Whether a body is one error event that says SHUTTING_DOWN."""
    lines = body.decode(errors="replace").strip("\n").split("\n")
    data = "\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:"))
    with suppress(ValueError):
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("event:")]
        return named == ["error"] and text_of(json.loads(data)) == text_of(lesson.SHUTTING_DOWN)
    return False


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_who_has_nothing_yet_is_sent_away_politely() -> None:
    """Before the status line there is still a status to send: 503 is retried by every client, a reset by few."""
    service = Service()

    async def thinks(send: Any) -> None:
        await asyncio.sleep(600)
        await send(head("application/json"))

    exchange = service.request(thinks)
    service.stop()
    await ended(exchange, service)

    first = exchange.messages[0][1] if exchange.messages else {}
    headers = {name.lower(): value for name, value in first.get("headers", [])}
    assert first.get("status") == 503 and b"retry-after" in headers, (
        f"at the deadline no response had begun, and the caller got {first}. 503 with Retry-After says: ask again."
    )
    try:
        said = json.loads(exchange.body)
    except ValueError:
        said = exchange.body.decode(errors="replace")
    assert text_of(said) == text_of(lesson.SHUTTING_DOWN), f"the body was {said!r}, not SHUTTING_DOWN as JSON"
    assert exchange.is_whole, f"the response is not whole: {exchange.messages}"


@pytest.mark.task(2)
@pytest.mark.looptime
@pytest.mark.parametrize("media_type", ["application/pdf", ""])
async def test_no_event_is_written_into_something_else(media_type: str) -> None:
    """An error event at the end of a PDF is a broken PDF that says it is complete."""
    service = Service()
    exchange = service.request(stream(600, media_type))
    service.stop()
    await ended(exchange, service)

    assert b"event: error" not in exchange.body, f"the response was {media_type!r}, and an event was written into it"
    starts = sum(message["type"] == "http.response.start" for _, message in exchange.messages)
    assert starts == 1, f"{starts} responses were begun for one request"
    assert exchange.work_ended == 25, f"the application was ended {exchange.work_ended:g} s after the signal, not 25"


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_behind_the_end_nothing_is_sent() -> None:
    """A background task runs when all is sent; the server takes no second response, and logs an error for it."""
    service = Service()

    async def then_works(send: Any) -> None:
        await stream(1)(send)
        await asyncio.sleep(60)  # a background task

    exchange = service.request(then_works)
    service.stop()
    await ended(exchange, service)

    assert exchange.body == whole(1), f"the answer was whole after a second, and then came {exchange.messages[-1][1]}"


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_whoever_else_cancels_is_obeyed() -> None:
    """The server's own deadline cancels too, and then nobody reads: swallow it, and the process hangs."""
    service = Service()
    exchange = service.request(stream(600))
    await asyncio.sleep(3)
    exchange.task.cancel()
    await asyncio.wait({exchange.task}, timeout=120)
    finished = service.request(stream(1))
    await asyncio.wait({finished.task}, timeout=120)
    await asyncio.sleep(1)
    kept = len(service.drain.requests)
    service.stop()
    await asyncio.sleep(90)
    await not_open(service)
    await finished.task

    assert exchange.task.cancelled(), "the request was cancelled from outside, and went on or ended as if it were done"
    assert exchange.work_ended == 3, "the request was cancelled from outside, and its application was not"
    assert kept == 0, (
        f"one request was cancelled, one has ended, and {kept} are still in drain.requests: a service that forgets "
        "none grows with every request, until it is killed for its memory."
    )
    assert service.stopping.done() and not service.stopping.exception(), (
        f"stop() stumbled over requests that are over: {service.stopping}. Take each out when it ends, however it ends."
    )


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_errors_and_other_scopes_pass_through() -> None:
    """A middleware that eats an exception takes it from the log; one that wraps `lifespan` cuts the start."""
    service = Service()

    async def breaks(send: Any) -> None:
        raise LookupError("a bug")

    exchange = service.request(breaks)
    await asyncio.wait({exchange.task})
    error = exchange.task.exception()
    if isinstance(error, NotImplementedError):
        raise error
    assert type(error) is LookupError, f"the application raised LookupError, and out came {error!r}"

    for kind in ("lifespan", "websocket"):
        seen: list[Any] = []

        async def app(*call: Any, seen: list[Any] = seen) -> None:
            seen.append(call)

        call: Any = ({"type": kind, "path": "/", "headers": []}, object(), object())
        await lesson.CutAtDeadline(app, service.drain)(*call)
        assert len(seen) == 1 and all(one is two for one, two in zip(seen[0], call, strict=True)), (
            f"a scope of type {kind} was not handed on as it came, with the same receive and send"
        )


# 07.3

BUSY: dict[str, float] = {"requests_per_s": 10, "first_token_s": 5, "tokens": 300, "tokens_per_s": 20}


def simulate(places: float, *, seed: int = 9, arrivals: int = 6_000) -> tuple[float, float]:
    """Requests come when they like, 10 a second, and take 20 s on average.

    Returns:
        How many are open at an average moment, and the share that finds no place; the first minute aside.
    """
    dice = random.Random(seed)
    clock = area = 0.0
    refused = counted = 0
    ends: list[float] = []  # of the streams that are open
    for _ in range(arrivals):
        comes = clock + dice.expovariate(10)
        while ends and ends[0] <= comes:
            area += len(ends) * (ends[0] - clock) if clock > 60 else 0
            clock = heappop(ends)
        area += len(ends) * (comes - clock) if clock > 60 else 0
        clock = comes
        counted += clock > 60
        if len(ends) < places:
            heappush(ends, clock + 5 + dice.expovariate(1 / 15))
        else:
            refused += clock > 60
    return area / (clock - 60), refused / counted


def planned(load: dict[str, float], **machine: float) -> Any:
    """The learner's plan."""
    return lesson.plan(lesson.Load(**load), lesson.Machine(**{"cores": 4, "memory_mb": 2_048, **machine}))


@pytest.mark.task(3)
def test_the_streams_that_are_open_are_those_of_a_simulation() -> None:
    """Rate times time, whatever the distribution: the one formula of queueing that everybody should know."""
    plan = planned(BUSY)
    seen, _ = simulate(math.inf)

    off = abs(plan.open_streams - seen) / seen
    assert type(plan.open_streams) in (int, float) and off < 0.05, (
        f"10 requests a second, each 5 s to the first token and then 300 tokens at 20 a second: {plan.open_streams:g} "
        f"open streams were computed, and in the simulation {seen:.0f} are open. 150 leaves out the wait for the first "
        "token; 10 is the rate alone."
    )


@pytest.mark.task(3)
def test_room_for_the_peak_refuses_hardly_anybody() -> None:
    """A limit at the average refuses one in twenty: half of the time there are more."""
    plan = planned(BUSY)
    _, refused = simulate(plan.peak_streams)
    _, refused_at_average = simulate(plan.open_streams)

    assert refused < 0.01, (
        f"with room for {plan.peak_streams} streams the simulation refuses {refused:.1%} of the requests "
        f"(with room for the average, {refused_at_average:.1%}). What is open spreads around its average."
    )
    assert type(plan.peak_streams) is int and plan.peak_streams == math.ceil(200 + 3 * math.sqrt(200)), (
        f"peak_streams is {plan.peak_streams!r}, not the average and three times its square root, rounded up"
    )


@pytest.mark.task(3)
@pytest.mark.parametrize(
    ("machine", "workers", "streams", "scarce"),
    [
        ({"cores": 4, "memory_mb": 2_048}, 4, 1014, "cpu"),
        ({"cores": 2, "memory_mb": 2_048}, 2, 1014, "cpu"),
        ({"cores": 4, "memory_mb": 512}, 2, 1014, "cpu"),
        ({"cores": 4, "memory_mb": 512, "stream_kb": 200}, 2, 542, "memory"),
        ({"cores": 16, "memory_mb": 1_000}, 5, 1014, "cpu"),
        ({"cores": 4, "memory_mb": 2_048, "event_us": 400}, 4, 116, "cpu"),
        ({"cores": 1, "memory_mb": 256, "stream_kb": 1_024}, 1, 106, "memory"),
        ({"cores": 4, "memory_mb": 210}, 1, 1014, "cpu"),
        ({"cores": 2, "memory_mb": 696, "stream_kb": 102_400, "event_us": 12_000}, 1, 3, "whole"),
    ],
    ids=[
        "cpu", "cores", "memory", "memory-of-streams", "many-cores", "slow-events", "large-streams", "one-worker",
        "whole-streams",
    ],
)  # fmt: skip
def test_workers_are_limited_by_what_is_scarce(
    machine: dict[str, float], workers: int, streams: int, scarce: str
) -> None:
    """`workers = 2 * cores + 1` was for servers that block; here it is memory spent on waiting for the same cores."""
    why = {
        "cpu": "A stream's events are spread over all its seconds, those before its first token too.",
        "memory": "Each worker needs memory for itself before its streams get any; and no more workers than cores.",
        "whole": "Streams are whole: round down for each number of workers, and compare then.",
    }
    try:
        plan = planned(BUSY, **machine)
    except ValueError as error:
        pytest.fail(
            f"on {machine} {workers} × {streams} streams fit, and plan() raised ValueError: {error}. {why['memory']}"
        )

    seen = text_of([plan.workers, plan.streams_per_worker])
    assert seen == text_of([workers, streams]), (
        f"on {machine} workers and streams per worker were {seen}, not [{workers}, {streams}]. "
        f"{why['memory' if scarce == 'cpu' and plan.workers != workers else scarce]}"
    )


@pytest.mark.task(3)
def test_containers_carry_the_peak() -> None:
    """One container fewer than needed is found out on the best day of the year."""
    for rate, containers in ((10, 1), (200, 2), (500, 3), (600, 4), (0.01, 1)):
        plan = planned({**BUSY, "requests_per_s": rate})
        carries = plan.containers * plan.workers * plan.streams_per_worker
        assert carries >= plan.peak_streams, f"{plan} carries {carries} streams, less than its peak"
        assert type(plan.containers) is int and plan.containers == containers, (
            f"{rate} requests a second need {containers} containers, and {plan.containers} were computed: {plan}"
        )


@pytest.mark.task(3)
def test_what_does_not_fit_is_refused() -> None:
    """A plan with zero workers divides by zero at night."""
    planned(BUSY)
    for machine in ({"memory_mb": 100}, {"memory_mb": 150}, {"event_us": 1e9}):
        try:
            plan = planned(BUSY, **machine)
        except ValueError:
            continue
        except ArithmeticError as error:
            pytest.fail(f"on {machine} nothing fits, and plan() raised {type(error).__name__}, not ValueError")
        pytest.fail(f"on {machine} not one stream fits, and plan() returned {plan}, not a ValueError")


# 07.4


def answer(name: str, number: str) -> str:
    """A file of the answer; while its line says that the task is open, it is."""
    try:
        text = (HERE / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        pytest.fail(f"{name} is missing. `coach reset 07` puts it back.")
    if re.search(rf"^[ \t]*# TODO {re.escape(number)} is open\b", text, flags=re.M):
        raise NotImplementedError(f"TODO {number}")
    return text


_reading: dict[str, "subprocess.Popen[str]"] = {}


@pytest.fixture(scope="module", autouse=True)
def reading() -> Iterator[None]:
    """Let hadolint and Docker Compose read their files while the first tests run."""
    project = ["--project-name", "lesson", "config", "--format", "json"]
    # Debian keeps one version of a package, so a pinned one is gone soon; when a shell is wrong, a test says better.
    # DL3064 takes the path of a secret for a secret.
    unasked = ["--ignore=DL3008", "--ignore=DL3025", "--ignore=DL3064"]
    for name, options in (
        ("hadolint", [*unasked, "--no-fail", "--format", "json", "Dockerfile"]),
        ("docker-compose", ["--file", "compose.yaml", *project]),
    ):
        beside = Path(sys.executable).parent / name
        if found := str(beside) if beside.exists() else shutil.which(name):
            alone = {"PATH": "/usr/bin:/bin", "HOME": str(HERE)}  # no value of yours answers for a missing one
            pipe = subprocess.PIPE
            _reading[name] = subprocess.Popen(
                [found, *options], cwd=HERE, env=alone, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
            )
    yield
    for process in _reading.values():
        process.communicate()


@cache
def read_by(name: str) -> tuple[str, str]:
    """What a tool that came with the course's packages says of its file, and what it complains of meanwhile."""
    assert name in _reading, f"{name} is not installed: `make start` installs it."
    out, error = _reading.pop(name).communicate(timeout=PATIENCE_S * 3)
    return out, error.strip()


@dataclass(frozen=True)
class Line:
    """One instruction of a Dockerfile, its parts joined."""

    word: str  # RUN
    rest: str  # what is behind it, options included
    number: int

    @property
    def settings(self) -> dict[str, str]:
        """What an ENV or ARG sets, "" where it has no default."""
        with suppress(ValueError):
            words = shlex.split(self.rest)
            if self.word == "ENV" and "=" not in words[0]:
                return {words[0]: " ".join(words[1:])}  # as it was written long ago
            return {name: value for name, _, value in (word.partition("=") for word in words)}
        return {}

    @property
    def exec_form(self) -> list[str] | None:
        """The command as a list, None where it goes to a shell."""
        with suppress(ValueError):
            found = json.loads(self.command)
            if isinstance(found, list):
                return [str(one) for one in found]
        return None

    @property
    def command(self) -> str:
        """What is run: without CMD of a health check, without options."""
        text = re.sub(r"^(--[\w-]+(=\S+)?\s+)+", "", self.rest)
        return re.sub(r"^CMD\s+", "", text) if self.word == "HEALTHCHECK" else text


@cache
def dockerfile() -> list[list[Line]]:
    """The stages of the image, each the list of its instructions, comments aside."""
    text = answer("Dockerfile", "07.4")
    stages: list[list[Line]] = [[]]
    parts: list[str] = []
    heredoc = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not heredoc and (line.lstrip().startswith("#") or not line.strip()):
            continue  # also in the middle of an instruction
        continues = not heredoc and line.rstrip().endswith("\\")
        parts.append(line.rstrip().removesuffix("\\") if continues else f"{line}\n")  # joined as the builder does
        if heredoc:
            heredoc = "" if line.strip() == heredoc else heredoc
        elif opened := re.search(r"<<-?\s*[\"']?(\w+)[\"']?", line):
            heredoc = opened[1]
        if heredoc or continues:
            continue
        word, _, rest = "".join(parts).strip().partition(" ")
        parts = []
        if word.upper() == "FROM" and any(one.word == "FROM" for one in stages[-1]):
            stages.append([])
        stages[-1].append(Line(word.upper(), rest.strip(), number))
    assert any(one.word == "FROM" for one in stages[-1]), "Dockerfile: there is no FROM"
    return stages


def image() -> list[Line]:
    """The stage that becomes the image."""
    return dockerfile()[-1]


def last(word: str) -> Line | None:
    """The instruction that counts, where one overrides the other."""
    return next((line for line in reversed(image()) if line.word == word), None)


def expanded(text: str) -> str:
    """A text of the Dockerfile with the values of its variables, where it gives any."""
    known = {
        name: value
        for stage in dockerfile()
        for line in stage
        if line.word in ("ARG", "ENV")
        for name, value in line.settings.items()
        if value
    }
    return re.sub(r"\$\{?(\w+)(?::-([^}]*))?\}?", lambda found: known.get(found[1], found[2] or found[0]), text)


def bases() -> list[str]:
    """What each stage is built from; where that is an earlier stage, what that one is built from."""
    built: dict[str, str] = {}
    found: list[str] = []
    for stage in dockerfile():
        (line,) = [line for line in stage if line.word == "FROM"]
        base, *named = re.sub(r"^(--\S+\s+)+", "", expanded(line.rest)).split()
        found.append(built.get(base.lower(), base))
        if named:
            built[named[-1].lower()] = found[-1]
    return found


def started() -> str:
    """The command that the image starts, as one text."""
    lines = [line for line in (last("ENTRYPOINT"), last("CMD")) if line]
    return " ".join(" ".join(line.exec_form or [line.command]) for line in lines)


def is_install(line: Line) -> bool:
    """Whether a line installs Python packages."""
    return line.word == "RUN" and bool(re.search(r"\b(pip3?|uv|poetry|pdm)\b.*\b(install|sync)\b", line.rest))


@pytest.mark.task(4)
def test_hadolint_has_nothing_to_say() -> None:
    """A linter knows what was learned the hard way elsewhere."""
    answer("Dockerfile", "07.4")
    out, _ = read_by("hadolint")
    found = [one for one in json.loads(out or "[]") if one["level"] in ("error", "warning")]

    said = "; ".join(f"line {one['line']}, {one['code']}: {one['message']}" for one in found[:4])
    assert not found, f"hadolint: {said}"


@pytest.mark.task(4)
def test_the_base_is_pinned() -> None:
    """`3.11-slim` was another Debian last year: the build that worked on Friday fails on Monday, without a commit."""
    for base in bases():
        tag = base.partition("@")[0].rpartition("/")[2].partition(":")[2]
        system = re.search(r"-(?!alpine$)[a-z]{5,}$|-alpine\d+\.\d+$", tag)
        exact = re.search(r"\d+\.\d+\.\d+", tag) and (
            system or not re.match(r"(\S*\blibrary/|docker\.io/)?python:", base)
        )
        assert "@sha256:" in base or exact or base == "scratch", (
            f"FROM {base}: that name moves. `python:3.13.9-slim-trixie` says which Python and which Debian, and a "
            "digest says all; with less, what you tested is not what is built next week."
        )


@pytest.mark.task(4)
def test_packages_are_a_layer_before_the_code() -> None:
    """A layer is built again when one before it changed: code first means all packages again at every commit."""
    lists = re.compile(
        r"requirements[\w.-]*|constraints[\w.-]*|pyproject\.toml|[\w.-]+\.lock|poetry\.lock|Pipfile.*|\.python-version"
    )
    found = False
    for stage in dockerfile():
        code: list[str] = []
        for line in stage:
            if line.word in ("COPY", "ADD") and "--from=" not in line.rest:
                sources = shlex.split(re.sub(r"^(--\S+\s+)+", "", line.rest).strip("[]").replace(",", " "))[:-1]
                code += [name for name in sources if not lists.fullmatch(name.rpartition("/")[2])]
            if is_install(line):
                found = True
                assert not code, (
                    f"Dockerfile line {line.number} installs packages after the code ({code[0]}) was copied: "
                    "every commit installs all of them again. Copy the list, install, then copy the code."
                )
    assert found, "Dockerfile: no RUN installs the packages of requirements.txt"


@pytest.mark.task(4)
def test_not_root_and_by_number() -> None:
    """Who breaks out of a process that is root is root; a cluster that refuses root cannot look a name up."""
    user = last("USER")
    image()
    assert user, "Dockerfile: no USER, so the service runs as root. A user that is made and never used protects nobody."
    name = expanded(user.rest).partition(":")[0]
    assert name.isdecimal() and int(name) > 0, (
        f"USER {user.rest}: {'that is root' if name in ('0', 'root') else 'a name'}. "
        "`runAsNonRoot` looks at the number and nothing else: USER 10001:10001."
    )


@pytest.mark.task(4)
def test_the_health_check_works_with_what_is_in_the_image() -> None:
    """A slim image has no curl: the check fails for ever, and whoever waits for `healthy` never starts."""
    check = last("HEALTHCHECK")
    image()
    assert check and check.rest.upper() != "NONE", "Dockerfile: no HEALTHCHECK, so nobody can wait for `healthy`"
    words = check.exec_form or shlex.split(check.command.replace("||", " ").replace("&&", " "))
    for program in ("curl", "wget"):
        used = any(word.rpartition("/")[2] == program for word in words) or f"{program} " in " ".join(words)
        installed = any(
            line.word == "RUN" and re.search(rf"(apt-get|apk)\b.*\b{program}\b", line.rest) for line in image()
        )
        assert not used or installed or (program == "wget" and "alpine" in bases()[-1]), (
            f"HEALTHCHECK runs {program}, which a slim image does not have: `{program}: not found`, unhealthy for "
            "ever. python is there."
        )
    for package in re.findall(r"\b(?:import|from)\s+(requests|httpx2?|aiohttp|urllib3)\b", check.command):
        assert any(is_install(line) and package in line.rest for stage in dockerfile() for line in stage), (
            f"HEALTHCHECK imports {package}, which is not in requirements.txt: ModuleNotFoundError, unhealthy for "
            "ever. urllib comes with Python."
        )
    with serving() as (port, status):
        seen = {}
        for status[0] in (200, 503):
            seen[status[0]] = run_check(check, port)
    assert seen == {200: 0, 503: 1}, (
        f"the health check was run against a service that answers 200 and one that answers 503 under /health: "
        f"it ended with {seen}, not 0 and 1. It must ask http://127.0.0.1:8000/health/live (or ready) and fail with it."
    )


@contextmanager
def serving() -> Iterator[tuple[int, list[int]]]:
    """A service on localhost whose probes answer the status in the list."""
    status = [200]
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                with caller, caller.makefile("rb") as lines:
                    asked = next(lines, b"").split(b" ")[1:2]
                    code = status[0] if asked in ([b"/health/live"], [b"/health/ready"]) else 404
                    caller.sendall(b"HTTP/1.1 %d Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % code)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], status
    finally:
        with suppress(OSError):  # where a listener has nothing to shut down
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE_S)


def run_check(check: Line, port: int) -> int:
    """Run a health check as the engine would, with our Python and on our port; 1 for every failure."""
    words = [re.sub(r"\b8000\b", str(port), word) for word in check.exec_form or ["/bin/sh", "-c", check.command]]
    python = re.compile(r"(\S*/)?python[\d.]*(?=\s|$)")
    if python.fullmatch(words[0]) and words[1:2] == ["-c"]:  # in this process: another one takes longer to start
        try:
            exec(words[2], {"__name__": "__main__"})  # noqa: S102 - the learner's, as app.py is
        except SystemExit as left:
            return int(bool(left.code))
        except Exception:
            return 1
        return 0
    words = [python.sub(sys.executable, word) for word in words]
    try:
        path = f"{os.environ.get('PATH', os.defpath)}:{shelf()}"  # what you have, else our stand-ins
        done = subprocess.run(
            words, cwd=HERE, env={**os.environ, "PATH": path}, capture_output=True, timeout=PATIENCE_S * 3, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1
    return int(done.returncode != 0)


@pytest.mark.task(4)
def test_signals_reach_the_server() -> None:
    """Docker signals process 1. If that is a shell, SIGTERM stays there, and after ten seconds everything is killed."""
    image()
    entry, command = last("ENTRYPOINT"), last("CMD")
    assert entry or command, "Dockerfile: neither CMD nor ENTRYPOINT starts the server"
    for start in (entry, command if not entry or entry.exec_form else None):  # a shell as ENTRYPOINT ignores CMD
        if not start:
            continue
        words = start.exec_form
        while words and (words[0].rpartition("/")[2] in ("tini", "dumb-init", "catatonit") or words[0][:1] == "-"):
            words = words[1:]  # an init hands signals on
        shell = " ".join(words[2:]) if words and words[0].rpartition("/")[2] in ("sh", "bash", "dash") else ""
        script = start.command if words is None else shell
        behind = re.split(r"&&|\|\||;|\n", script)[-1].strip()
        assert not script or behind.startswith("exec "), (
            f"{start.word} {start.rest}: process 1 is a shell, or starts one, and the server its child. SIGTERM never "
            "reaches the server: no drain, and after ten seconds SIGKILL cuts every stream. A JSON list starts no "
            "shell; in one, `exec` replaces it."
        )


@pytest.mark.task(4)
def test_the_package_that_is_started_is_there() -> None:
    """The image builds, is pushed, and its first word in production is ModuleNotFoundError."""
    image()
    said = "\n".join([started(), *(line.rest for line in image() if line.word == "ENV")])
    found = re.search(r"(\w+)[./]main(:app\b|\.py\b)", said)
    assert found, (
        f"{started()}: that does not start service.main:app. app:app is for your laptop: it keeps its jobs in its own "
        "memory, and knows of no Redis."
    )
    places = "\n".join(
        line.rest for stage in dockerfile() for line in stage if line.word in ("COPY", "ADD", "WORKDIR", "RUN")
    )
    assert re.search(rf"(?<![\w.-]){found[1]}(?![\w.-])", places), (
        f"{started()} imports the package {found[1]}, and nothing is copied into a folder of that name: "
        f"`No module named '{found[1]}'`. COPY app.py jobs.py main.py {found[1]}/ makes one."
    )


@pytest.mark.task(4)
def test_the_server_listens_to_the_outside() -> None:
    """127.0.0.1 inside a container is the container: its own health check is green, and nobody else gets in."""
    image()
    command = started()
    environment = " ".join(line.rest for line in image() if line.word == "ENV")
    host = re.search(r"--host[= ](\S+)|(?:-b|--bind)[= ](\S+):\d+", command)
    known = "uvicorn" in command or "gunicorn" in command
    everybody = ("0.0.0.0", "::")  # noqa: S104 - that is the point
    if host:
        listens = (host[1] or host[2]).strip("\"'[]")
    else:  # uvicorn's own default, or something that we do not know
        listens = "127.0.0.1" if known and "UVICORN_HOST" not in environment else everybody[0]
    assert listens in everybody, (
        f"{command}: the server listens to {listens}, which is the container alone. --host 0.0.0.0 lets requests in."
    )


@pytest.mark.task(4)
def test_no_secret_is_in_a_layer() -> None:
    """`docker history` shows every ARG and ENV to whoever can pull the image, for ever."""
    for line in (line for stage in dockerfile() for line in stage):
        if line.word in ("ENV", "ARG"):
            named = [name for name in line.settings if _is_secret(name)]
            assert not named, (
                f"Dockerfile line {line.number}, {line.word} {named[0]}: a secret that is built in can be read with "
                "`docker history`. It is given when the container starts, as a file."
            )
        copied = re.search(r"(?<![\w.])(\.env\b(?!\.example)\S*|secrets?/\S*|\S*\.pem|id_rsa\S*)", line.rest)
        assert line.word not in ("COPY", "ADD") or not copied, (
            f"Dockerfile line {line.number} copies {copied[0] if copied else ''} into a layer, where it stays."
        )
        assert not re.search(r"\bsk-[\w-]{8,}", line.rest), f"Dockerfile line {line.number} holds a key"


def _is_secret(name: str) -> bool:
    return bool(re.search(r"(^|_)(KEY|TOKEN|PASSWORD|PASSWD|SECRET)$", name.upper()))


# 07.5


@cache
def compose() -> tuple[dict[str, Any], str]:
    """What Docker Compose makes of compose.yaml, without a value in the environment, and what it says meanwhile."""
    answer("compose.yaml", "07.5")
    out, said = read_by("docker-compose")
    return json.loads(out.replace("$$", "$")) if out.strip() else {}, said


def service(name: str) -> dict[str, Any]:
    """One service, as Compose would start it."""
    found, said = compose()
    assert found, f"docker compose does not take compose.yaml: {said}"
    services = found.get("services", {})
    assert name in services, f"compose.yaml has no service `{name}`, only {', '.join(services)}"
    return services[name]


def seconds(text: str | None) -> float:
    """Compose's "1m30s" as seconds; 10 where nothing is said, as the engine does."""
    units = {"h": 3_600, "m": 60, "s": 1, "ms": 0.001}
    found = re.findall(r"([\d.]+)(ms|h|m|s)", text or "10s")
    return sum(float(number) * units[unit] for number, unit in found)


def megabytes(text: str) -> float:
    """Redis' "200mb" as megabytes."""
    match = re.fullmatch(r"(\d+)([kmg]?)(b?)", text.lower())  # to Redis a "kb" is 1,024 bytes, and a "k" 1,000
    return int(match[1]) * (1_024 if match[3] else 1_000) ** " kmg".index(match[2] or " ") / 1e6 if match else 0


def limit_mb(found: dict[str, Any]) -> float:
    """A container's limit of memory, 0 where there is none."""
    limits = found.get("deploy", {}).get("resources", {}).get("limits", {})
    return int(found.get("mem_limit") or limits.get("memory") or 0) / 1e6


@cache
def shelf() -> Path:
    """A folder with fakes of programs, and the secret that Compose would mount."""
    import tempfile

    folder = tempfile.TemporaryDirectory()
    _kept.append(folder)
    path = Path(folder.name)
    server = 'printf "%s\\n" "$0" "$@" > "$SHELF/started"\n'
    client = """
auth="$REDISCLI_AUTH"; word=""; fails=0
while [ $# -gt 0 ]; do case "$1" in
  -a|--pass) auth="$2"; shift;; -h|-p|-n|--user|-t|-s) shift;; -e) fails=1;;
  -u) auth="${2#*://}"; auth="${auth%@*}"; auth="${auth#*:}"; shift;; -*) ;; *) word="$1";;
esac; shift; done
if [ "$REDIS_IS" = loading ]; then echo "LOADING Redis is loading the dataset in memory"; exit $fails; fi
if [ "$REDIS_IS" = down ]; then echo "Could not connect to Redis" >&2; exit 1; fi
if [ "$auth" = "hunter2" ]; then echo PONG; else echo "NOAUTH Authentication required."; exit $fails; fi
"""
    asks = f"""#!{sys.executable}
import re, sys
from urllib.error import HTTPError
from urllib.request import urlopen
url = next(word for word in sys.argv[1:] if re.search("127.0.0.1|localhost", word))
try:
    urlopen(url if "://" in url else "http://" + url, timeout=2)
except HTTPError:
    sys.exit("wget" in sys.argv[0] or any(re.fullmatch("--fail.*|-[a-zA-Z]*f[a-zA-Z]*", word) for word in sys.argv))
"""
    step_down = '#!/bin/sh\nshift\nexec "$@"\n'
    for name, text in {
        "redis-server": f"#!/bin/sh\n{server}",
        "redis-cli": f"#!/bin/sh\n{client}",
        "docker-entrypoint.sh": '#!/bin/sh\nexec "$@"\n',
        "gosu": step_down,
        "su-exec": step_down,
        "curl": asks,
        "wget": asks,
    }.items():
        (path / name).write_text(text, encoding="utf-8")
        (path / name).chmod(0o755)
    return path


_kept: list[Any] = []  # folders that go when the process does


def place_of(mounted: dict[str, str]) -> str:
    """Where a secret is in the container."""
    target = mounted.get("target") or mounted["source"]
    return target if target.startswith("/") else f"/run/secrets/{target}"


def in_redis(command: str | Sequence[str], **environment: str) -> int:
    """Run a command of the redis service, with our fakes and our secret in its place."""
    words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    found = service("redis")
    for mounted in found.get("secrets", []):
        (shelf() / mounted["source"]).write_text("hunter2\n", encoding="utf-8")
        words = [word.replace(place_of(mounted), str(shelf() / mounted["source"])) for word in words]
    words = [word.replace("/usr/local/bin/", f"{shelf()}/") for word in words]
    given = {name: str(value) for name, value in (found.get("environment") or {}).items() if value is not None}
    path = f"{shelf()}:/usr/bin:/bin"
    done = subprocess.run(
        words,
        env={**given, "PATH": path, "SHELF": str(shelf()), **environment},
        capture_output=True,
        timeout=PATIENCE_S * 3,
        check=False,
    )
    return done.returncode


@cache
def redis_options() -> dict[str, str]:
    """The options that redis-server is started with: the command is run, and a fake notes what it was given."""
    found = service("redis")
    command = found.get("command") or ["redis-server"]
    words = shlex.split(command) if isinstance(command, str) else [str(one) for one in command]
    if words[0].startswith("-"):
        words.insert(0, "redis-server")  # as the image's own entrypoint does
    entry = found.get("entrypoint") or []
    with suppress(OSError, subprocess.TimeoutExpired):
        (shelf() / "started").unlink(missing_ok=True)
        in_redis([*entry, *words])
    try:
        started = (shelf() / "started").read_text(encoding="utf-8").splitlines()[1:]
    except FileNotFoundError:
        pytest.fail(f"the command of redis, {words}, does not start redis-server")
    options: dict[str, str] = {}
    name = ""
    for word in started:
        if word.startswith("--"):
            name, _, value = word[2:].partition(" ")
            options[name] = value
        elif name:
            options[name] = f"{options[name]} {word}".strip()
    return options


def unmounted() -> str:
    """What is behind an empty password, most of the time."""
    return "" if service("redis").get("secrets") else " No secret is mounted in redis: there is no file to read."


@pytest.mark.task(5)
def test_compose_takes_the_file_and_says_nothing() -> None:
    """A warning at every start is read by nobody, the one about an empty key included."""
    found, said = compose()
    assert found, f"docker compose does not take compose.yaml: {said}"
    lines = [re.sub(r"^time=\S+ level=\w+ ", "", line) for line in said.splitlines()]
    assert not lines, f"docker compose says: {'; '.join(lines)}"
    assert set(found.get("services", {})) >= {"api", "worker", "redis"}, (
        f"the services are {', '.join(found['services'])}"
    )


@pytest.mark.task(5)
@pytest.mark.parametrize("name", ["api", "worker"])
def test_who_needs_redis_waits_until_it_is_healthy(name: str) -> None:
    """`depends_on: [redis]` waits for the container to exist, which says nothing about Redis."""
    waits = (service(name).get("depends_on") or {}).get("redis", {})
    assert waits.get("condition") == "service_healthy", (
        f"{name} waits for redis with {waits.get('condition', 'nothing')!r}. `service_started` means that the process "
        "exists: while Redis reads its file, the first jobs fail."
    )
    assert service("redis").get("healthcheck", {}).get("test"), "redis has no health check, so it is never healthy"


@pytest.mark.task(5)
def test_the_health_check_of_redis_tells_health() -> None:
    """redis-cli prints an error and ends with status 0: the check is green, and nothing works."""
    test = service("redis").get("healthcheck", {}).get("test") or ["NONE"]
    command = " ".join(test[1:]) if test[0] == "CMD-SHELL" else test[1:]
    assert command, "redis has no health check"
    seen = {state: min(in_redis(command, REDIS_IS=state), 1) for state in ("well", "loading", "down")}
    assert seen["loading"] == 1, (
        f"{test} was run while Redis loads its data, and ended with 0. redis-cli ends with 0 whatever the answer is: "
        "look for PONG, or say -e."
    )
    assert seen["well"] == 0, (
        f"{test} was run against a Redis that is well and wants its password, and failed.{unmounted()}"
    )
    assert seen["down"] == 1, f"{test} was run against a Redis that is down, and ended with 0"


@pytest.mark.task(5)
def test_redis_wants_a_password_from_a_file() -> None:
    """An open Redis is found within hours, and its CONFIG command writes files: that is a shell for strangers."""
    options = redis_options()
    password = options.get("requirepass", "").strip("\"'")
    assert "requirepass" in options, (
        "redis-server is started without --requirepass: whoever reaches it may read, delete and write files."
    )
    assert password, (
        f"--requirepass is empty, which is no password: whoever reaches Redis may read, delete and write files."
        f"{unmounted()}"
    )
    assert password == "hunter2", (
        f"--requirepass is {password!r}, not what stands in the mounted secret. A password in compose.yaml is in the "
        "repository."
    )


@pytest.mark.task(5)
def test_redis_is_limited_and_throws_no_job_away() -> None:
    """A cache may forget; a queue that evicts loses jobs in silence, and one without limits takes the host with it."""
    options, found = redis_options(), service("redis")
    memory = megabytes(options.get("maxmemory", "0"))
    assert memory > 0, "redis-server is started without --maxmemory: it grows until the host kills something."
    assert options.get("maxmemory-policy", "noeviction") == "noeviction", (
        f"--maxmemory-policy {options.get('maxmemory-policy')}: when it is full, Redis throws jobs away and says "
        "nothing."
    )
    assert limit_mb(found) > memory, (
        f"redis may use {memory:g} MB and its container {limit_mb(found):g}. Without a higher limit of the container "
        "(mem_limit) its own is worth nothing: it needs room beside its data."
    )


@pytest.mark.task(5)
def test_jobs_survive_a_restart_of_redis() -> None:
    """Redis keeps everything in memory; what was accepted is gone with the container unless it is on a volume."""
    options, found = redis_options(), service("redis")
    assert options.get("appendonly") == "yes", (
        "redis-server is started without --appendonly yes: a restart loses the queue."
    )
    targets = [volume.get("target") for volume in found.get("volumes", [])]
    assert "/data" in targets, f"redis has volumes at {targets}, not at /data: what is written goes with the container."


@pytest.mark.task(5)
def test_redis_is_pinned_and_not_for_everybody() -> None:
    """A published port is open to the world: Docker writes its rules before those of the host's firewall."""
    found = service("redis")
    tag = found.get("image", "").rpartition("/")[2].partition(":")[2]
    assert re.search(r"\d+\.\d+\.\d+", tag) or "@sha256:" in found.get("image", ""), (
        f"image {found.get('image')}: which Redis is that next week? Name all three numbers of its version."
    )
    open_to = [port for port in found.get("ports", []) if not str(port.get("host_ip", "")).startswith("127.")]
    assert not open_to, (
        "redis publishes a port on all interfaces. Services of one file reach each other by name without any."
    )


@pytest.mark.task(5)
@pytest.mark.parametrize("name", ["api", "worker"])
def test_secrets_come_as_files(name: str) -> None:
    """An environment is shown by `docker inspect`, by crash reports and to every child process."""
    found = service(name)
    given = found.get("environment") or {}
    shown = [key for key, value in given.items() if _is_secret(key) and value is not None]
    assert not shown, (
        f"{name} has {shown[0]} in its environment, where `docker inspect` shows it. Mount it as a secret."
    )
    mounted = {place_of(one): one["source"] for one in found.get("secrets", [])}
    for key in ("OPENAI_API_KEY_FILE", "REDIS_PASSWORD_FILE"):
        assert given.get(key) in mounted, (
            f"{name}: {key} is {given.get(key)!r}, and what is mounted is {sorted(mounted)}"
        )
    declared = compose()[0].get("secrets", {})
    loose = [source for source in mounted.values() if not declared.get(source, {}).get("file")]
    assert not loose, f"the secret {loose[0]} has no `file`: where does it come from?"


@pytest.mark.task(5)
def test_the_service_gets_the_time_that_it_needs_to_stop() -> None:
    """Ten seconds after SIGTERM Compose kills, whatever your drain had planned for the next twenty."""
    found = service("api")
    grace = seconds(found.get("stop_grace_period"))
    assert grace > 30, (
        f"api has {grace:g} s from SIGTERM to SIGKILL, and its drain takes 25, uvicorn's own patience 30. "
        "Nothing that is planned for later happens: set stop_grace_period."
    )


@pytest.mark.task(5)
def test_the_worker_is_not_asked_for_a_port_that_it_does_not_open() -> None:
    """It runs the same image, whose health check asks HTTP: a worker that works is unhealthy for ever."""
    check = service("worker").get("healthcheck") or {}
    assert check.get("disable") or check.get("test"), (
        "worker inherits the health check of the image, which asks port 8000; a Celery worker does not listen. "
        "Give it one of its own, or `disable: true`."
    )


# 07.6


def http_api_event(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """An event of an API Gateway HTTP API, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "*/*",
            "content-type": "application/json",
            "host": "abc123.execute-api.eu-central-1.amazonaws.com",
            "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.14.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "24/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795521600000,
        },
        **({} if body is None else {"body": json.dumps(body)}),
        "isBase64Encoded": False,
    }


def function_url_event(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """An event of a Function URL: the same format, other names, and a body that may be in base64."""
    event = http_api_event(method, path, body)
    host = "xyz789.lambda-url.eu-central-1.on.aws"
    event["headers"]["host"] = host
    event["requestContext"] |= {"apiId": "xyz789", "domainName": host, "domainPrefix": "xyz789", "authentication": None}
    if body is not None:
        event |= {"body": base64.b64encode(json.dumps(body).encode()).decode(), "isBase64Encoded": True}
    return event


@dataclass
class Resource:
    """What a lifespan holds open, and what became of it."""

    log: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        """Open, and close."""
        self.log.append("opened")
        try:
            yield {"model": "mock-large"}
        finally:
            self.log.append("closed")

    def app(self) -> FastAPI:
        """A service that needs it."""
        app = FastAPI(lifespan=self.lifespan)

        @app.get("/model")
        async def read_model(request: Request) -> Any:
            self.log.append("served")
            return {"model": getattr(request.state, "model", "NO STATE")}

        @app.post("/echo")
        async def echo(body: dict[str, Any]) -> Any:
            return body

        return app


@contextmanager
def on_lambda(make: Callable[[], FastAPI]) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """The runtime: one process, one event after the other, a handler that is made once."""
    with ThreadPoolExecutor(1) as runtime:  # a thread of its own, as event loops belong to threads
        handler = runtime.submit(lambda: lesson.lambda_handler(make())).result()
        context = SimpleNamespace(aws_request_id="1", function_name="chat", get_remaining_time_in_millis=lambda: 30_000)

        def invoke(event: dict[str, Any]) -> Any:
            reply = runtime.submit(handler, event, context).result()
            return reply if isinstance(reply, dict) else {"statusCode": None, "body": repr(reply)}

        def close() -> None:
            gc.collect()
            with suppress(RuntimeError):
                loop = asyncio.get_event_loop_policy().get_event_loop()
                for task in asyncio.all_tasks(loop):
                    task.cancel()
                loop.run_until_complete(asyncio.sleep(0))
                loop.close()

        try:
            yield invoke
        finally:
            runtime.submit(close).result()


@pytest.mark.task(6)
@pytest.mark.parametrize("event", [http_api_event, function_url_event], ids=["http-api", "function-url"])
def test_lambda_events_are_requests(event: Callable[..., dict[str, Any]]) -> None:
    """The same service, with the same routes and tests, where nobody wants to run a server."""
    with on_lambda(Resource().app) as invoke:
        echoed = invoke(event("POST", "/echo", {"text": "né🙂"}))
        missing = invoke(event("GET", "/nowhere"))

    assert echoed.get("statusCode") == 200, f"{event.__name__}: POST /echo was answered {echoed}"
    assert text_of(json.loads(echoed["body"])) == text_of({"text": "né🙂"}), f"the body came back as {echoed['body']}"
    assert missing.get("statusCode") == 404, f"GET /nowhere was answered {missing}"


@pytest.mark.task(6)
def test_the_lifespan_is_opened_once_for_all_events() -> None:
    """Mangum alone opens and closes everything at each event: a new pool of connections for every single request."""
    resource = Resource()
    with on_lambda(resource.app) as invoke:
        replies = []
        for _ in range(3):
            gc.collect()  # what nobody holds is closed here
            replies.append(json.loads(invoke(http_api_event("GET", "/model"))["body"]))
        log = list(resource.log)

    assert [text_of(reply) for reply in replies] == ['{"model": "mock-large"}'] * 3, (
        f"what the lifespan opened should be in request.state; three events were answered {replies}. "
        'lifespan="off" never opens it.'
    )
    assert log == ["opened", "served", "served", "served"], (
        f"over three events this happened: {', '.join(log)}. The lifespan is opened once for the process and stays "
        "open; what is closed by itself was held by nobody."
    )


@pytest.mark.task(6)
def test_a_start_that_fails_is_not_served() -> None:
    """A function that answers 500 for hours looks alive; one that fails at its start is replaced."""
    with on_lambda(Resource().app):
        pass

    @asynccontextmanager
    async def fails(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no key")
        yield

    def make() -> FastAPI:
        app = FastAPI(lifespan=fails)
        app.get("/model")(lambda: {})
        return app

    try:
        with on_lambda(make) as invoke:
            seen = invoke(http_api_event("GET", "/model"))
    except Exception:  # however it is said: Lambda takes any exception for a failed start
        return
    pytest.fail(f"the lifespan raised at its start, and an event was answered all the same: {seen}")


def service_app(model: Callable[[str], AsyncIterator[str]]) -> FastAPI:
    """A service with the lesson's own `must_stream_for_real` before its stream."""
    app = FastAPI()

    @app.post("/chat")
    async def create_chat(request: Request, body: dict[str, Any]) -> Any:
        if not body.get("stream"):
            return {"text": "".join([word async for word in model("")])}
        lesson.must_stream_for_real(request)
        return StreamingResponse(model(""), media_type="text/event-stream")

    return app


@pytest.mark.task(6)
def test_a_stream_is_refused_where_it_would_be_held_back() -> None:
    """Through Mangum a stream is collected and handed over at its end: the spinner stays, and a long one times out."""
    asked: list[str] = []

    async def model(prompt: str) -> AsyncIterator[str]:
        asked.append(prompt)
        yield "42"

    with on_lambda(lambda: service_app(model)) as invoke:
        reply = invoke(http_api_event("POST", "/chat", {"stream": True}))
        before = len(asked)
        plain = invoke(function_url_event("POST", "/chat", {"stream": False}))

    assert reply.get("statusCode") == 501, (
        f"a stream was asked for through API Gateway, and the answer was {reply.get('statusCode')}. 200 means that it "
        "was collected and sent as one: say 501 before the model is asked."
    )
    assert before == 0, "the model was asked, and paid, for a stream that is refused"
    assert (plain.get("statusCode"), plain.get("body")) == (200, '{"text":"42"}'), f"without a stream: {plain}"


@pytest.mark.task(6)
def test_elsewhere_streams_go_on() -> None:
    """The same image streams behind uvicorn, and behind the Lambda Web Adapter: what holds back is Mangum."""

    async def model(prompt: str) -> AsyncIterator[str]:
        yield "42"

    reply = TestClient(service_app(model)).post("/chat", json={"stream": True})
    assert (reply.status_code, reply.text) == (200, "42"), f"behind a server a stream was answered {reply.status_code}"


# 07.7


def at(path: Path | str = ":memory:") -> Any:
    """A table of jobs."""
    return lesson.SQLiteJobs(path)


@asynccontextmanager
async def caller_of(jobs: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the two routes."""
    app = FastAPI()
    app.include_router(lesson.jobs_router(jobs))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.test") as caller:
        yield caller


async def order(caller: httpx.AsyncClient, key: str | None, prompt: str = "Summarize the archive.") -> Any:
    """Ask for a job."""
    return await caller.post("/jobs", json={"prompt": prompt}, headers={} if key is None else {"Idempotency-Key": key})


@pytest.mark.task(7)
async def test_a_job_is_accepted_and_can_be_asked_for() -> None:
    """A request that takes ten minutes is cut by four proxies on its way; an address to ask again is not."""
    jobs = at()
    async with caller_of(jobs) as caller:
        reply = await order(caller, "k1")
        place = reply.headers.get("location", "")
        assert reply.status_code == 202, (
            f"POST /jobs answered {reply.status_code}, not 202 Accepted: nothing is done yet"
        )
        id = reply.json().get("id")
        assert type(id) is str and place.endswith(f"/jobs/{id}"), f"Location is {place!r}, and the job is {id!r}"
        status = await caller.get(place)
        jobs.run("UPDATE jobs SET state = 'done', result = '42' WHERE id = ?", id)
        later = await caller.get(place)

    assert (status.status_code, text_of(status.json())) == (
        200,
        text_of({"id": id, "state": "queued", "result": None}),
    ), (
        f"GET {place} answered {status.status_code} {status.text}. A job is shown as its id, state and result, "
        "and as nothing else."
    )
    assert text_of(later.json()) == text_of({"id": id, "state": "done", "result": "42"}), (
        f"the job is done, and GET {place} answered {later.text}"
    )


@pytest.mark.task(7)
async def test_who_asks_again_gets_the_same_job() -> None:
    """The network ate your 202, so the client tries again: without a key it pays for two jobs."""
    async with caller_of(at()) as caller:
        first, again, other = [await order(caller, key) for key in ("k1", "k1", "k2")]

    ids = [reply.json().get("id") for reply in (first, again, other)]
    assert (again.status_code, again.headers.get("location")) == (202, first.headers.get("location")), (
        f"the same Idempotency-Key again was answered {again.status_code} {again.text}. It is the same job, and as "
        "accepted."
    )
    assert type(ids[0]) is str and ids[0] == ids[1] != ids[2], f"keys k1, k1, k2 became the jobs {ids}: one job a key"


@pytest.mark.task(7)
async def test_one_key_is_for_one_thing() -> None:
    """A client with a bug sends the same key for everything, and gets yesterday's answer to today's question."""
    async with caller_of(at()) as caller:
        first = await order(caller, "k1", "one thing")
        other = await order(caller, "k1", "another")
        status = await caller.get(first.headers["location"])

    assert other.status_code == 422, (
        f"the key came again with another prompt, and was answered {other.status_code} {other.text}. "
        "202 hands out a job that somebody ordered for something else."
    )
    assert status.status_code == 200, f"the first job is {status.status_code} after that"


@pytest.mark.task(7)
async def test_without_a_key_nothing_is_accepted() -> None:
    """An order that cannot be told from its repetition is two orders on a bad day."""
    jobs = at()
    async with caller_of(jobs) as caller:
        replies = [(await order(caller, key)).status_code for key in (None, "")]

    assert set(replies) <= {400, 422}, f"without and with an empty Idempotency-Key the answers were {replies}"
    kept = jobs.run("SELECT * FROM jobs")
    assert kept == [], f"an order without a key was refused, and kept: {kept}"


@pytest.mark.task(7)
async def test_a_job_that_nobody_ordered_is_not_there() -> None:
    """200 with `null` is a client that polls for ever."""
    async with caller_of(at()) as caller:
        reply = await caller.get("/jobs/nonsense")
    assert reply.status_code == 404, f"GET /jobs/nonsense answered {reply.status_code} {reply.text}"


@pytest.mark.task(7)
async def test_what_was_accepted_is_there_after_a_restart(tmp_path: Path) -> None:
    """202 is a promise. A dict or a background task breaks it at the next deploy."""
    async with caller_of(at(tmp_path / "jobs.db")) as caller:
        accepted = await order(caller, "k1")
        place = accepted.headers["location"]
    async with caller_of(at(tmp_path / "jobs.db")) as caller:
        status, again = await caller.get(place), await order(caller, "k1")

    assert status.status_code == 200, (
        f"after a restart GET {place} answers {status.status_code}: what was accepted lived in the memory of one "
        "process."
    )
    assert again.json().get("id") == accepted.json()["id"], "after a restart the same key became another job"


class Slow:
    """Two processes that look at the same moment: each waits at its first look until the other has looked too."""

    def __init__(self, path: Path, look: str) -> None:
        barrier = threading.Barrier(2)
        looked = threading.local()

        class Held(lesson.SQLiteJobs):
            def run(self, sql: str, *values: object) -> Any:
                found = super().run(sql, *values)
                if sql.lstrip().upper().startswith(look) and not hasattr(looked, "once"):
                    looked.once = True
                    with suppress(threading.BrokenBarrierError):
                        barrier.wait(0.3)
                return found

        self.tables = [Held(path), Held(path)]

    def both(self, do: Callable[[Any, int], Any]) -> list[Any]:
        """Do it in both; what is raised is an answer too."""

        def one(at: int) -> Any:
            try:
                return do(self.tables[at], at)
            except NotImplementedError:
                raise
            except Exception as error:
                return error

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, (0, 1)))


@pytest.mark.task(7)
def test_one_key_at_the_same_moment_is_one_job(tmp_path: Path) -> None:
    """A double click reaches two workers within a millisecond: look first, insert then, and both have found nothing."""
    found = Slow(tmp_path / "jobs.db", "SELECT").both(lambda table, at: table.submit("k1", "the same"))

    errors = [one for one in found if isinstance(one, Exception)]
    assert not errors, (
        f"one key came to two processes at the same moment, and one of them raised {errors[0]!r}. "
        "Both looked, both found nothing, both inserted: let the insert decide."
    )
    ids = {one.id for one in found}
    rows = at(tmp_path / "jobs.db").run("SELECT * FROM jobs")
    assert len(ids) == 1 and len(rows) == 1, (
        f"one key at the same moment became {len(rows)} jobs, and the ids {ids} were returned"
    )


@pytest.mark.task(7)
async def test_the_routes_know_the_port_and_nothing_else() -> None:
    """Today a table, tomorrow Celery: the routes should not notice."""

    class Elsewhere:
        def __init__(self) -> None:
            self.asked: list[Any] = []

        def submit(self, key: str, payload: str) -> Any:
            self.asked.append((key, payload))
            if key == "used":
                raise lesson.KeyReused(key)
            return lesson.Job("j7", payload)

        def status(self, id: str) -> Any:
            return lesson.Job("j7", "p", "running") if id == "j7" else None

    jobs = Elsewhere()
    async with caller_of(jobs) as caller:
        accepted, refused, running = (
            await order(caller, "k1", "p"),
            await order(caller, "used"),
            await caller.get("/jobs/j7"),
        )

    assert jobs.asked[:1] == [("k1", "p")], (
        f"submit(key, payload) was called with {jobs.asked[:1]}: the payload is the prompt"
    )
    assert (accepted.status_code, refused.status_code) == (202, 422), (
        f"a job of another kind was answered {accepted.status_code}, KeyReused {refused.status_code}, not 202 and 422"
    )
    assert text_of(running.json()) == text_of({"id": "j7", "state": "running", "result": None}), (
        f"status: {running.text}"
    )


# 07.8


def with_jobs(path: Path | str, *ids: str) -> Any:
    """A table with these jobs in it, put there without the learner's `submit`."""
    jobs = at(path)
    for id in ids:
        jobs.run("INSERT INTO jobs (id, key, payload) VALUES (?, ?, ?)", id, f"key of {id}", f"do {id}")
    return jobs


def name(job: Any) -> str | None:
    """The id of a job that was claimed, None for none."""
    return None if job is None else str(job.id)


@pytest.mark.task(8)
def test_each_job_is_lent_to_one_worker() -> None:
    """The oldest first, and nobody does what somebody else is doing."""
    jobs = with_jobs(":memory:", "a", "b")
    first, second, third = (jobs.claim(100.0, lease_s=60) for _ in range(3))

    assert [name(job) for job in (first, second, third)] == ["a", "b", None], (
        f"two jobs, three workers at the same time: they got {[name(job) for job in (first, second, third)]}"
    )
    assert (first.payload, first.state, jobs.status("a").state) == ("do a", "running", "running"), (
        f"what was claimed is {first}, and in the table it is {jobs.status('a').state!r}"
    )


@pytest.mark.task(8)
def test_a_job_whose_worker_died_is_lent_again(tmp_path: Path) -> None:
    """SIGKILL, a power cut, an out-of-memory: a job that left the list with its worker is lost, and 202 was a lie."""
    with_jobs(tmp_path / "jobs.db", "a").claim(100.0, lease_s=60)  # and its worker is never heard of again
    jobs = at(tmp_path / "jobs.db")
    seen = [name(jobs.claim(when, lease_s=60)) for when in (101.0, 159.0, 160.0, 161.0)]

    assert seen[2:] == ["a", None], (
        f"a worker took the job at 100 for 60 s and died; at 160 and 161 others got {seen[2:]}, not ['a', None]. The "
        "job is lost with its worker."
        if seen[2] is None
        else f"the job was lent twice at the same time: {seen}"
    )
    assert seen[:2] == [None, None], f"the job was lent until 160, and at 101 and 159 others got {seen[:2]}"


@pytest.mark.task(8)
def test_a_job_that_kills_its_workers_is_given_up() -> None:
    """One poisonous document, lent again for ever, kills every worker you have, one after the other."""
    jobs = with_jobs(":memory:", "poison", "b")
    seen = [name(jobs.claim(1_000.0 * turn, lease_s=60)) for turn in range(1, 8)]

    tries = seen.count("poison")
    assert tries == 3, f"a job whose workers all die was lent {tries} times, not 3 (`most_tries`)"
    assert jobs.status("poison").state == "failed", f"after that it is {jobs.status('poison').state!r}, not failed"


@pytest.mark.task(8)
def test_two_workers_at_the_same_moment_get_two_jobs(tmp_path: Path) -> None:
    """Look which is next, then take it: two workers have looked, and both take it."""
    with_jobs(tmp_path / "jobs.db", "a", "b").claim(0.0, lease_s=-1)
    found = Slow(tmp_path / "jobs.db", "SELECT").both(lambda table, at: table.claim(100.0, lease_s=60))

    got = sorted(repr(one) if isinstance(one, Exception) else str(name(one)) for one in found)
    assert got == ["a", "b"], (
        f"two workers asked at the same moment, and got {got}. Looking and taking has to be one statement."
    )


@pytest.mark.task(8)
def test_the_first_result_stands() -> None:
    """A worker that was only slow comes back with a result for a job that somebody else has done."""
    jobs = with_jobs(":memory:", "a")
    jobs.claim(100.0, lease_s=60)
    jobs.claim(200.0, lease_s=60)
    told = [jobs.finish("a", "of the second"), jobs.finish("a", "of the first, late")]

    kept = jobs.status("a")
    assert (kept.state, kept.result) == ("done", "of the second"), f"the job was finished twice, and is now {kept}"
    assert told == [True, False] and {type(one) for one in told} == {bool}, (
        f"finish() returned {told}. Whoever gets True does what must happen once: send the mail, write the bill."
    )
    assert jobs.claim(1e9, lease_s=60) is None, "a job that is done was lent again"

    lost = with_jobs(":memory:", "b")
    lost.claim(100.0, lease_s=60)
    told = [lost.finish("b", "ValueError", state="failed"), lost.finish("b", "late")]
    kept = lost.status("b")
    assert (kept.state, kept.result, told) == ("failed", "ValueError", [True, False]), (
        f"a job had failed and its caller was told so; then a late worker came, finish() returned {told}, and it is "
        f"{kept}. What is finished stands, failed as well as done."
    )


@pytest.mark.task(8)
def test_only_one_of_two_results_at_the_same_moment_counts(tmp_path: Path) -> None:
    """Look whether it is done, then write: two have looked, and two mails are sent."""
    with_jobs(tmp_path / "jobs.db", "a").claim(100.0, lease_s=60)
    told = Slow(tmp_path / "jobs.db", "SELECT").both(lambda table, at: table.finish("a", f"result {at}"))

    assert sorted(map(repr, told)) == ["False", "True"], (
        f"two workers finished a job at the same moment, and were told {told}. Looking and writing has to be one "
        "statement."
    )


@cache
def celery_of(**more: float) -> tuple[Any, Any, list[str]]:
    """The learner's Celery, its table with one job, and what was worked on."""
    worked: list[str] = []

    def work(job: Any) -> str:
        worked.append(job.id)
        return f"result of {job.payload}"

    jobs = with_jobs(":memory:", "a")
    return lesson.create_celery("memory://", jobs, work, **more), jobs, worked


@pytest.mark.task(8)
def test_celery_forgets_a_message_when_its_job_is_done() -> None:
    """As it comes, Celery takes the message off the queue and begins: kill the worker, and nobody knows of the job."""
    celery, _, _ = celery_of()
    task = celery.tasks.get("run_job")
    assert task is not None, f"there is no task `run_job`, only {[one for one in celery.tasks if '.' not in one]}"
    assert task.acks_late is True, (
        "run_job is acknowledged before it is run (acks_late is off): a worker that dies in the middle takes the job "
        "with it."
    )
    assert task.reject_on_worker_lost is True, (
        "acks_late alone is not enough: when the child that works is killed, its parent acknowledges all the same, "
        "unless reject_on_worker_lost is on."
    )


@pytest.mark.task(8)
def test_celery_waits_longer_than_the_longest_job() -> None:
    """Redis and SQS hand a message out again when it is not acknowledged in time: then two workers do the same job."""
    for longest in (600, 43_000):
        celery, _, _ = celery_of(longest_job_s=longest)
        visible = celery.conf.broker_transport_options.get("visibility_timeout")
        assert isinstance(visible, int | float) and visible > longest, (
            f"visibility_timeout is {visible}, and longest_job_s is {longest}: a message is handed out a second time "
            "while the first worker is at it. Redis' own is an hour, that of SQS half of one."
        )
    assert celery.conf.worker_prefetch_multiplier == 1, (
        f"worker_prefetch_multiplier is {celery.conf.worker_prefetch_multiplier}: a worker keeps that many jobs for "
        "itself, unseen by idle ones, and the visibility timeout runs while they wait."
    )


@pytest.mark.task(8)
def test_a_message_that_comes_twice_is_one_job() -> None:
    """Every queue delivers at least once. Exactly once is what you make of it."""
    celery, jobs, worked = celery_of()
    for _ in range(2):
        celery.tasks["run_job"]("a")

    kept = jobs.status("a")
    assert (kept.state, kept.result) == ("done", "result of do a"), f"run_job('a') ran, and the job is {kept}"
    assert worked == ["a"], f"the message came twice, and was worked on {len(worked)} times: the second one pays again"
