"""A reader in Python. The three sections are shown on the page of lesson 04."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2 as httpx
import pytest

from mockllm import LLMTransport, MockLLM

from .test_empty_200 import QUESTION

Show = Callable[[str], None]
URL = "https://service.test/v1/messages"
HEADERS = {"authorization": "Bearer sk-ant-test", "anthropic-version": "2026-10-21"}


def broken(show: Show, transport: LLMTransport) -> Callable[[], Awaitable[None]]:
    def AsyncClient() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=transport, headers=HEADERS)

    # --8<-- [start:broken]
    async def read_answer() -> None:
        async with AsyncClient() as client, client.stream("POST", URL, json=QUESTION) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    show(line[6:])

    # --8<-- [end:broken]
    return read_answer


def repaired(client: httpx.AsyncClient) -> Callable[[], AsyncIterator[str]]:
    # --8<-- [start:repaired]
    async def read_answer() -> AsyncIterator[str]:
        timeout = httpx.Timeout(5, read=60)  # the model may think; the service sends a sign of life meanwhile
        async with client.stream("POST", URL, json=QUESTION, timeout=timeout) as response:
            response.raise_for_status()
            async for event in httpx.EventSource(response):
                if event.event == "content_block_delta":
                    yield json.loads(event.data)["delta"]["text"]
                elif event.event == "error":
                    raise ConnectionError(event.data)
                elif event.event == "message_stop":
                    return
        raise ConnectionError("the answer broke off")

    # --8<-- [end:repaired]
    return read_answer


@pytest.mark.looptime
async def test_it_gives_up_on_a_thoughtful_model_and_prints_what_is_no_text(llm: MockLLM) -> None:
    shown: list[str] = []
    read_answer = broken(shown.append, LLMTransport(llm))
    # --8<-- [start:seen]
    llm.slow(first_token_s=6)
    with pytest.raises(httpx.ReadTimeout):  # 5 s without a byte, unless you say otherwise
        await read_answer()

    shown.clear()
    llm.fail(429)
    await read_answer()
    assert shown == []  # no answer, and no error

    llm.tokens(["42"]).ping()
    await read_answer()
    assert '{"type":"ping"}' in shown  # JSON on the screen, where "42" was expected
    # --8<-- [end:seen]


@pytest.mark.looptime
async def test_patience_a_parser_and_an_end(llm: MockLLM) -> None:
    async with httpx.AsyncClient(transport=LLMTransport(llm), headers=HEADERS) as client:
        read_answer = repaired(client)
        llm.tokens(["4", "2"]).ping().slow(first_token_s=40)
        assert [text async for text in read_answer()] == ["4", "2"]
        llm.fail(429)
        with pytest.raises(httpx.HTTPStatusError):
            _ = [text async for text in read_answer()]
        llm.tokens(["4", "2"]).cut(after=1)
        with pytest.raises(ConnectionError, match="broke off"):
            _ = [text async for text in read_answer()]
