"""Every call at once, and one of them fails. The three sections are shown on the page of lesson 03."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2 as httpx
import pytest

from mockllm import MockLLM, serve_in_thread


class LLMError(Exception):
    """A call that failed."""


Ask = Callable[[str], Awaitable[str]]


@pytest.fixture
async def ask_model(llm: MockLLM) -> AsyncIterator[Ask]:
    """One call to the fake provider."""
    async with httpx.AsyncClient(headers={"authorization": "Bearer sk-test"}) as client:

        async def ask_model(prompt: str) -> str:
            body = {"model": "mock-small", "messages": [{"role": "user", "content": prompt}]}
            reply = await client.post("https://api.openai.com/v1/chat/completions", json=body)
            if reply.status_code != 200:
                raise LLMError(reply.status_code)
            return reply.json()["choices"][0]["message"]["content"]

        yield ask_model


def broken(ask_model: Ask) -> Callable[[list[str]], Awaitable[list[str]]]:
    # --8<-- [start:broken]
    async def ask_all(prompts: list[str]) -> list[str]:
        return await asyncio.gather(*[ask_model(prompt) for prompt in prompts])

    # --8<-- [end:broken]
    return ask_all


def repaired(ask_model: Ask) -> Callable[[list[str]], Awaitable[list[str | LLMError]]]:
    # --8<-- [start:repaired]
    async def ask_all(prompts: list[str]) -> list[str | LLMError]:
        slots = asyncio.Semaphore(4)

        async def one(prompt: str) -> str | LLMError:
            async with slots:
                try:
                    return await ask_model(prompt)
                except LLMError as error:  # this prompt's answer; the others are worth having
                    return error

        # Whatever else is raised is a bug: the group cancels the other calls and waits for them.
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(prompt)) for prompt in prompts]
        return [task.result() for task in tasks]

    # --8<-- [end:repaired]
    return ask_all


async def test_all_arrive_at_once_and_run_on_when_one_fails(llm: MockLLM, ask_model: Ask) -> None:
    ask_all = broken(ask_model)
    # --8<-- [start:seen]
    llm.when("the bad one").fail(500)
    answers = llm.default.step()  # every other answer waits until we release it
    with pytest.raises(LLMError):
        await ask_all(["the bad one", *["a good one"] * 99])

    assert llm.peak == 100  # at once; a real provider would have said 429
    assert llm.in_flight == 99  # nobody waits for them any more, and they are billed
    # --8<-- [end:seen]
    answers.open()
    await llm.until(lambda: llm.in_flight == 0, "the calls that run on did not end")


async def test_four_at_once_and_an_error_in_its_place(llm: MockLLM, ask_model: Ask) -> None:
    llm.when("the bad one").fail(500)
    answers = await repaired(ask_model)(["the bad one", *["a good one"] * 19])
    assert [isinstance(one, LLMError) for one in answers] == [True] + [False] * 19
    assert llm.peak == 4


async def test_a_small_pool_turns_the_rest_away() -> None:
    with serve_in_thread() as provider:
        gate = provider.fake.hold()
        limits, timeout = httpx.Limits(max_connections=2), httpx.Timeout(10, pool=0.05)
        async with httpx.AsyncClient(base_url=provider.url, limits=limits, timeout=timeout) as small:
            calls = [asyncio.ensure_future(small.get("/v1/models")) for _ in range(6)]
            await gate.arrived(2)
            await asyncio.wait(calls[2:])
            gate.open()
            ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in ended] == [httpx.Response] * 2 + [httpx.PoolTimeout] * 4
