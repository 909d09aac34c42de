"""A stream that opens the provider too late. The three sections are shown on the page of lesson 04."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx2 as httpx
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from mockllm import LLMTransport, MockLLM

QUESTION = {
    "model": "mock-large",
    "max_tokens": 100,
    "stream": True,
    "messages": [{"role": "user", "content": "Hello"}],
}


def client_of(llm: MockLLM) -> httpx.AsyncClient:
    headers = {"authorization": "Bearer sk-ant-test", "anthropic-version": "2026-10-21"}
    return httpx.AsyncClient(transport=LLMTransport(llm), base_url="https://model.test", headers=headers)


def broken(client: httpx.AsyncClient) -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    async def tokens() -> AsyncIterator[str]:
        async with client.stream("POST", "/v1/messages", json=QUESTION) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    yield f"{line}\n\n"

    @app.post("/chat")
    async def create_chat() -> StreamingResponse:
        return StreamingResponse(tokens(), media_type="text/event-stream")

    # --8<-- [end:broken]
    return app


def repaired(client: httpx.AsyncClient) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    async def open_answer() -> AsyncIterator[httpx.Response]:
        async with client.stream("POST", "/v1/messages", json=QUESTION) as response:
            if response.status_code == 429:
                wait = response.headers.get("retry-after", "1")
                raise HTTPException(429, "the provider is busy", {"Retry-After": wait})
            if response.is_error:
                raise HTTPException(502, "the provider refused")
            yield response  # FastAPI closes it when the stream is over

    @app.post("/chat")
    async def create_chat(answer: Annotated[httpx.Response, Depends(open_answer)]) -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield f"{line}\n\n"

        return StreamingResponse(tokens(), media_type="text/event-stream")

    # --8<-- [end:repaired]
    return app


def test_a_refusal_of_the_provider_is_an_empty_success(llm: MockLLM) -> None:
    caller = TestClient(broken(client_of(llm)))
    # --8<-- [start:seen]
    for status in (401, 429, 529):
        llm.fail(status)
        reply = caller.post("/chat")
        assert (reply.status_code, reply.text) == (200, "")
    # --8<-- [end:seen]


def test_what_is_forwarded_has_lost_its_name_and_is_the_providers_business(llm: MockLLM) -> None:
    llm.tokens(["42"]).ping()
    text = TestClient(broken(client_of(llm))).post("/chat").text
    assert "event:" not in text
    assert '"type":"ping"' in text
    assert '"usage"' in text


def test_the_status_says_what_the_provider_said(llm: MockLLM) -> None:
    caller = TestClient(repaired(client_of(llm)))
    llm.fail(429, retry_after=7)
    reply = caller.post("/chat")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    llm.fail(401)
    assert caller.post("/chat").status_code == 502
    llm.reply("42")
    assert "42" in caller.post("/chat").text
