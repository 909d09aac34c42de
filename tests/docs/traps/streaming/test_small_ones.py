"""The lines of the table "and smaller ones" on the page of lesson 04."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Literal

import httpx2 as httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from tests.docs.traps.serving import served


async def five() -> AsyncIterator[str]:
    for n in range(5):
        yield str(n)


def test_a_connection_header_is_sent_as_it_is() -> None:
    app = FastAPI()

    @app.get("/chat")
    async def read_chat() -> StreamingResponse:
        return StreamingResponse(five(), headers={"Connection": "keep-alive"})

    with served(app) as url:
        headers = httpx.get(f"{url}/chat").headers
    assert headers["connection"] == "keep-alive"
    assert "x-accel-buffering" not in headers


@pytest.mark.parametrize(("scope", "closed_at"), [("request", 5), ("function", 0)])
def test_a_dependency_is_given_back_behind_the_stream_unless_told_otherwise(
    scope: Literal["request", "function"], closed_at: int
) -> None:
    seen: list[str] = []

    async def borrow_connection() -> AsyncIterator[None]:
        yield
        seen.append("closed")

    app = FastAPI()

    @app.get("/chat")
    async def read_chat(_: Annotated[None, Depends(borrow_connection, scope=scope)]) -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            async for token in five():
                seen.append(token)
                yield token

        return StreamingResponse(tokens())

    TestClient(app).get("/chat")
    assert seen.index("closed") == closed_at


@pytest.mark.looptime
async def test_a_deadline_around_the_whole_loop_cancels_a_slow_reader() -> None:
    async def with_deadline() -> AsyncIterator[str]:
        async with asyncio.timeout(30):
            async for token in five():
                yield token

    async def read() -> None:
        async for _ in with_deadline():
            await asyncio.sleep(20)  # the model is never slow, this reader is

    reader = asyncio.ensure_future(read())
    await asyncio.wait({reader})
    assert reader.cancelled()


async def test_wait_for_around_the_next_token_ends_the_generator() -> None:
    async def slow() -> AsyncIterator[str]:
        await asyncio.sleep(3_600)
        yield "never"

    tokens = slow()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(tokens), 0)
    with pytest.raises(StopAsyncIteration):
        await anext(tokens)


def read_one_token_and_leave(app: FastAPI) -> None:
    """Over a socket, and to the end of what the server still does then."""
    with served(app) as url, httpx.stream("GET", f"{url}/chat") as response:
        next(response.iter_text())


def test_a_generator_that_swallows_its_cancellation_goes_on_for_nobody() -> None:
    made: list[str] = []

    async def tokens() -> AsyncIterator[str]:
        async for token in five():
            made.append(token)
            yield token
            with suppress(BaseException):  # `except:` and `except BaseException:` are the same
                await asyncio.sleep(3_600)

    app = FastAPI()

    @app.get("/chat")
    async def read_chat() -> StreamingResponse:
        return StreamingResponse(tokens())

    read_one_token_and_leave(app)
    assert made == ["0", "1", "2", "3", "4"]


async def test_asgi_transport_collects_the_whole_body_first() -> None:
    order: list[str] = []

    async def tokens() -> AsyncIterator[str]:
        for n in range(3):
            order.append(f"made {n}")
            yield str(n)

    app = FastAPI()

    @app.get("/chat")
    async def read_chat() -> StreamingResponse:
        return StreamingResponse(tokens())

    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
        client.stream("GET", "/chat") as response,
    ):
        async for _ in response.aiter_text():
            order.append("read")
    assert order[:3] == ["made 0", "made 1", "made 2"]
    assert "read" in order[3:]


def test_a_background_task_runs_after_a_reader_left() -> None:
    ran: list[str] = []

    async def tokens() -> AsyncIterator[str]:
        yield "token"
        await asyncio.sleep(3_600)

    app = FastAPI()

    @app.get("/chat")
    async def read_chat(background: BackgroundTasks) -> StreamingResponse:
        background.add_task(ran.append, "usage")
        return StreamingResponse(tokens())

    read_one_token_and_leave(app)
    assert ran == ["usage"]


def test_plain_objects_from_a_generator_are_json_lines() -> None:
    app = FastAPI()

    @app.get("/chat")
    async def read_chat() -> AsyncIterator[dict[str, str]]:
        async for token in five():
            yield {"text": token}

    assert TestClient(app).get("/chat").headers["content-type"] == "application/jsonl"
