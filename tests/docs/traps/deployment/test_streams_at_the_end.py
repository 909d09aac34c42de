"""SIGTERM while streams are open. The three sections are shown on the page of lesson 07."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2 as httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from tests.docs.traps.serving import served


async def words() -> AsyncIterator[str]:
    while True:
        yield 'event: delta\ndata: {"text": "and on "}\n\n'
        await asyncio.sleep(0.01)


def broken(closed: list[str]) -> FastAPI:
    # --8<-- [start:broken]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        closed.append("shutting down: tell the streams")

    app = FastAPI(lifespan=lifespan)

    @app.post("/chat")
    async def create_chat() -> StreamingResponse:
        return StreamingResponse(words(), media_type="text/event-stream")

    # --8<-- [end:broken]
    return app


def repaired(cut: threading.Event) -> FastAPI:
    # --8<-- [start:repaired]
    async def until_cut(events: AsyncIterator[str]) -> AsyncIterator[str]:
        async for event in events:
            yield event
            if cut.is_set():  # set by our own handler of SIGTERM, some seconds before the server cuts
                yield f"event: error\ndata: {json.dumps({'type': 'shutting_down'})}\n\n"
                return

    app = FastAPI()

    @app.post("/chat")
    async def create_chat() -> StreamingResponse:
        return StreamingResponse(until_cut(words()), media_type="text/event-stream")

    # --8<-- [end:repaired]
    return app


class Reader(threading.Thread):
    """Reads a stream to its end, or to what it sees of it. The stream has begun when this is made."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.got, self.error = url, "", ""
        self.begun = threading.Event()
        self.start()
        assert self.begun.wait(20)

    def run(self) -> None:
        try:
            with httpx.stream("POST", f"{self.url}/chat", timeout=20) as response:
                for chunk in response.iter_text():
                    self.got += chunk
                    self.begun.set()
        except httpx.TransportError as error:
            self.error = type(error).__name__


def test_the_reader_sees_a_broken_connection_and_the_lifespan_comes_last() -> None:
    closed: list[str] = []
    # --8<-- [start:seen]
    with served(broken(closed), lifespan="on", timeout_graceful_shutdown=1) as url:
        reader = Reader(url)
        assert closed == []
    reader.join(20)  # SIGTERM came, and the server waited for a second
    assert reader.error == "RemoteProtocolError"  # a cut in the middle, without a word
    assert closed == ["shutting down: tell the streams"]  # when none was left to be told
    # --8<-- [end:seen]


def test_who_is_told_has_a_whole_response() -> None:
    cut = threading.Event()
    with served(repaired(cut), timeout_graceful_shutdown=5) as url:
        reader = Reader(url)
        cut.set()
    reader.join(20)
    assert reader.error == ""
    assert reader.got.endswith('event: error\ndata: {"type": "shutting_down"}\n\n')
