"""The service's own models behind an httpx client: for the lessons that want a client and know nothing of callers.

Whoever asks sets `CALL` first. Then limits, quota, fallbacks and usage are those of any other request, whichever
provider answers, and nothing leaves this process on the way to them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
import httpx2 as httpx

from capstone.schemas.chat import Asked, read_chat

URL = "http://own-models/v1"


class Answers(Protocol):
    """Who answers conversations: `services.chat.ChatService`."""

    async def complete(self, principal: Any, asked: Asked, kind: str, /) -> bytes:
        """Return the whole answer in OpenAI's shape."""
        ...

    async def stream(self, principal: Any, asked: Asked, kind: str, /) -> Any:
        """Open an answer that streams; it has `frames()`."""
        ...


@dataclass
class Call:
    """For whom a call goes through the door, and what became of it."""

    principal: Any
    kind: str  # as usage records know it
    failure: Exception | None = None  # as we raised it; what the client on the other side makes of it says less
    streams: list[Any] = field(default_factory=list[Any])

    async def close(self) -> None:
        """Close what was opened: clients drop their streams without closing them when they are cancelled."""
        with anyio.CancelScope(shield=True):
            for frames in self.streams:
                await frames.aclose()


@asynccontextmanager
async def as_raised(call: Call) -> AsyncIterator[None]:
    """Let what our own models refuse come out as it was raised, not as a client in between words it."""
    try:
        yield
    except Exception:
        if call.failure:
            raise call.failure from None
        raise


CALL: ContextVar[Call] = ContextVar("CALL")


@dataclass(frozen=True)
class Door(httpx.AsyncBaseTransport):
    """The transport of such a client."""

    answers: Answers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer OpenAI's `POST /chat/completions` as the service's own route does."""
        call = CALL.get()
        try:
            asked = read_chat(await request.aread())
            if not asked.streams:
                body = await self.answers.complete(call.principal, asked, call.kind)
                return httpx.Response(200, content=body, headers={"content-type": "application/json"})
            frames = (await self.answers.stream(call.principal, asked, call.kind)).frames()
        except Exception as error:
            call.failure = error
            raise
        call.streams.append(frames)
        return httpx.Response(200, stream=_Frames(frames), headers={"content-type": "text/event-stream"})


@dataclass(frozen=True)
class _Frames(httpx.AsyncByteStream):
    frames: Any

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for frame in self.frames:
            yield frame

    async def aclose(self) -> None:
        await self.frames.aclose()
