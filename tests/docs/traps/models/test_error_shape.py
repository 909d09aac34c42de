"""An error model that no error follows. The three sections are shown on the page of lesson 02."""

# ruff: noqa: B904 - the broken answer forgets the cause too

from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException


class ErrorResponse(BaseModel):
    error: str


async def ask_model() -> dict[str, Any]:
    raise ConnectionError("postgres://svc:hunter2@10.0.0.7/chats refused the connection")


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/chat", responses={500: {"model": ErrorResponse}})
    async def create_chat() -> dict[str, Any]:
        try:
            return await ask_model()
        except Exception as error:
            raise HTTPException(500, detail=str(error))

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI(responses={500: {"model": ErrorResponse}})

    @app.post("/chat")
    async def create_chat() -> dict[str, Any]:
        return await ask_model()

    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        body = ErrorResponse(error=str(error.detail))
        return JSONResponse(body.model_dump(), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def broke(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(ErrorResponse(error="internal server error").model_dump(), 500)

    # --8<-- [end:repaired]
    return app


def test_the_promise_is_broken_and_the_database_address_leaves() -> None:
    client = TestClient(broken())
    # --8<-- [start:seen]
    reply = client.post("/chat")
    assert "error" not in reply.json()  # promised in the OpenAPI, and absent
    assert "hunter2" in reply.json()["detail"]  # promised to nobody, and sent
    # --8<-- [end:seen]


def test_handlers_keep_the_promise_and_the_secret() -> None:
    client = TestClient(repaired(), raise_server_exceptions=False)
    assert client.post("/chat").json() == {"error": "internal server error"}
    assert client.get("/nowhere").json() == {"error": "Not Found"}
