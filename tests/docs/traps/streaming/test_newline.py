"""A token with a newline in it. The three sections are shown on the page of lesson 04."""

import json
from collections.abc import AsyncIterator

import httpx2 as httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from fastapi.testclient import TestClient


async def ask_model() -> AsyncIterator[str]:
    yield "Dear Ada,"
    yield "\n\nall is well."


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/chat")
    async def create_chat() -> StreamingResponse:
        tokens = (f"data: {token}\n\n" async for token in ask_model())
        return StreamingResponse(tokens, media_type="text/event-stream")

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    @app.post("/chat", response_class=EventSourceResponse)
    async def create_chat() -> AsyncIterator[str]:
        async for token in ask_model():
            yield token  # sent as JSON, in which a newline is two harmless characters

    # --8<-- [end:repaired]
    return app


def received(app: FastAPI) -> list[str]:
    with TestClient(app).stream("POST", "/chat") as response:
        return [event.data for event in httpx.EventSource(response)]


def test_the_text_behind_a_blank_line_is_gone() -> None:
    # --8<-- [start:seen]
    # The model said "Dear Ada," and then "\n\nall is well."
    assert received(broken()) == ["Dear Ada,", ""]
    # --8<-- [end:seen]


def test_as_json_it_arrives() -> None:
    assert [json.loads(data) for data in received(repaired())] == ["Dear Ada,", "\n\nall is well."]


def test_the_response_class_forbids_to_store_and_to_gather() -> None:
    headers = TestClient(repaired()).post("/chat").headers
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
