"""An exception in the generator of a stream. The three sections are shown on the page of lesson 04."""

import logging
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.sse import EventSourceResponse, ServerSentEvent

from tests.docs.traps.serving import served


class ModelFailed(Exception):
    """The model gave up."""


async def ask_model(prompt: str) -> AsyncIterator[str]:
    yield "It is"
    raise ModelFailed(prompt)


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/chat", response_class=EventSourceResponse)
    async def create_chat(prompt: str) -> AsyncIterator[str]:
        if len(prompt) > 4_000:
            raise HTTPException(413, "the prompt is too long")
        async for token in ask_model(prompt):
            yield token

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    async def answer(prompt: str) -> AsyncIterator[ServerSentEvent]:
        try:
            async for token in ask_model(prompt):
                yield ServerSentEvent(data=token, event="delta")
        except Exception:
            logging.getLogger("chat").exception("an answer failed")
            yield ServerSentEvent(data="something went wrong on our side", event="error")
        else:
            yield ServerSentEvent(data="", event="done")  # a stream without it is no whole answer

    async def fits(prompt: str) -> None:  # before there is a response
        if len(prompt) > 4_000:
            raise HTTPException(413, "the prompt is too long")

    @app.post("/chat", response_class=EventSourceResponse, dependencies=[Depends(fits)])
    async def create_chat(prompt: str) -> AsyncIterator[ServerSentEvent]:
        async for event in answer(prompt):
            yield event

    # --8<-- [end:repaired]
    return app


def test_the_status_is_200_and_the_body_breaks_off() -> None:
    with served(broken()) as url:
        # --8<-- [start:seen]
        for prompt in ("x" * 4_001, "Hello"):
            with httpx.stream("POST", f"{url}/chat", params={"prompt": prompt}) as reply:
                assert reply.status_code == 200  # it was sent before the first line of the generator ran
                with pytest.raises(httpx.RemoteProtocolError):
                    reply.read()
        # --8<-- [end:seen]


def test_a_refusal_has_a_status_and_a_failure_an_event() -> None:
    with served(repaired()) as url:
        assert httpx.post(f"{url}/chat", params={"prompt": "x" * 4_001}).status_code == 413
        with httpx.stream("POST", f"{url}/chat", params={"prompt": "Hello"}) as reply:
            assert [event.event for event in httpx.EventSource(reply)] == ["delta", "error"]
