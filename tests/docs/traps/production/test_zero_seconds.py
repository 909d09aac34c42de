"""A stream of half a minute that took no time. The three sections are shown on the page of lesson 06."""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.datastructures import MutableHeaders

CallNext = Callable[[Request], Awaitable[Response]]


class Clock:
    """Time that passes when the stream says so; the wall clock can be set besides."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.passed = self.set_by = 0.0
        real, real_wall = time.perf_counter, time.time
        patch.setattr(time, "perf_counter", lambda: real() + self.passed)
        patch.setattr(time, "time", lambda: real_wall() + self.passed + self.set_by)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def streaming(app: FastAPI, clock: Clock, *, set_by: float = 0.0) -> FastAPI:
    @app.get("/")
    async def read() -> StreamingResponse:
        async def words() -> AsyncIterator[str]:
            yield "one "
            clock.passed += 30
            clock.set_by = set_by
            yield "two"

        return StreamingResponse(words())

    return app


def broken(told: list[float]) -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.middleware("http")
    async def add_request_id(request: Request, call_next: CallNext) -> Response:
        request_id = str(uuid.uuid4())  # whatever id the caller sent
        start_time = time.time()
        response = await call_next(request)
        told.append(time.time() - start_time)
        response.headers["X-Request-ID"] = request_id
        return response

    # --8<-- [end:broken]
    return app


def repaired(told: list[float]) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    class Timing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            started = time.perf_counter()  # nobody sets this one

            async def send_on(message: Any) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["X-Request-ID"] = uuid.uuid4().hex
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    told.append(time.perf_counter() - started)

            await self.app(scope, receive, send_on)

    app.add_middleware(Timing)
    # --8<-- [end:repaired]
    return app


def test_it_is_over_when_the_status_line_is_there(clock: Clock) -> None:
    seconds: list[float] = []
    caller = TestClient(streaming(broken(seconds), clock))
    # --8<-- [start:seen]
    assert caller.get("/").text == "one two"  # thirty seconds, between the words
    assert seconds[0] < 1
    # --8<-- [end:seen]


def test_the_last_byte_is_the_end(clock: Clock) -> None:
    told: list[float] = []
    TestClient(streaming(repaired(told), clock, set_by=-3_600)).get("/")
    assert 30 <= told[0] < 31


def test_a_clock_that_is_set_makes_negative_latencies(clock: Clock) -> None:
    started = time.time()
    clock.passed, clock.set_by = 2, -3_600
    assert time.time() - started < 0


def test_an_error_skips_the_header() -> None:
    app = broken([])

    @app.get("/")
    async def read() -> None:
        raise ZeroDivisionError

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert (answer.status_code, answer.headers.get("x-request-id")) == (500, None)
