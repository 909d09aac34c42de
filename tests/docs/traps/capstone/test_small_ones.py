"""The lines of the table "and smaller ones" on the page of lesson 09."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient

CallNext = Callable[[Request], Awaitable[Response]]


def nobody_gets_in() -> None:
    raise HTTPException(401)


def test_a_layer_cannot_be_added_once_a_request_was_served() -> None:
    app = FastAPI()
    TestClient(app).get("/")
    with pytest.raises(RuntimeError, match="Cannot add middleware after an application has started"):
        app.add_middleware(CORSMiddleware)


def test_nor_in_the_lifespan() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.add_middleware(CORSMiddleware)
        yield

    with pytest.raises(RuntimeError, match="Cannot add middleware"), TestClient(FastAPI(lifespan=lifespan)):
        pass


def test_decorated_layers_are_in_the_same_order_as_added_ones() -> None:
    app, met = FastAPI(), list[str]()

    @app.middleware("http")
    async def first(request: Request, call_next: CallNext) -> Response:
        met.append("first in the file")
        return await call_next(request)

    @app.middleware("http")
    async def second(request: Request, call_next: CallNext) -> Response:
        met.append("second in the file")
        return await call_next(request)

    TestClient(app).get("/")
    assert met == ["second in the file", "first in the file"]


def test_behind_call_next_the_route_runs_in_another_task() -> None:
    app, tasks = FastAPI(), list[Any]()

    @app.middleware("http")
    async def log(request: Request, call_next: CallNext) -> Response:
        tasks.append(asyncio.current_task())
        return await call_next(request)

    @app.get("/")
    async def read() -> None:
        tasks.append(asyncio.current_task())

    TestClient(app).get("/")
    assert len({id(one) for one in tasks}) == 2


def test_a_layer_that_logs_the_answer_has_no_stream() -> None:
    app, order = FastAPI(), list[str]()

    @app.middleware("http")
    async def log(request: Request, call_next: CallNext) -> Response:
        response: Any = await call_next(request)
        body = b"".join([piece async for piece in response.body_iterator])
        order.append("the first word leaves")
        return Response(body, response.status_code, dict(response.headers))

    @app.get("/")
    async def read() -> StreamingResponse:
        async def words() -> AsyncIterator[str]:
            yield "Good "
            yield "morning"
            order.append("the last word is made")

        return StreamingResponse(words())

    TestClient(app).get("/")
    assert order == ["the last word is made", "the first word leaves"]


def test_a_key_for_the_whole_application_closes_the_probe_and_not_the_documentation() -> None:
    app = FastAPI(dependencies=[Depends(nobody_gets_in)])
    app.mount("/admin", FastAPI())

    @app.get("/health")
    async def read_health() -> str:
        return "ok"

    caller = TestClient(app)
    statuses = {path: caller.get(path).status_code for path in ("/health", "/openapi.json", "/admin/docs")}
    assert statuses == {"/health": 401, "/openapi.json": 200, "/admin/docs": 200}


def test_the_lifespan_of_what_is_mounted_is_not_run() -> None:
    opened: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened.append("admin")
        yield

    app = FastAPI()
    app.mount("/admin", FastAPI(lifespan=lifespan))
    with TestClient(app) as caller:
        assert caller.get("/admin/docs").status_code == 200
    assert opened == []


def test_a_handler_does_not_hold_in_what_is_mounted() -> None:
    app, admin = FastAPI(), FastAPI()
    app.mount("/admin", admin)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "in our form"}, 401)

    @app.get("/refused")
    @admin.get("/refused")
    async def refuse() -> None:
        nobody_gets_in()

    caller = TestClient(app)
    assert caller.get("/refused").json() == {"error": "in our form"}
    assert caller.get("/admin/refused").json() == {"detail": "Unauthorized"}


def test_a_browsers_preflight_has_no_key() -> None:
    def with_key(app: Any) -> Any:
        async def layer(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and b"authorization" not in dict(scope["headers"]):
                await JSONResponse({"error": "no key"}, 401)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return layer

    preflight = {"Origin": "https://ui.test", "Access-Control-Request-Method": "POST"}
    statuses = {}
    for outermost in ("the key", "CORS"):
        app = FastAPI()
        for name in ("CORS", "the key") if outermost == "the key" else ("the key", "CORS"):
            if name == "CORS":
                app.add_middleware(CORSMiddleware, allow_origins=["https://ui.test"], allow_methods=["POST"])
            else:
                app.add_middleware(with_key)
        statuses[outermost] = TestClient(app).options("/chat", headers=preflight).status_code
    assert statuses == {"the key": 401, "CORS": 200}


def test_a_limit_on_the_announced_length_lets_through_what_is_not_announced() -> None:
    app = FastAPI()

    @app.middleware("http")
    async def limit(request: Request, call_next: CallNext) -> Response:
        if int(request.headers.get("content-length", 0)) > 1_000:
            return JSONResponse({"error": "too large"}, 413)
        return await call_next(request)

    @app.post("/")
    async def read(request: Request) -> int:
        return len(await request.body())

    caller = TestClient(app)
    assert caller.post("/", content=b"x" * 2_000).status_code == 413
    assert caller.post("/", content=iter([b"x" * 2_000])).json() == 2_000


async def test_a_handler_that_is_set_at_import_is_called_when_all_is_over() -> None:
    heard: list[str] = []
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, lambda *_: heard.append("drain"))  # as a module does
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(FastAPI(), log_config=None))
            task = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:  # noqa: ASYNC110 - a server has no event for it
                await asyncio.sleep(0.005)
            os.kill(os.getpid(), signal.SIGTERM)
            assert server.should_exit
            assert heard == []
            await task
        assert heard == ["drain"]
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
