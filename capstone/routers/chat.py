"""POST /v1/chat/completions, in OpenAI's shape, so that any of its clients works."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from starlette.types import Receive, Scope, Send

from capstone.parts import auth
from capstone.schemas.chat import read_chat
from capstone.services.chat import ChatService

router = APIRouter(prefix="/v1", tags=["chat"])
Caller = Annotated[Any, Security(auth.authorized, scopes=["chat"])]


class EventStream(Response):
    """A response that sends events as they come."""

    def __init__(self, frames: AsyncIterator[bytes]) -> None:
        self.frames = frames
        self.status_code, self.background = 200, None
        self.init_headers(
            {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for frame in self.frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await self.frames.aclose()  # type: ignore[attr-defined]


def get_chat(request: Request) -> ChatService:
    """Find the service that the lifespan opened."""
    return request.state.chat


@router.post("/chat/completions")
async def create_chat(request: Request, caller: Caller) -> Response:
    """Answer a conversation."""
    asked = read_chat(await request.body())
    chat: ChatService = request.state.chat
    if not asked.streams:
        return Response(await chat.complete(caller, asked), media_type="application/json")
    return EventStream((await chat.stream(caller, asked)).frames())
