"""Anthropic's client: a message, and the options of somebody else. Shown on docs/systems/anthropic.md."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from anthropic import AsyncAnthropic, BadRequestError

from mockllm import MockLLM

Ask = Callable[..., Any]


def example(client: AsyncAnthropic) -> Ask:
    # --8<-- [start:example]
    async def ask_model(question: str) -> str:
        reply = await client.messages.create(
            model="mock-large",
            system="Be brief.",  # no message, as it is with OpenAI
            messages=[{"role": "user", "content": question}],
            max_tokens=200,  # required
        )
        if reply.stop_reason == "max_tokens":
            raise ValueError("the answer was cut off at max_tokens")
        blocks = [block for block in reply.content if block.type == "text"]
        return "".join(block.text for block in blocks)

    # --8<-- [end:example]
    return ask_model


def broken(client: AsyncAnthropic) -> Ask:
    # --8<-- [start:broken]
    # the same options for every provider
    async def ask_model(messages: list[Any], **options: Any) -> Any:
        return await client.messages.create(
            model="mock-large",
            max_tokens=200,
            messages=messages,
            **options,
        )

    # --8<-- [end:broken]
    return ask_model


def repaired(client: AsyncAnthropic) -> Ask:
    # --8<-- [start:repaired]
    async def ask_model(messages: list[Any], **options: Any) -> Any:
        if unknown := options.keys() - {"stop_sequences", "tools", "tool_choice"}:
            # a 400 of yours, with the name
            raise ValueError(f"{sorted(unknown)} cannot be asked of this provider")
        system = [one["content"] for one in messages if one["role"] == "system"]
        return await client.messages.create(
            model="mock-large",
            max_tokens=200,
            system="\n".join(system),
            messages=[one for one in messages if one["role"] != "system"],
            **options,
        )

    # --8<-- [end:repaired]
    return ask_model


@pytest.fixture
async def client(llm: MockLLM) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(api_key="sk-ant-test", max_retries=0) as client:
        yield client


QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


async def test_an_answer_is_whole_or_it_is_an_error(llm: MockLLM, client: AsyncAnthropic) -> None:
    llm.reply("42")
    assert await example(client)("Why?") == "42"
    assert llm.last.json["system"] == "Be brief."
    llm.truncate("Because of")
    with pytest.raises(ValueError, match="cut off"):
        await example(client)("Why?")


async def test_what_the_other_provider_takes_is_an_error_here(llm: MockLLM, client: AsyncAnthropic) -> None:
    ask_model = broken(client)
    # --8<-- [start:seen]
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        await ask_model(QUESTION[1:], temperature=0.2)
    with pytest.raises(BadRequestError, match="Extra inputs are not permitted"):
        # "then I will send it anyway"
        await ask_model(QUESTION[1:], extra_body={"temperature": 0.2})
    with pytest.raises(BadRequestError, match='Unexpected role "system"'):
        await ask_model(QUESTION)
    # --8<-- [end:seen]


async def test_what_can_be_carried_over_is_and_the_rest_is_named(llm: MockLLM, client: AsyncAnthropic) -> None:
    await repaired(client)(QUESTION, stop_sequences=["."])
    assert llm.last.json["system"] == "Be brief."
    assert [one["role"] for one in llm.last.json["messages"]] == ["user"]
    with pytest.raises(ValueError, match="temperature"):
        await repaired(client)(QUESTION, temperature=0.2)
    assert len(llm.requests) == 1
