"""A call that blocks inside `async def`. The three sections are shown on the page of lesson 01."""

import asyncio
import threading

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool


def broken(meeting: threading.Barrier) -> FastAPI:
    def ask_model() -> str:
        meeting.wait()
        return "done"

    # --8<-- [start:broken]
    app = FastAPI()

    @app.get("/answer")
    async def read_answer() -> str:
        return ask_model()  # a client without `await`: it waits, and so does everybody else

    # --8<-- [end:broken]
    return app


def repaired(meeting: threading.Barrier) -> FastAPI:
    def ask_model() -> str:
        meeting.wait()
        return "done"

    # --8<-- [start:repaired]
    app = FastAPI()

    @app.get("/answer")
    async def read_answer() -> str:
        return await run_in_threadpool(ask_model)

    # --8<-- [end:repaired]
    return app


async def get_two(app: FastAPI) -> list[int]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        replies = await asyncio.gather(client.get("/answer"), client.get("/answer"))
    return [reply.status_code for reply in replies]


async def test_two_requests_are_never_inside_at_once() -> None:
    # --8<-- [start:seen]
    # The slow call of each request waits, here up to 0.2 s, until the other one is in it too.
    app = broken(meeting=threading.Barrier(2, timeout=0.2))
    with pytest.raises(threading.BrokenBarrierError):
        await get_two(app)
    # --8<-- [end:seen]


async def test_in_threads_they_meet() -> None:
    assert await get_two(repaired(threading.Barrier(2, timeout=15))) == [200, 200]
