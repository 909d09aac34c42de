"""An official client for each request. The three sections are shown on the page of lesson 03."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from openai import AsyncOpenAI, RateLimitError
from pydantic import BaseModel

from mockllm import MockLLM

API_KEY = "sk-test"


class GenerateRequest(BaseModel):
    prompt: str


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/generate")
    async def create_text(body: GenerateRequest) -> str:
        client = AsyncOpenAI(api_key=API_KEY)
        reply = await client.chat.completions.create(
            model="mock-small", messages=[{"role": "user", "content": body.prompt}]
        )
        return reply.choices[0].message.content or ""

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        timeout = httpx.Timeout(connect=3, write=10, read=60, pool=5)
        async with AsyncOpenAI(api_key=API_KEY, timeout=timeout, max_retries=0) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)

    @app.post("/generate")
    async def create_text(body: GenerateRequest, request: Request) -> str:
        reply = await request.state.client.chat.completions.create(
            model="mock-small", messages=[{"role": "user", "content": body.prompt}]
        )
        message = reply.choices[0].message
        return message.content or message.refusal or ""  # a refusal has no content

    # --8<-- [end:repaired]
    return app


def test_every_request_opens_a_pool_and_calls_three_times(llm: MockLLM) -> None:
    caller = TestClient(broken(), raise_server_exceptions=False)
    # --8<-- [start:seen]
    for _ in range(3):
        caller.post("/generate", json={"prompt": "Hello"})
    assert llm.connections == 3  # clients, each with a pool of its own, and nobody closes them

    llm.reset()
    llm.fail(429, retry_after=0.01, times=3)
    assert caller.post("/generate", json={"prompt": "Hello"}).status_code == 500
    assert len(llm.requests) == 3  # the caller asked once; you never wrote a loop

    assert AsyncOpenAI(api_key=API_KEY).timeout == httpx.Timeout(600, connect=5)
    # --8<-- [end:seen]


def test_a_refusal_has_no_content(llm: MockLLM) -> None:
    llm.refuse("I cannot help with that.")
    assert TestClient(broken()).post("/generate", json={"prompt": "Hello"}).json() == ""


def test_one_client_calls_once_and_a_refusal_is_an_answer(llm: MockLLM) -> None:
    llm.fail(429)
    llm.refuse("I cannot help with that.")
    with TestClient(repaired()) as caller:
        with pytest.raises(RateLimitError):
            caller.post("/generate", json={"prompt": "Hello"})
        assert len(llm.requests) == 1
        assert caller.post("/generate", json={"prompt": "Hello"}).json() == "I cannot help with that."
    assert llm.connections == 1
