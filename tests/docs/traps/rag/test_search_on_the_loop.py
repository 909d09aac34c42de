"""A search that computes inside `async def`. The three sections are shown on the page of lesson 05."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from tests.docs.traps.serving import served


class SlowEmbeddings(Embeddings):
    """Takes as long to embed a question as somebody keeps it."""

    def __init__(self) -> None:
        self.at_work, self.go_on = threading.Event(), threading.Event()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        self.at_work.set()
        self.go_on.wait(10)
        return [1.0, 0.0]


def broken(vector_store: Any) -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/rag/query")
    async def rag_query(query: str, k: int = 5) -> list[str]:
        docs = vector_store.similarity_search(query, k=k)
        return [doc.page_content for doc in docs]

    # --8<-- [end:broken]
    return app


def repaired(vector_store: Any) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    @app.post("/rag/query")
    async def rag_query(query: str, k: int = 5) -> list[str]:
        docs = await asyncio.to_thread(vector_store.similarity_search, query, k=k)
        return [doc.page_content for doc in docs]

    # --8<-- [end:repaired]
    return app


@contextmanager
def search_under_way(make_app: Callable[[Any], FastAPI]) -> Iterator[str]:
    """Serve, and let somebody search for as long as the block takes."""
    embeddings = SlowEmbeddings()
    app = make_app(InMemoryVectorStore.from_texts(["a page"], embeddings))
    app.get("/health")(lambda: "ok")
    with served(app) as url:
        query = {"query": "Why?"}
        searching = threading.Thread(target=lambda: httpx.post(f"{url}/rag/query", params=query, timeout=20))
        searching.start()
        embeddings.at_work.wait(10)
        try:
            yield url
        finally:
            embeddings.go_on.set()
            searching.join(20)


def test_nobody_else_is_answered_meanwhile() -> None:
    # --8<-- [start:seen]
    with search_under_way(broken) as url, pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{url}/health", timeout=0.3)
    # --8<-- [end:seen]


def test_in_a_thread_it_holds_up_nobody() -> None:
    with search_under_way(repaired) as url:
        assert httpx.get(f"{url}/health", timeout=10).status_code == 200
