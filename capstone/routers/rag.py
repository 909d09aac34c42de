"""POST /rag/query: answers from a tenant's documents, each with its sources."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Request, Response, Security
from pydantic_core import to_json

from capstone.parts import auth, deployment, streams
from capstone.routers.chat import EventStream
from capstone.schemas.rag import Answer, Citation, Question
from capstone.services.rag import cited
from capstone.services.work import work_of

log = logging.getLogger("capstone.rag")
router = APIRouter(prefix="/rag", tags=["rag"])
Caller = Annotated[Any, Security(auth.authorized, scopes=["chat", "documents"])]
EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["sources", "delta", "done", "error"]}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"itemSchema": EVENT}}, "description": "An answer."}
}


@router.post("/query", response_model=Answer, responses=EVENTS)
async def create_answer(request: Request, caller: Caller, asked: Question) -> Answer | Response:
    """Answer a question from the tenant's documents.

    With `stream`, events: `sources` (what was found, numbered), `delta` (a piece of the text), and last `done` (which
    sources the text names) or `error`.
    """
    rag = work_of(request).rag
    if not asked.stream:
        return await rag.answer(caller, asked)
    deployment.must_stream_for_real(request)
    stack = AsyncExitStack()
    try:
        sources, pieces = await stack.enter_async_context(rag.stream(caller, asked))
    except BaseException:
        with anyio.CancelScope(shield=True):
            await stack.aclose()
        raise
    events = streams.with_heartbeats(_events(sources, pieces), every_s=work_of(request).settings.heartbeat_s)
    return EventStream(_Told(stack, events))


async def _events(sources: list[Citation], pieces: AsyncIterator[str]) -> AsyncIterator[Any]:
    yield _event("sources", {"citations": [one.model_dump() for one in sources]})
    said: list[str] = []
    try:
        async for piece in pieces:
            if piece:
                said.append(piece)
                yield _event("delta", {"text": piece})
    except Exception:  # the status is out: what went wrong can only be told in the stream
        log.exception("an answer broke off")
        yield _event("error", {"type": "stream_broken", "message": "The answer broke off."})
        return
    numbers = cited("".join(said), sources)
    yield _event("done", {"cited": numbers, "known": bool(numbers)})


def _event(name: str, data: dict[str, Any]) -> Any:
    return streams.Event(to_json(data).decode(), name)


@dataclass
class _Told:
    """Events as bytes. Whether or not anybody iterated: closing it closes the answer."""

    stack: AsyncExitStack
    events: Any

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return streams.encode(await anext(self.events))

    async def aclose(self) -> None:
        """Close the events, then what they came from."""
        with anyio.CancelScope(shield=True):
            await self.events.aclose()
            await self.stack.aclose()
