"""One health check for two questions. The three sections are shown on the page of lesson 07."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2 as httpx
import pytest
from fastapi import FastAPI, HTTPException, Response

Ping = Callable[[], Awaitable[None]]


def broken(database: Ping, provider: Ping) -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        try:
            await database()
            await provider()
        except Exception as error:
            raise HTTPException(503, detail=str(error)) from error
        return {"status": "healthy"}

    # --8<-- [end:broken]
    return app


def repaired(database: Ping) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    @app.get("/health/live")  # restart me?
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/health/ready")  # send me requests?
    async def ready(response: Response) -> dict[str, str]:
        try:
            async with asyncio.timeout(1):
                await database()  # what this replica cannot do without, and nothing that belongs to others
        except Exception:
            response.status_code = 503
            return {"status": "not ready"}
        return {"status": "ready"}

    # --8<-- [end:repaired]
    return app


class Part:
    """A part that is well, down or silent, and counts who asks it."""

    def __init__(self, error: str = "", *, silent: bool = False) -> None:
        self.error, self.silent, self.asked = error, silent, 0

    async def __call__(self) -> None:
        self.asked += 1
        if self.silent:
            await asyncio.sleep(3_600)
        if self.error:
            raise ConnectionError(self.error)


async def get(app: FastAPI, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.test") as caller:
        return await caller.get(path)


async def test_a_bad_minute_of_somebody_else_restarts_every_replica() -> None:
    # --8<-- [start:seen]
    database, provider = Part(), Part(error="529 from https://key@model.test")
    replicas = [broken(database, provider) for _ in range(3)]
    replies = [await get(replica, "/health") for replica in replicas]

    assert [reply.status_code for reply in replies] == [503, 503, 503]  # all of them, in the same second
    assert provider.asked == 3  # and every ten seconds again, at the provider's price
    assert "key@model.test" in replies[0].text  # for whoever asks
    # --8<-- [end:seen]


@pytest.mark.looptime
async def test_a_silent_database_is_no_answer_at_all() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await get(broken(Part(silent=True), Part()), "/health")
    assert loop.time() - began >= 3_600


@pytest.mark.looptime
async def test_two_questions_have_two_answers() -> None:
    for database, ready in ((Part(), 200), (Part("down"), 503), (Part(silent=True), 503)):
        app = repaired(database)
        assert (await get(app, "/health/live")).status_code == 200
        assert (await get(app, "/health/ready")).status_code == ready
