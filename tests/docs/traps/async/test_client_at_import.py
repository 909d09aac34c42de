"""A client that is made at import. The three sections are shown on the page of lesson 03."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from mockllm import serve_in_thread


def broken(PROVIDER: str) -> Callable[[], Coroutine[Any, Any, int]]:
    # --8<-- [start:broken]
    client = httpx.AsyncClient(base_url=PROVIDER, timeout=60.0)

    async def ask_model() -> int:
        reply = await client.post("/v1/chat/completions", json={})
        return reply.status_code

    # --8<-- [end:broken]
    return ask_model


def repaired(PROVIDER: str) -> FastAPI:
    # --8<-- [start:repaired]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        timeout = httpx.Timeout(connect=3, write=10, read=60, pool=5)
        async with httpx.AsyncClient(base_url=PROVIDER, timeout=timeout) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)

    @app.post("/answer")
    async def create_answer(request: Request) -> int:
        reply = await request.state.client.post("/v1/chat/completions", json={})
        return reply.status_code

    # --8<-- [end:repaired]
    return app


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # nobody closes it: that is the trap
def test_the_second_event_loop_finds_a_connection_of_the_first() -> None:
    with serve_in_thread() as provider:
        ask_model = broken(provider.url)
        # --8<-- [start:seen]
        asyncio.run(ask_model())  # one test, one script, one run of the service
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            asyncio.run(ask_model())  # the next one
        # --8<-- [end:seen]
        del ask_model
        gc.collect()


def test_one_number_is_all_four_timeouts() -> None:
    timeout = httpx.AsyncClient(timeout=60.0).timeout
    assert (timeout.connect, timeout.write, timeout.read, timeout.pool) == (60, 60, 60, 60)


def test_a_client_of_the_lifespan_belongs_to_the_loop_that_runs() -> None:
    with serve_in_thread() as provider:
        app = repaired(provider.url)
        for _ in range(2):
            with TestClient(app) as caller:
                assert caller.post("/answer").json() == 401
