"""The FastAPI servers under test, each made by a factory: `uvicorn --factory fastapi_app:threads`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from pydantic import BaseModel


class ChatRequest(BaseModel):
    """What a user asks."""

    prompt: str


class ChatResponse(BaseModel):
    """What the model answered."""

    answer: str


def blocking() -> FastAPI:
    """Make the mistake: a call that blocks, inside `async def`."""
    from blocking_client import ask

    app = FastAPI()

    @app.post("/chat")
    async def create_chat(chat: ChatRequest) -> ChatResponse:
        return ChatResponse(answer=ask(chat.prompt))

    return app


def threads() -> FastAPI:
    """Block inside `def`, which FastAPI runs in its pool of 40 threads."""
    from blocking_client import ask

    app = FastAPI()

    @app.post("/chat")
    def create_chat(chat: ChatRequest) -> ChatResponse:
        return ChatResponse(answer=ask(chat.prompt))

    return app


def shared_client() -> FastAPI:
    """Await one client that lives as long as the process."""
    from async_client import ask, make_client

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with make_client() as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/chat")
    async def create_chat(chat: ChatRequest, request: Request) -> ChatResponse:
        return ChatResponse(answer=await ask(request.app.state.client, chat.prompt))

    return app


def new_client() -> FastAPI:
    """Build a client for each request."""
    from async_client import ask, make_client

    app = FastAPI()

    @app.post("/chat")
    async def create_chat(chat: ChatRequest) -> ChatResponse:
        async with make_client() as client:
            return ChatResponse(answer=await ask(client, chat.prompt))

    return app
