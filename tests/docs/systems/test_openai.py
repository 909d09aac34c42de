"""OpenAI's client: an answer that streams, and one that seems to cost nothing. Shown on docs/systems/openai.md."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from openai import AsyncOpenAI

from mockllm import MockLLM

Stream = Callable[[str, list[Any]], AsyncIterator[str]]


def example(client: AsyncOpenAI) -> Callable[[str], Any]:
    # --8<-- [start:example]
    async def ask_model(question: str) -> str:
        reply = await client.chat.completions.create(
            model="mock-large",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": question},
            ],
            max_completion_tokens=200,
        )
        choice = reply.choices[0]
        if choice.finish_reason == "length":
            raise ValueError("the answer was cut off at max_completion_tokens")
        return choice.message.content or choice.message.refusal or ""

    # --8<-- [end:example]
    return ask_model


def broken(client: AsyncOpenAI) -> Stream:
    # --8<-- [start:broken]
    async def stream_answer(question: str, bill: list[Any]) -> AsyncIterator[str]:
        stream = await client.chat.completions.create(
            model="mock-large",
            messages=[{"role": "user", "content": question}],
            stream=True,
        )
        async for chunk in stream:
            yield chunk.choices[0].delta.content or ""
            bill.append(chunk.usage)

    # --8<-- [end:broken]
    return stream_answer


def repaired(client: AsyncOpenAI) -> Stream:
    # --8<-- [start:repaired]
    async def stream_answer(question: str, bill: list[Any]) -> AsyncIterator[str]:
        stream = await client.chat.completions.create(
            model="mock-large",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.usage:  # the last chunk, which has no choices
                bill.append(chunk.usage.total_tokens)
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""

    # --8<-- [end:repaired]
    return stream_answer


@pytest.fixture
async def client(llm: MockLLM) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="sk-test", max_retries=0) as client:
        yield client


async def test_an_answer_is_whole_or_it_is_an_error(llm: MockLLM, client: AsyncOpenAI) -> None:
    ask_model = example(client)
    llm.reply("42")
    assert await ask_model("Why?") == "42"
    llm.truncate("Because of")
    with pytest.raises(ValueError, match="cut off"):
        await ask_model("Why?")


async def test_a_stream_says_nothing_of_its_price(llm: MockLLM, client: AsyncOpenAI) -> None:
    stream_answer = broken(client)
    # --8<-- [start:seen]
    llm.tokens(["4", "2"])
    bill: list[Any] = []
    assert "".join([text async for text in stream_answer("Why?", bill)]) == "42"
    assert set(bill) == {None}  # nothing was used, says your table

    # and whoever adds the option alone:
    llm.tokens(["4", "2"])
    stream = await client.chat.completions.create(
        model="mock-large",
        messages=[{"role": "user", "content": "Why?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    *_, last = [chunk async for chunk in stream]
    assert last.choices == []  # so choices[0] is an IndexError
    # --8<-- [end:seen]


async def test_asked_for_it_comes_last(llm: MockLLM, client: AsyncOpenAI) -> None:
    llm.tokens(["4", "2"])
    bill: list[Any] = []
    assert "".join([text async for text in repaired(client)("Why?", bill)]) == "42"
    assert len(bill) == 1
    assert bill[0] > 2
