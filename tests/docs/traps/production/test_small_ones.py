"""The lines of the table "and smaller ones" on the page of lesson 06."""

import asyncio
import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
import redis.asyncio as redis
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError
from limits.storage import storage_from_string
from pydantic import BaseModel
from redis.asyncio.client import Redis
from redis.exceptions import MaxConnectionsError
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.extension import _rate_limit_exceeded_handler
from slowapi.util import get_remote_address


def limited(*, headers_enabled: bool = False) -> tuple[FastAPI, Limiter]:
    app = FastAPI()
    app.state.limiter = Limiter(key_func=get_remote_address, headers_enabled=headers_enabled)
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    return app, app.state.limiter


def test_slowapi_wants_an_argument_of_the_name_request() -> None:
    _, limiter = limited()
    with pytest.raises(Exception, match='No "request" or "websocket" argument'):

        @limiter.limit("2/minute")
        async def create_chat(req: Request) -> str:
            return "42"


def test_slowapi_takes_a_body_of_that_name_for_the_request() -> None:
    class Chat(BaseModel):
        prompt: str

    app, limiter = limited()

    @app.post("/chat")
    @limiter.limit("2/minute")
    async def create_chat(request: Chat) -> str:
        return "42"

    assert TestClient(app, raise_server_exceptions=False).post("/chat", json={"prompt": "Hi"}).status_code == 500


def test_slowapis_429_does_not_say_when_to_come_back() -> None:
    app, limiter = limited()

    @app.get("/")
    @limiter.limit("1/minute")
    async def read(request: Request) -> str:
        return "42"

    caller = TestClient(app)
    answers = [caller.get("/") for _ in range(2)]
    assert answers[1].status_code == 429
    assert "retry-after" not in answers[1].headers


def test_slowapis_headers_want_a_response_in_the_signature() -> None:
    app, limiter = limited(headers_enabled=True)

    @app.get("/")
    @limiter.limit("2/minute")
    async def read(request: Request) -> dict[str, int]:
        return {"answer": 42}

    with pytest.raises(Exception, match="parameter `response` must be an instance"):
        TestClient(app).get("/")


def test_two_limiters_in_memory_are_two_limits() -> None:
    passed = 0
    for _ in range(4):  # workers
        app, limiter = limited()

        @app.get("/")
        @limiter.limit("10/minute")
        async def read(request: Request) -> str:
            return "42"

        caller = TestClient(app)
        passed += sum(caller.get("/").status_code == 200 for _ in range(15))
    assert passed == 40


def test_slowapi_asks_its_storage_without_await() -> None:
    assert not inspect.iscoroutinefunction(limited()[1].limiter.hit)


async def test_limits_sweeps_all_callers_at_each_hit() -> None:
    storage: Any = MemoryStorage()
    limiter, rule = MovingWindowRateLimiter(storage), RateLimitItemPerMinute(10)
    for n in range(50):
        await limiter.hit(rule, f"caller-{n}")
    await storage.timer
    loop: Any = asyncio.get_running_loop()
    to_a_thread, handed_over = loop.run_in_executor, list[object]()

    def count(*work: object) -> object:
        handed_over.append(work)
        return to_a_thread(*work)

    loop.run_in_executor = count
    await limiter.hit(rule, "caller-0")
    await storage.timer
    assert len(handed_over) == 50


def test_headers_of_a_dependency_are_lost_on_a_response_of_ones_own() -> None:
    def say(response: Response) -> None:
        response.headers["x-ratelimit-remaining"] = "9"

    app = FastAPI(dependencies=[Depends(say)])

    @app.get("/object")
    async def read_object() -> str:
        return "42"

    @app.get("/stream")
    async def read_stream() -> StreamingResponse:
        return StreamingResponse(iter(["42"]))

    caller = TestClient(app)
    assert caller.get("/object").headers["x-ratelimit-remaining"] == "9"
    assert "x-ratelimit-remaining" not in caller.get("/stream").headers


def test_redis_py_tries_again_by_itself_and_waits_in_between() -> None:
    retry = Redis().get_retry()
    assert retry is not None
    assert retry.get_retries() >= 3
    options = redis.Redis().connection_pool.make_connection()
    assert options.socket_timeout == 5


def test_the_pool_of_redis_py_has_no_place_for_the_hundred_and_first() -> None:
    pool = redis.Redis().connection_pool
    for _ in range(100):
        pool.get_available_connection()
    with pytest.raises(MaxConnectionsError):
        pool.get_available_connection()
    assert issubclass(MaxConnectionsError, redis.ConnectionError)  # so it looks like a Redis that is away


def test_what_json_dumps_makes_of_nan_is_no_json() -> None:
    assert json.dumps({"rate": float("nan")}) == '{"rate": NaN}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json.dumps({"rate": float("nan")}, allow_nan=False)


def test_what_the_route_puts_into_a_context_variable_is_gone_behind_call_next() -> None:
    tokens: ContextVar[int] = ContextVar("tokens", default=0)
    seen: list[int] = []
    app = FastAPI()

    @app.middleware("http")
    async def bill(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        seen.append(tokens.get())
        return response

    @app.get("/")
    async def read() -> str:
        tokens.set(812)
        return "42"

    TestClient(app).get("/")
    assert seen == [0]


def test_a_handler_sees_nothing_of_a_stream_that_fails() -> None:
    handled: list[Exception] = []
    app = FastAPI()

    @app.exception_handler(ZeroDivisionError)
    async def on_error(request: Request, error: ZeroDivisionError) -> JSONResponse:
        handled.append(error)
        return JSONResponse({}, 500)

    @app.get("/")
    async def read() -> StreamingResponse:
        async def words() -> AsyncIterator[str]:
            yield "one"
            raise ZeroDivisionError

        return StreamingResponse(words())

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert answer.status_code == 200
    assert handled == []


def test_a_dollar_lets_a_newline_through() -> None:
    assert re.match(r"^[\w-]{8,64}$", "12345678\n")
    assert not re.fullmatch(r"[\w-]{8,64}", "12345678\n")


def test_limits_asks_for_another_client_of_redis_unless_it_is_told() -> None:
    with pytest.raises(ConfigurationError, match="coredis"):
        storage_from_string("async+redis://127.0.0.1:1")
    assert storage_from_string("async+redis://127.0.0.1:1", implementation="redispy")
