"""The lines of the table "and smaller ones" on the page of lesson 05."""

import faiss
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from mockllm import MockLLM


def test_k_takes_any_number_and_the_question_is_in_the_url() -> None:
    app = FastAPI()

    @app.post("/rag/query")
    async def rag_query(query: str, k: int = 5) -> int:
        return k

    caller = TestClient(app)
    assert caller.post("/rag/query", params={"query": "Why?", "k": 1_000_000}).json() == 1_000_000
    assert caller.post("/rag/query", params={"query": "Why?", "k": -1}).json() == -1
    assert caller.post("/rag/query", json={"query": "Why?"}).status_code == 422


def test_an_f_string_makes_pages_part_of_the_template() -> None:
    page = 'Send {"model": "mock-large"}.'
    with pytest.raises((KeyError, ValueError)):
        ChatPromptTemplate.from_template(f"Context: {page}\nQuestion: {{question}}").format_messages(question="How?")
    template = ChatPromptTemplate.from_template("Context: {context}\nQuestion: {question}")
    assert page in str(template.format_messages(context=page, question="How?")[0].content)


def test_a_template_of_several_lines_keeps_their_indentation() -> None:
    (message,) = ChatPromptTemplate.from_template("""
    Question: {question}
    """).format_messages(question="How?")
    assert message.content == "\n    Question: How?\n    "


def test_two_layers_retry(llm: MockLLM) -> None:
    llm.fail(500, retry_after=0.001, times=9)
    model = ChatOpenAI(model="mock-large", api_key="sk-test").with_retry(  # pyright: ignore[reportArgumentType]
        stop_after_attempt=3, wait_exponential_jitter=False
    )
    with pytest.raises(Exception, match=r"500|server"):
        model.invoke("Why?")
    assert len(llm.requests) == 9


def test_embeddings_of_the_official_class_ask_for_another_host(llm: MockLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    asked = OpenAIEmbeddings(model="mock-embed", check_embedding_ctx_length=False)
    assert len(asked.embed_query("a red fox")) == 1024
    assert OpenAIEmbeddings.model_fields["check_embedding_ctx_length"].default is True
    assert OpenAIEmbeddings.model_fields["model"].default == "text-embedding-ada-002"


def test_normalize_works_in_place() -> None:
    vectors = np.array([[3, 4]], dtype=np.float32)
    faiss.normalize_L2(vectors)
    assert vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]


def test_an_index_knows_nothing_of_the_model_that_made_it() -> None:
    index = faiss.IndexFlatIP(3)
    index.add(np.eye(3, dtype=np.float32))
    with pytest.raises(AssertionError):
        index.search(np.ones((1, 4), dtype=np.float32), 1)
    scores, _ = index.search(np.ones((1, 3), dtype=np.float32), 1)  # another model of the same width: no error
    assert scores.size == 1
