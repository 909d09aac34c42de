"""What many services look like: FastAPI, a pydantic model in and out, and an httpx2 client, shared or made anew."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

UPSTREAM = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
HEADERS = {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}


class Message(BaseModel):
    """One turn."""

    role: str
    content: str


class ChatRequest(BaseModel):
    """What a user asks."""

    model: str
    messages: list[Message]
    stream: bool = False


class ChatResponse(BaseModel):
    """What the model answered."""

    id: str
    model: str
    object: str
    created: int
    choices: list[dict[str, Any]]
    usage: dict[str, int]


def make_client() -> httpx.AsyncClient:
    """Make a client that no limit of its own holds back."""
    limits = httpx.Limits(max_connections=2_000, max_keepalive_connections=2_000)
    return httpx.AsyncClient(timeout=60, limits=limits, headers=HEADERS)


def shared_client() -> FastAPI:
    """Await one client that lives as long as the process."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with make_client() as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/chat/completions", response_model=ChatResponse)
    async def create_chat(chat: ChatRequest, request: Request) -> Any:
        client: httpx.AsyncClient = request.state.client
        if not chat.stream:
            reply = await client.post(UPSTREAM, json=chat.model_dump())
            return reply.json()

        async def events() -> AsyncIterator[bytes]:
            async with client.stream("POST", UPSTREAM, json=chat.model_dump()) as reply:
                async for data in reply.aiter_bytes():
                    yield data

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def new_client() -> FastAPI:
    """Build a client for each request."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def create_chat(chat: ChatRequest) -> ChatResponse:
        async with make_client() as client:
            reply = await client.post(UPSTREAM, json=chat.model_dump())
        return ChatResponse.model_validate(reply.json())

    return app
