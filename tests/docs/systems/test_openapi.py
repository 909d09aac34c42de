"""OpenAPI and Swagger: a page that asks no other host, and a door that is only painted over. docs/systems/openapi.md"""

# ruff: noqa: RET504 - what the page shows is the assignment

import re

from fastapi import FastAPI
from fastapi.testclient import TestClient
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel


def example() -> FastAPI:
    # --8<-- [start:example]
    class Problem(BaseModel):
        detail: str

    # FastAPI, with the scripts of /docs from this process
    app = FastAPIOffline(title="Chat", version="1.0.0")

    @app.post("/chat", responses={429: {"model": Problem}})
    async def create_chat() -> str:
        return "42"

    # --8<-- [end:example]
    return app


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI(docs_url=None, redoc_url=None)  # "not in production"
    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    # without the document there are no pages either
    app = FastAPI(openapi_url=None)
    # --8<-- [end:repaired]
    return app


def with_a_hidden_route(app: FastAPI) -> TestClient:
    app.post("/admin/keys")(lambda: "a key for whoever asks")
    return TestClient(app)


def test_the_page_fetches_nothing_from_elsewhere() -> None:
    caller = TestClient(example())
    hosts = set(re.findall(r"""(?:src|href)="https?://([^/"]+)""", caller.get("/docs").text))
    assert hosts <= {"testserver"}
    assert "429" in caller.get("/openapi.json").json()["paths"]["/chat"]["post"]["responses"]
    assert "cdn.jsdelivr.net" in TestClient(FastAPI()).get("/docs").text, "which is why"


def test_the_page_is_gone_and_the_document_is_not() -> None:
    caller = with_a_hidden_route(broken())
    # --8<-- [start:seen]
    assert caller.get("/docs").status_code == 404
    # every route, for everybody
    assert "/admin/keys" in caller.get("/openapi.json").json()["paths"]
    assert caller.post("/admin/keys").status_code == 200  # which was open all along
    # --8<-- [end:seen]


def test_without_the_document_there_is_no_page() -> None:
    caller = with_a_hidden_route(repaired())
    assert [caller.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404, 404, 404]
    assert caller.post("/admin/keys").status_code == 200, "a route that nobody lists is still open"
