"""One answer for everybody who asks the same. The three sections are shown on the page of lesson 06."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

Ask = Callable[[str, dict[str, Any]], Awaitable[str]]


def broken(ask_model: Ask) -> Ask:
    # --8<-- [start:broken]
    cache: dict[str, str] = {}

    async def answer(user: str, body: dict[str, Any]) -> str:
        prompt = "".join(message["content"] for message in body["messages"])
        if prompt not in cache:
            cache[prompt] = await ask_model(user, body)
        return cache[prompt]

    # --8<-- [end:broken]
    return answer


def repaired(ask_model: Ask) -> Ask:
    # --8<-- [start:repaired]
    cache: dict[str, str] = {}

    async def answer(user: str, body: dict[str, Any]) -> str:
        if body.get("stream") or body.get("temperature") != 0:
            return await ask_model(user, body)  # the model would not say the same again
        whole = json.dumps([user, body], sort_keys=True)  # one meaning, however the texts are cut
        key = hashlib.sha256(whole.encode()).hexdigest()
        if key not in cache:
            cache[key] = await ask_model(user, body)
        return cache[key]

    # --8<-- [end:repaired]
    return answer


async def ask_model(user: str, body: dict[str, Any]) -> str:
    return f"what {user} may read, by {body['model']}"


def chat(*texts: str, model: str = "mock-large") -> dict[str, Any]:
    return {"model": model, "temperature": 0, "messages": [{"role": "user", "content": text} for text in texts]}


async def test_bob_reads_what_was_found_for_ada() -> None:
    answer = broken(ask_model)
    # --8<-- [start:seen]
    await answer("ada", chat("What did we agree?"))
    assert await answer("bob", chat("What did we agree?")) == "what ada may read, by mock-large"
    assert await answer("ada", chat("What did", " we agree?", model="mock-small")) == "what ada may read, by mock-large"
    # --8<-- [end:seen]


async def test_each_reads_what_was_found_for_them() -> None:
    answer = repaired(ask_model)
    await answer("ada", chat("What did we agree?"))
    assert await answer("bob", chat("What did we agree?")) == "what bob may read, by mock-large"
    assert await answer("ada", chat("What did", " we agree?", model="mock-small")) == "what ada may read, by mock-small"
