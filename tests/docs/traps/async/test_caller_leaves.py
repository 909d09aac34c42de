"""A caller who leaves before the answer. The three sections are shown on the page of lesson 03."""

import asyncio
import socket
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from fastapi import FastAPI, HTTPException, Request

from mockllm import MockLLM
from tests.docs.traps.serving import served


async def ask_model() -> str:
    async with httpx.AsyncClient(headers={"authorization": "Bearer sk-test"}) as client:
        body = {"model": "mock-small", "messages": [{"role": "user", "content": "Hello"}]}
        reply = await client.post("https://api.openai.com/v1/chat/completions", json=body)
        return reply.json()["choices"][0]["message"]["content"]


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/answer")
    async def create_answer() -> str:
        return await ask_model()

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    @app.post("/answer")
    async def create_answer(request: Request) -> str:
        async def left() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        answer, leaving = asyncio.ensure_future(ask_model()), asyncio.ensure_future(left())
        try:
            await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            raise HTTPException(499)  # nobody reads it
        finally:
            answer.cancel()
            leaving.cancel()
            await asyncio.gather(answer, leaving, return_exceptions=True)

    # --8<-- [end:repaired]
    return app


class Caller:
    """Asks over a socket, and can hang up."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname or "", address.port or 0))
        self.socket.sendall(b"POST /answer HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n")

    def leave(self) -> None:
        """Close the socket."""
        self.socket.close()


async def test_the_call_runs_to_its_end_for_nobody(llm: MockLLM) -> None:
    with served(broken()) as url:
        # --8<-- [start:seen]
        provider = llm.hold()
        caller = Caller(url)
        await provider.arrived()  # the provider works
        caller.leave()
        provider.release()
        await llm.ended(llm.last)
        assert llm.last.state == "answered"  # in full, paid, and read by nobody
        # --8<-- [end:seen]


async def test_the_race_ends_the_call(llm: MockLLM) -> None:
    with served(repaired()) as url:
        provider = llm.hold()
        caller = Caller(url)
        await provider.arrived()
        caller.leave()
        await llm.ended(llm.last)
        assert llm.cancelled == [llm.last]


@pytest.mark.parametrize("app", [broken(), repaired()], ids=["broken", "repaired"])
async def test_who_stays_gets_the_answer(llm: MockLLM, app: FastAPI) -> None:
    llm.reply("42")
    with served(app) as url:
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"{url}/answer")).json() == "42"
