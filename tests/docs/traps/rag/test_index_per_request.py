"""An index that is built for every question. The three sections are shown on the page of lesson 05."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore


class Counting(Embeddings):
    """Counts what it is paid for."""

    def __init__(self) -> None:
        self.embedded = 0

    def embed_documents(self, texts: Iterable[str]) -> list[list[float]]:
        vectors = [[float(len(text)), 1.0] for text in texts]
        self.embedded += len(vectors)
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def broken(pages: list[str], embeddings: Any) -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/rag/query")
    def rag_query(query: str) -> list[str]:
        vector_store = InMemoryVectorStore.from_texts(pages, embeddings)
        return [doc.page_content for doc in vector_store.similarity_search(query, k=3)]

    # --8<-- [end:broken]
    return app


def repaired(pages: list[str], embeddings: Any) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()
    vector_store = InMemoryVectorStore.from_texts(pages, embeddings)  # when pages come, not when somebody asks

    @app.post("/rag/query")
    def rag_query(query: str) -> list[str]:
        return [doc.page_content for doc in vector_store.similarity_search(query, k=3)]

    # --8<-- [end:repaired]
    return app


PAGES = [f"page {n}" for n in range(100)]


def test_ten_questions_embed_everything_ten_times() -> None:
    # --8<-- [start:seen]
    embeddings = Counting()
    caller = TestClient(broken(PAGES, embeddings))
    for _ in range(10):
        caller.post("/rag/query?query=Why")
    assert embeddings.embedded == 10 * (100 + 1)
    # --8<-- [end:seen]


def test_ten_questions_embed_ten_questions() -> None:
    embeddings = Counting()
    caller = TestClient(repaired(PAGES, embeddings))
    for _ in range(10):
        caller.post("/rag/query?query=Why")
    assert embeddings.embedded == 100 + 10
