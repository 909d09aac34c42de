"""LangChain's OpenAI classes reach the fake through the same router as everybody else."""

import pytest

from mockllm import MockLLM

openai = pytest.importorskip("langchain_openai", reason="pip install -r requirements-dev.lock")


def chat():
    return openai.ChatOpenAI(model="mock-large", api_key="sk-test", max_retries=0)


def test_a_chat_is_answered(llm: MockLLM) -> None:
    llm.reply("Forty-two.")
    assert chat().invoke("Why?").content == "Forty-two."
    assert llm.last.json["messages"] == [{"content": "Why?", "role": "user"}]


async def test_a_chat_is_answered_async(llm: MockLLM) -> None:
    llm.reply("Forty-two.")
    answer = await chat().ainvoke([("system", "Be brief."), ("human", "Why?")])
    assert answer.content == "Forty-two."
    assert answer.usage_metadata["total_tokens"] > 0
    assert llm.last.json["messages"][0] == {"content": "Be brief.", "role": "system"}


async def test_tokens_are_streamed_one_by_one(llm: MockLLM) -> None:
    llm.tokens(["né", "🙂", " fin"])
    parts = [chunk.content async for chunk in chat().astream("Why?")]
    assert [part for part in parts if part] == ["né", "🙂", " fin"]


async def test_a_refusal_of_the_provider_is_its_error(llm: MockLLM) -> None:
    from openai import RateLimitError

    llm.fail(429, retry_after=2)
    with pytest.raises(RateLimitError):
        await chat().ainvoke("Why?")


async def test_embeddings_of_like_texts_are_near(llm: MockLLM) -> None:
    # check_embedding_ctx_length would fetch a tokenizer from the network.
    embeddings = openai.OpenAIEmbeddings(model="mock-embed", api_key="sk-test", check_embedding_ctx_length=False)
    one, like, other = await embeddings.aembed_documents(["a red fox runs", "the red fox runs", "tax returns are due"])

    def dot(left: list[float], right: list[float]) -> float:
        return sum(a * b for a, b in zip(left, right, strict=True))

    assert dot(one, like) > dot(one, other)
