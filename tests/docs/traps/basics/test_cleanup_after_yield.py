"""Clean-up behind a bare `yield`. The three sections are shown on the page of lesson 01."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient


def broken(free: list[str]) -> FastAPI:
    # --8<-- [start:broken]
    async def borrow_connection() -> AsyncIterator[str]:
        connection = free.pop()
        yield connection
        free.append(connection)

    # --8<-- [end:broken]
    return failing(borrow_connection)


def repaired(free: list[str]) -> FastAPI:
    # --8<-- [start:repaired]
    async def borrow_connection() -> AsyncIterator[str]:
        connection = free.pop()
        try:
            yield connection
        finally:
            free.append(connection)

    # --8<-- [end:repaired]
    return failing(borrow_connection)


def failing(dependency: Callable[[], AsyncIterator[str]]) -> FastAPI:
    app = FastAPI()

    @app.get("/answer")
    async def read_answer(connection: Annotated[str, Depends(dependency)]) -> str:
        raise LookupError(f"no answer over {connection}")

    return app


def test_an_error_in_the_handler_skips_what_is_behind_the_yield() -> None:
    # --8<-- [start:seen]
    free = ["only connection"]
    client = TestClient(broken(free))
    with pytest.raises(LookupError):
        client.get("/answer")
    assert free == []  # gone for good; the next request finds an empty pool
    # --8<-- [end:seen]


def test_finally_gives_it_back() -> None:
    free = ["only connection"]
    client = TestClient(repaired(free))
    with pytest.raises(LookupError):
        client.get("/answer")
    assert free == ["only connection"]
