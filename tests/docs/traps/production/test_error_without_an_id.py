"""A handler for Exception, and the middleware that it does not pass. Shown on the page of lesson 06."""

import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

logger = logging.getLogger("service")
CallNext = Callable[[Request], Awaitable[Response]]


def with_id_and_cors(app: FastAPI) -> FastAPI:
    @app.middleware("http")
    async def add_request_id(request: Request, call_next: CallNext) -> Response:
        response = await call_next(request)
        response.headers["X-Request-ID"] = str(uuid.uuid4())
        return response

    app.add_middleware(CORSMiddleware, allow_origins=["https://ui.test"])

    @app.get("/")
    async def read() -> None:
        raise ZeroDivisionError("password=hunter2")

    return app


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.exception_handler(Exception)
    async def on_error(request: Request, exc: Exception) -> JSONResponse:
        logger.error(f"Unhandled error: {exc}")
        return JSONResponse({"error": "internal_server_error"}, status_code=500)

    # --8<-- [end:broken]
    return with_id_and_cors(app)


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    class CatchErrors:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            started = False

            async def send_on(message: Any) -> None:
                nonlocal started
                started = True
                await send(message)

            try:
                await self.app(scope, receive, send_on)
            except Exception:
                logger.exception("unexpected error")
                if started:
                    raise  # a stream: the server cuts it
                await JSONResponse({"error": "internal_server_error"}, 500)(scope, receive, send)

    app.add_middleware(CatchErrors)  # first, so that all others lie around it
    # --8<-- [end:repaired]
    return with_id_and_cors(app)


def test_the_browser_sees_a_cors_error_and_nobody_finds_the_line(caplog: pytest.LogCaptureFixture) -> None:
    app = broken()
    # --8<-- [start:seen]
    caller = TestClient(app, raise_server_exceptions=False, headers={"Origin": "https://ui.test"})
    answer = caller.get("/")
    assert answer.status_code == 500
    assert "x-request-id" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert not any(line.exc_info for line in caplog.records)  # and no traceback
    # --8<-- [end:seen]


def test_the_error_is_raised_again_behind_the_answer() -> None:
    with pytest.raises(ZeroDivisionError):
        TestClient(broken()).get("/")


def test_caught_inside_it_passes_through_everything(caplog: pytest.LogCaptureFixture) -> None:
    answer = TestClient(repaired(), headers={"Origin": "https://ui.test"}).get("/")
    assert answer.status_code == 500
    assert {"x-request-id", "access-control-allow-origin"} <= set(answer.headers)
    assert "hunter2" not in answer.text
    assert any(line.exc_info for line in caplog.records)
