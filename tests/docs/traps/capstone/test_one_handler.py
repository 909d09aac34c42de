"""A signal has one handler. The three sections are shown on the page of lesson 09."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

pytestmark = pytest.mark.timeout(60)


def with_ready(app: FastAPI) -> FastAPI:
    @app.get("/ready")
    async def read_ready(request: Request) -> Response:
        return Response(status_code=503 if request.state.drain["draining"] else 200)

    return app


def broken() -> FastAPI:
    # --8<-- [start:broken]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        drain = {"draining": False}
        signal.signal(signal.SIGTERM, lambda *_: drain.update(draining=True))
        yield {"drain": drain}

    app = FastAPI(lifespan=lifespan)
    # --8<-- [end:broken]
    return with_ready(app)


def repaired(noticed: asyncio.Event) -> FastAPI:
    # --8<-- [start:repaired]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        drain = {"draining": False}
        of_the_server: Any = signal.getsignal(signal.SIGTERM)  # which came first
        loop, ending = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        async def end() -> None:
            drain["draining"] = True  # /ready says so
            await noticed.wait()  # asyncio.sleep(10): until the load balancer has looked
            of_the_server(signal.SIGTERM, None)

        def begin() -> None:
            if not ending:  # whoever is impatient signals twice
                ending.add(loop.create_task(end()))

        loop.add_signal_handler(signal.SIGTERM, begin)
        try:
            yield {"drain": drain}
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            for task in ending:
                task.cancel()

    app = FastAPI(lifespan=lifespan)
    # --8<-- [end:repaired]
    return with_ready(app)


@pytest.fixture(autouse=True)
def _signals_end_no_test() -> Iterator[None]:
    """What the server hands on at its very end would end pytest."""
    before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[tuple[uvicorn.Server, httpx.AsyncClient]]:
    """Serve in this loop, where signals come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not task.done():  # noqa: ASYNC110 - a server has no event for it
            await asyncio.sleep(0.005)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as caller:
                yield server, caller
        finally:
            server.should_exit = True
            await task


async def test_the_server_hears_nothing_and_serves_until_it_is_killed() -> None:
    async with served(broken()) as (server, caller):
        # --8<-- [start:seen]
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await caller.get("/ready")).status_code == 503  # we have heard it
        assert not server.should_exit  # the server has not, until SIGKILL
        # --8<-- [end:seen]


async def test_who_takes_it_hands_it_on() -> None:
    noticed = asyncio.Event()
    async with served(repaired(noticed)) as (server, caller):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        while (await caller.get("/ready")).status_code == 200:  # noqa: ASYNC110 - a readiness probe asks again
            await asyncio.sleep(0)
        assert not server.should_exit
        noticed.set()
        while not server.should_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
