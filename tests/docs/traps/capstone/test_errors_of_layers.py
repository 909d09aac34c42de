"""Handlers for every error, and the errors that no handler meets. Shown on the page of lesson 09."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware


class ChatRequest(BaseModel):
    prompt: str


def with_routes(app: FastAPI) -> FastAPI:
    @app.post("/chat")
    async def create_chat(asked: ChatRequest) -> str:
        raise HTTPException(402, "the money is gone", {"Retry-After": "60"})

    return app


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=1_000)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["testserver"])

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": "not valid", "fields": error.errors()}, 422)

    # --8<-- [end:broken]
    return with_routes(app)


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    class OneShape:
        """Give every error that passes one form, and leave its headers alone."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            head: Any = None
            said = b""

            async def send_on(message: Any) -> None:
                nonlocal head, said
                if message["type"] == "http.response.start" and message["status"] >= 400:
                    head = message
                elif head is None:
                    await send(message)  # at once: it may be a stream
                else:
                    said += message.get("body", b"")
                    if not message.get("more_body"):
                        body = JSONResponse(in_shape(head["status"], said)).body
                        headers = MutableHeaders(raw=head["headers"])
                        headers["content-type"] = "application/json"
                        headers["content-length"] = str(len(body))
                        await send(head)
                        await send({"type": "http.response.body", "body": body})

            await self.app(scope, receive, send_on if scope["type"] == "http" else send)

    def in_shape(status: int, said: bytes) -> dict[str, Any]:
        try:
            told = json.loads(said)
        except ValueError:
            told = None  # a layer's own words
        told = told if isinstance(told, dict) else {}
        words = told.get("error") or HTTPStatus(status).phrase
        return {"error": words, "fields": told.get("fields", [])}

    app = FastAPI()
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=1_000)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["testserver"])
    app.add_middleware(OneShape)  # outside of all that can refuse

    @app.exception_handler(StarletteHTTPException)  # 404, 405, and FastAPI's own kind
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = [".".join(map(str, one["loc"])) for one in error.errors()]
        return JSONResponse({"error": "not valid", "fields": fields}, 422)

    # --8<-- [end:repaired]
    return with_routes(app)


def test_one_service_and_four_forms_of_an_error() -> None:
    client = TestClient(broken())
    # --8<-- [start:seen]
    refused = client.post("/chat", json={"prompt": "Hi"})
    assert refused.json() == {"error": "the money is gone"}
    assert set(client.post("/chat", json={}).json()) == {"error", "fields"}

    # The router's, of another class with the same name.
    assert client.get("/nowhere").json() == {"detail": "Not Found"}

    # Layers, in words of their own.
    assert client.post("/chat", content=b"x" * 2_000).text == "Content Too Large"
    elsewhere = client.get("/nowhere", headers={"Host": "rebound.test"})
    assert elsewhere.text == "Invalid host header"
    # --8<-- [end:seen]


def test_a_layer_around_all_of_them_gives_them_one() -> None:
    client = TestClient(repaired())
    answers = [
        client.post("/chat", json={"prompt": "Hi"}),
        client.post("/chat", json={}),
        client.get("/nowhere"),
        client.post("/chat", content=b"x" * 2_000),
        client.get("/nowhere", headers={"Host": "rebound.test"}),
    ]
    assert [one.status_code for one in answers] == [402, 422, 404, 413, 400]
    assert {tuple(one.json()) for one in answers} == {("error", "fields")}
    assert answers[0].headers["retry-after"] == "60"
    assert answers[1].json()["fields"] == ["body.prompt"]
    assert answers[4].json()["error"] == "Bad Request"
