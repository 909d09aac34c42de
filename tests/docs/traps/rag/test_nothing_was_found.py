"""An answer out of nothing. The three sections are shown on the page of lesson 05."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2 as httpx

from mockllm import MockLLM

Answer = Callable[[str, list[str]], Awaitable[dict[str, Any]]]


def broken(ask_model: Callable[[str], Awaitable[str]]) -> Answer:
    # --8<-- [start:broken]
    async def answer(question: str, docs: list[str]) -> dict[str, Any]:
        context = "\n\n".join(docs)
        said = await ask_model(f"Answer based on the context.\nContext: {context}\nQuestion: {question}")
        return {"answer": said, "sources": [{"content": doc[:200]} for doc in docs]}

    # --8<-- [end:broken]
    return answer


def repaired(ask_model: Callable[[str], Awaitable[str]]) -> Answer:
    # --8<-- [start:repaired]
    async def answer(question: str, docs: list[str]) -> dict[str, Any]:
        if not docs:
            return {"answer": "I don't know.", "sources": []}
        numbered = "\n".join(f"[{n}] {doc}" for n, doc in enumerate(docs, 1))
        said = await ask_model(f"Cite each source like [1].\n{numbered}\nQuestion: {question}")
        cited = [n for n in map(int, re.findall(r"\[(\d+)\]", said)) if 1 <= n <= len(docs)]
        if not cited:  # it reads well, and stands on nothing
            return {"answer": "I don't know.", "sources": []}
        return {"answer": said, "sources": [{"n": n, "content": docs[n - 1]} for n in dict.fromkeys(cited)]}

    # --8<-- [end:repaired]
    return answer


async def ask_model(prompt: str) -> str:
    async with httpx.AsyncClient(headers={"authorization": "Bearer sk-test"}) as client:
        body = {"model": "mock-small", "messages": [{"role": "user", "content": prompt}]}
        reply = await client.post("https://api.openai.com/v1/chat/completions", json=body)
        return reply.json()["choices"][0]["message"]["content"]


async def test_the_model_is_paid_for_making_it_up(llm: MockLLM) -> None:
    answer = broken(ask_model)
    # --8<-- [start:seen]
    llm.reply("The warranty is five years.")
    assert await answer("How long is the warranty?", []) == {"answer": "The warranty is five years.", "sources": []}

    llm.reply("The warranty is five years.")
    said = await answer("How long is the warranty?", ["Our office is open from 9 to 5."])
    assert said["sources"] == [{"content": "Our office is open from 9 to 5."}]  # a source, and it says nothing of it
    # --8<-- [end:seen]


async def test_without_a_source_there_is_no_answer(llm: MockLLM) -> None:
    answer = repaired(ask_model)
    assert (await answer("How long is the warranty?", []))["answer"] == "I don't know."
    assert llm.requests == []
    llm.reply("Five years [3].").times(1)
    assert (await answer("How long?", ["Our office is open."]))["answer"] == "I don't know."
    llm.reply("From 9 to 5 [1].")
    assert (await answer("When?", ["Our office is open from 9 to 5."]))["sources"][0]["n"] == 1
