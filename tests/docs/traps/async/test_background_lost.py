"""A background task and the end of the process. The three sections are shown on the page of lesson 03."""

import asyncio

import httpx2 as httpx
from fastapi import BackgroundTasks, FastAPI

from tests.docs.traps.serving import served


def broken(saved: list[str], database: asyncio.Event) -> FastAPI:
    async def save(line: str) -> None:
        await database.wait()
        saved.append(line)

    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/chat")
    async def create_chat(background: BackgroundTasks) -> str:
        background.add_task(save, "ada used 812 tokens")
        return "42"

    # --8<-- [end:broken]
    return app


def repaired(queue: list[str]) -> FastAPI:
    async def enqueue(line: str) -> None:
        queue.append(line)

    # --8<-- [start:repaired]
    app = FastAPI()

    @app.post("/chat")
    async def create_chat() -> str:
        await enqueue("ada used 812 tokens")  # short, and outside of this process
        return "42"

    # --8<-- [end:repaired]
    return app


def test_the_answer_was_sent_and_the_work_is_gone() -> None:
    database = asyncio.Event()  # slow today
    # --8<-- [start:seen]
    saved: list[str] = []
    with served(broken(saved, database), timeout_graceful_shutdown=0) as url:  # a deploy that waits for nobody
        assert httpx.post(f"{url}/chat").status_code == 200
    assert saved == []
    # --8<-- [end:seen]


def test_what_was_queued_before_the_answer_is_there() -> None:
    queue: list[str] = []
    with served(repaired(queue), timeout_graceful_shutdown=0) as url:
        assert httpx.post(f"{url}/chat").status_code == 200
    assert queue == ["ada used 812 tokens"]
