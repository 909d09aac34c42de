"""A start-up hook beside a lifespan. The three sections are shown on the page of lesson 01."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient


def broken(opened: list[str]) -> FastAPI:
    # --8<-- [start:broken]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened.append("database")
        yield

    app = FastAPI(lifespan=lifespan)

    @app.on_event("startup")
    async def load_index() -> None:
        opened.append("index")

    # --8<-- [end:broken]
    return app


def repaired(opened: list[str]) -> FastAPI:
    # --8<-- [start:repaired]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        opened.append("database")
        opened.append("index")
        try:
            yield {"index": ["first document"]}
        finally:
            opened.clear()

    app = FastAPI(lifespan=lifespan)

    @app.get("/documents")
    async def list_documents(request: Request) -> list[str]:
        return request.state.index

    # --8<-- [end:repaired]
    return app


def test_the_hook_is_never_called_and_nothing_says_so() -> None:
    opened: list[str] = []
    with pytest.warns(DeprecationWarning, match="on_event is deprecated"):
        app = broken(opened)
    # --8<-- [start:seen]
    with TestClient(app):
        assert opened == ["database"]
    # --8<-- [end:seen]


def test_the_lifespan_opens_both_and_closes_them() -> None:
    opened: list[str] = []
    with TestClient(repaired(opened)) as client:
        assert opened == ["database", "index"]
        assert client.get("/documents").json() == ["first document"]
    assert opened == []
