"""A cut that looks like an end. The three sections are shown on the page of lesson 04."""

import json
from collections.abc import AsyncIterator, Callable

import anthropic
import httpx2 as httpx
import openai
import pytest

from mockllm import MockLLM

from .test_empty_200 import QUESTION, client_of

Read = Callable[[httpx.Response], AsyncIterator[str]]


def broken() -> Read:
    # --8<-- [start:broken]
    async def read_tokens(response: httpx.Response) -> AsyncIterator[str]:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                data = line[6:]
                if data == "[DONE]":
                    break
                event = json.loads(data)
                if event["type"] == "content_block_delta":
                    yield event["delta"]["text"]

    # --8<-- [end:broken]
    return read_tokens


def repaired() -> Read:
    # --8<-- [start:repaired]
    async def read_tokens(response: httpx.Response) -> AsyncIterator[str]:
        async for event in httpx.EventSource(response):
            match json.loads(event.data):
                case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}:
                    yield text
                case {"type": "error", "error": {"message": message}}:
                    raise ConnectionError(message)
                case {"type": "message_stop"}:
                    return
        raise ConnectionError("the provider broke off")

    # --8<-- [end:repaired]
    return read_tokens


async def texts(llm: MockLLM, read: Read) -> list[str]:
    async with client_of(llm) as client, client.stream("POST", "/v1/messages", json=QUESTION) as response:
        return [text async for text in read(response)]


async def test_half_an_answer_is_an_answer(llm: MockLLM) -> None:
    read_tokens = broken()
    # --8<-- [start:seen]
    llm.tokens(["Take the red pill", ", never the blue one"]).cut(after=1)
    assert await texts(llm, read_tokens) == ["Take the red pill"]  # no error, nowhere

    llm.tokens(["Take the red pill"]).fail(529, after=1)  # the provider says so, in an event of its own
    assert await texts(llm, read_tokens) == ["Take the red pill"]

    llm.tokens(["one\u2028two"])  # a character that aiter_lines takes for the end of a line
    with pytest.raises(json.JSONDecodeError):
        await texts(llm, read_tokens)
    # --8<-- [end:seen]


async def test_there_is_no_done_in_this_dialect(llm: MockLLM) -> None:
    async with client_of(llm) as client:
        assert "[DONE]" not in (await client.post("/v1/messages", json=QUESTION)).text


async def test_only_message_stop_is_an_end(llm: MockLLM) -> None:
    llm.tokens(["Take the red pill", ", never the blue one"]).cut(after=1)
    with pytest.raises(ConnectionError, match="broke off"):
        await texts(llm, repaired())
    llm.tokens(["Take the red pill"]).fail(529, after=1)
    with pytest.raises(ConnectionError, match="Overloaded"):
        await texts(llm, repaired())
    llm.tokens(["one\u2028two"])
    assert await texts(llm, repaired()) == ["one\u2028two"]


async def test_the_loop_over_an_official_client_ends_at_a_cut_too(llm: MockLLM) -> None:
    llm.tokens(["one", "two"]).cut(after=1)
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="mock-small", stream=True, messages=[{"role": "user", "content": "Hello"}]
        )
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * len(chunks)


async def ask_anthropic() -> None:
    async with anthropic.AsyncAnthropic(api_key="sk-ant-test", max_retries=0) as client:
        asked = client.messages.stream(
            model="mock-large", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
        )
        async with asked as stream:
            await stream.get_final_text()


async def test_an_error_in_mid_stream_has_the_status_of_the_stream(llm: MockLLM) -> None:
    llm.tokens(["one", "two"]).fail(529, after=1)
    with pytest.raises(anthropic.APIStatusError) as caught:
        await ask_anthropic()
    assert caught.value.status_code == 200


async def test_a_reset_in_mid_stream_is_the_http_clients_error(llm: MockLLM) -> None:
    llm.tokens(["one", "two"]).cut(after=1, reset=True)
    with pytest.raises(httpx.ReadError):
        await ask_anthropic()
