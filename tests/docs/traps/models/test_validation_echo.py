"""The 422 that repeats what it was sent. The three sections are shown on the page of lesson 02."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    class Credentials(BaseModel):
        user: str
        password: str = Field(max_length=16)

    @app.post("/login")
    async def create_login(body: Credentials) -> None: ...

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    app = broken()

    # --8<-- [start:repaired]
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = {".".join(map(str, one["loc"][1:])): one["msg"] for one in error.errors()}
        return JSONResponse({"error": "the request is not valid", "fields": fields}, 422)

    # --8<-- [end:repaired]
    return app


def test_the_password_comes_back_in_the_error() -> None:
    client = TestClient(broken())
    # --8<-- [start:seen]
    reply = client.post("/login", json={"user": "ada", "password": "correct horse battery"})
    assert reply.json()["detail"][0]["input"] == "correct horse battery"
    # --8<-- [end:seen]


def test_the_field_is_named_and_nothing_is_repeated() -> None:
    reply = TestClient(repaired()).post("/login", json={"user": "ada", "password": "correct horse battery"})
    assert list(reply.json()["fields"]) == ["password"]
    assert "horse" not in reply.text
