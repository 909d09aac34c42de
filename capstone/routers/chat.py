"""POST /v1/chat/completions, in OpenAI's shape, so that any of its clients works."""

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from anyio.lowlevel import checkpoint_if_cancelled
from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from capstone.dependencies import ChatDep, Chatter, HotRoute
from capstone.parts import deployment
from capstone.schemas.chat import read_chat

router = APIRouter(prefix="/v1", tags=["chat"], route_class=HotRoute)
PING = b": ping\n\n"
STREAMS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Frames(Protocol):
    """Events as bytes, and what has to be closed when nobody wants them any more."""

    def __aiter__(self) -> Any:
        """Iterate them."""
        ...

    async def aclose(self) -> None:
        """Leave, and settle."""
        ...


class Whole(Response):
    """A response that is JSON already."""

    def __init__(self, body: bytes) -> None:
        self.body, self.status_code, self.background = body, 200, None
        self.raw_headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]


class EventStream(Response):
    """A response that sends events as they come, and a sign of life after `every_s` seconds without one.

    One task for each stream looks after that, and not one for each event: this is the hot path.
    """

    def __init__(self, frames: Frames, every_s: float | None = None) -> None:
        self.frames, self.every_s = frames, every_s
        self.status_code, self.background, self.raw_headers = 200, None, list(STREAMS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of them; however that ends, what they came from is closed."""
        self.sent = 0
        beating = asyncio.create_task(self._beat(send, self.every_s)) if self.every_s else None
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for frame in self.frames:
                self.sent += 1
                await send({"type": "http.response.body", "body": frame, "more_body": True})
                if not self.sent % 16:  # anyio cancels a task that waits, and where more is always there none does
                    await checkpoint_if_cancelled()
            if beating:
                beating.cancel()
            await send({"type": "http.response.body", "body": b""})
        finally:
            if beating:
                beating.cancel()
            await self.frames.aclose()

    async def _beat(self, send: Send, every_s: float) -> None:
        seen = -1
        with suppress(Exception):  # whoever cannot be sent to has gone: the other task learns it too
            while True:
                if seen == self.sent:
                    await send({"type": "http.response.body", "body": PING, "more_body": True})
                seen = self.sent
                await asyncio.sleep(every_s)


@router.post("/chat/completions", response_model=None)
async def create_chat(request: Request, caller: Chatter, chat: ChatDep) -> Response:
    """Answer a conversation, whole or, with `stream`, as it comes."""
    asked = read_chat(await request.body())
    if asked.streams:
        deployment.must_stream_for_real(request)
        return EventStream(await chat.stream(caller, asked), chat.settings.heartbeat_s)
    return Whole(await chat.complete(caller, asked))
