"""LangChain: a chain, and one that no longer streams. Shown on docs/systems/langchain.md."""

# ruff: noqa: RET504 - what the page shows is the assignment

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI

from mockllm import MockLLM

API_KEY: Any = "sk-test"


def example() -> Runnable[dict[str, str], str]:
    # --8<-- [start:example]
    prompt = ChatPromptTemplate([("system", "Be brief."), ("user", "{question}")])
    model = ChatOpenAI(
        model="mock-large",
        api_key=API_KEY,
        timeout=60,
        max_retries=0,
    )
    # once, in the lifespan; then `await chain.ainvoke({"question": ...})`
    chain = prompt | model | StrOutputParser()
    # --8<-- [end:example]
    return chain


def broken() -> Runnable[dict[str, str], str]:
    chain = example()

    # --8<-- [start:broken]
    def without_stars(text: str) -> str:
        return text.replace("*", "")

    shown = chain | without_stars
    # --8<-- [end:broken]
    return shown


def repaired() -> Runnable[dict[str, str], str]:
    chain = example()

    # --8<-- [start:repaired]
    async def without_stars(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        async for piece in pieces:
            yield piece.replace("*", "")

    # a generator: it is given the pieces as they come
    shown = chain | without_stars
    # --8<-- [end:repaired]
    return shown


QUESTION = {"question": "Why?"}


async def test_a_chain_answers_and_streams(llm: MockLLM) -> None:
    llm.reply("42")
    assert await example().ainvoke(QUESTION) == "42"
    llm.tokens(["4", "2"])
    assert [piece async for piece in example().astream(QUESTION) if piece] == ["4", "2"]


async def test_a_function_waits_for_the_whole_answer(llm: MockLLM) -> None:
    chain, shown = example(), broken()
    # --8<-- [start:seen]
    llm.tokens(["So", " *long*", "!"])
    pieces = [piece async for piece in chain.astream(QUESTION) if piece]
    assert pieces == ["So", " *long*", "!"]

    llm.tokens(["So", " *long*", "!"])
    # one piece, when all is over
    assert [piece async for piece in shown.astream(QUESTION)] == ["So long!"]
    # --8<-- [end:seen]


async def test_a_generator_lets_the_pieces_through(llm: MockLLM) -> None:
    llm.tokens(["So", " *long*", "!"])
    assert [piece async for piece in repaired().astream(QUESTION) if piece] == ["So", " long", "!"]
    llm.reply("So *long*!")
    assert await repaired().ainvoke(QUESTION) == "So long!"
