"""A request that today's API refuses, and an error that is read as an answer. Shown on the page of lesson 03."""

import json
from collections.abc import Awaitable, Callable

import httpx2 as httpx
import pytest

from mockllm import MockLLM

KEY = "sk-ant-test"
URL = "https://api.anthropic.com/v1/messages"


def broken(client: httpx.AsyncClient) -> Callable[[str], Awaitable[str]]:
    # --8<-- [start:broken]
    async def ask_model(prompt: str) -> str:
        reply = await client.post(
            URL,
            headers={"Authorization": f"Bearer {KEY}"},
            json={
                "model": "mock-large",
                "temperature": 0.7,
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}],
            },
        )
        return reply.json()["content"][0]["text"]

    # --8<-- [end:broken]
    return ask_model


def repaired(client: httpx.AsyncClient) -> Callable[[str], Awaitable[str]]:
    # --8<-- [start:repaired]
    async def ask_model(prompt: str) -> str:
        reply = await client.post(
            URL,
            headers={"Authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"},
            json={
                "model": "mock-large",
                "max_tokens": 1_024,
                "system": "Be brief.",
                "messages": [{"role": "user", "content": prompt}],
            },
        )
        reply.raise_for_status()  # before anybody looks at the body: it may be a proxy's HTML
        return "".join(block["text"] for block in reply.json()["content"] if block["type"] == "text")

    # --8<-- [end:repaired]
    return ask_model


async def test_what_went_wrong_is_the_one_thing_that_is_not_said(llm: MockLLM) -> None:
    async with httpx.AsyncClient() as client:
        ask_model = broken(client)
        # --8<-- [start:seen]
        with pytest.raises(KeyError, match="content"):
            await ask_model("Hello")
        assert llm.last.status == 400  # the version, `max_tokens`, `temperature`, the role: each is refused

        page = httpx.MockTransport(lambda _: httpx.Response(502, html="<h1>Bad Gateway</h1>"))
        ask_through_proxy = broken(httpx.AsyncClient(transport=page))
        with pytest.raises(json.JSONDecodeError):
            await ask_through_proxy("Hello")
        # --8<-- [end:seen]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"temperature": 0.7}, "temperature: Extra inputs are not permitted"),
        ({"messages": [{"role": "system", "content": "Be brief."}]}, "top-level `system` parameter"),
        ({"model": "mock-retired"}, "model: mock-retired"),
    ],
)
async def test_each_of_the_four_is_refused(llm: MockLLM, changed: dict[str, object], words: str) -> None:
    body = {"model": "mock-large", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}], **changed}
    headers = {"Authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}
    async with httpx.AsyncClient() as client:
        reply = await client.post(URL, headers=headers, json={k: v for k, v in body.items() if v is not None})
        assert words in reply.json()["error"]["message"]
        reply = await client.post(URL, headers={"Authorization": f"Bearer {KEY}"}, json=body)
        assert "anthropic-version" in reply.json()["error"]["message"]


async def test_the_request_of_today_is_answered_and_an_error_is_one(llm: MockLLM) -> None:
    async with httpx.AsyncClient() as client:
        ask_model = repaired(client)
        llm.reply("42")
        assert await ask_model("Hello") == "42"
        for script in (llm.fail(529), llm.html(502)):
            assert script
            with pytest.raises(httpx.HTTPStatusError):
                await ask_model("Hello")


async def test_the_first_block_is_not_always_text(llm: MockLLM) -> None:
    llm.tool_call("look_up")
    llm.tokens([])
    body = {"model": "mock-large", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}
    async with httpx.AsyncClient(headers=headers) as client:
        tool, nothing = [(await client.post(URL, json=body)).json()["content"] for _ in range(2)]
        with pytest.raises(KeyError, match="text"):
            tool[0]["text"]
        with pytest.raises(IndexError):
            nothing[0]
        llm.tool_call("look_up")
        assert await repaired(client)("Hello") == ""
