"""Clean-up after a reader who left. The three sections are shown on the page of lesson 04."""

from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient


class Pool:
    """Connections, which are given back with an `await`."""

    def __init__(self) -> None:
        self.free = ["only connection"]

    async def give_back(self, connection: str) -> None:
        """Say good-bye to the other side, then take it back."""
        await anyio.lowlevel.checkpoint()
        self.free.append(connection)


async def ask_model(connection: str) -> AsyncIterator[str]:
    while connection:
        yield "token "
        await anyio.sleep(0.001)


def broken(pool: Pool) -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    async def tokens() -> AsyncIterator[str]:
        connection = pool.free.pop()
        try:
            async for token in ask_model(connection):
                yield token
        finally:
            await pool.give_back(connection)

    @app.post("/chat")
    async def create_chat() -> StreamingResponse:
        return StreamingResponse(tokens())

    # --8<-- [end:broken]
    return app


def repaired(pool: Pool) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    async def tokens() -> AsyncIterator[str]:
        connection = pool.free.pop()
        try:
            async for token in ask_model(connection):
                yield token
        finally:
            with anyio.CancelScope(shield=True):
                await pool.give_back(connection)

    @app.post("/chat")
    async def create_chat() -> StreamingResponse:
        return StreamingResponse(tokens())

    # --8<-- [end:repaired]
    return app


def read_one_token_and_leave(app: FastAPI) -> None:
    with TestClient(app) as caller, caller.stream("POST", "/chat") as response:
        assert next(response.iter_text()) == "token "


def test_the_await_in_finally_is_cancelled_too() -> None:
    # --8<-- [start:seen]
    pool = Pool()
    read_one_token_and_leave(broken(pool))
    assert pool.free == []  # gone for good, although there is a `finally`
    # --8<-- [end:seen]


def test_behind_a_shield_it_is_given_back() -> None:
    pool = Pool()
    read_one_token_and_leave(repaired(pool))
    assert pool.free == ["only connection"]
