"""Open models behind OpenAI's API: another address, and a key that travels. Shown on docs/systems/open-models.md."""

from collections.abc import Callable, Iterator

import pytest
from openai import AsyncOpenAI

from mockllm.server import Served, serve_in_thread


def example(url: str) -> Callable[[], AsyncOpenAI]:
    # --8<-- [start:example]
    def open_client() -> AsyncOpenAI:
        return AsyncOpenAI(
            base_url=f"{url}/v1",
            api_key="unused",
            timeout=120,
        )

    # --8<-- [end:example]
    return open_client


def broken(url: str) -> Callable[[], AsyncOpenAI]:
    # --8<-- [start:broken]
    def open_client() -> AsyncOpenAI:
        # it wants no key, so none is given
        return AsyncOpenAI(base_url=f"{url}/v1")

    # --8<-- [end:broken]
    return open_client


def repaired(url: str) -> Callable[[], AsyncOpenAI]:
    # --8<-- [start:repaired]
    def open_client() -> AsyncOpenAI:
        # for each address its own, even where it has none
        return AsyncOpenAI(
            base_url=f"{url}/v1",
            api_key="unused",
        )

    # --8<-- [end:repaired]
    return open_client


@pytest.fixture
def served() -> Iterator[Served]:
    """A server with OpenAI's API on localhost, as vLLM, Ollama and llama.cpp are."""
    with serve_in_thread() as served:
        yield served


async def test_the_same_client_asks_another_server(served: Served) -> None:
    served.fake.reply("42")
    async with example(served.url)() as client:
        models = [one.id async for one in client.models.list()]
        reply = await client.chat.completions.create(model=models[0], messages=[{"role": "user", "content": "Why?"}])
    assert reply.choices[0].message.content == "42"


async def test_the_key_of_the_environment_goes_to_a_stranger(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    open_client = broken(served.url)
    # --8<-- [start:seen]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-your-company")  # as on every laptop
    async with open_client() as client:
        await client.models.list()
    # in the log of whoever runs that server
    assert served.fake.last.key == "sk-of-your-company"
    # --8<-- [end:seen]


async def test_each_address_has_its_own_key(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-your-company")
    async with repaired(served.url)() as client:
        await client.models.list()
    assert served.fake.last.key == "unused"
