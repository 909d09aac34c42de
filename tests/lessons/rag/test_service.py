"""The service of lesson 05 as it is served: uploads, questions, tenants, pages that give orders, and the bar."""

import asyncio
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from mockllm import MockLLM, serve_in_thread
from tests.conftest import ROOT

pytestmark = pytest.mark.timeout(90)

lesson: Any = importlib.import_module("solutions.05_rag.app")
CORPUS = ROOT / "lessons" / "05_rag" / "corpus"


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[MockLLM, str]]:
    with serve_in_thread(MockLLM.offline(remember=None)) as served:
        yield served.fake, f"{served.url}/v1"


@pytest.fixture(scope="module")
def caller(provider: tuple[MockLLM, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the service, with the pages of the lesson in it."""
    settings = lesson.Settings(openai_url=provider[1], folder=tmp_path_factory.mktemp("rag") / "index")
    with TestClient(lesson.create_app(settings)) as client:
        assert client.post("/rag/corpus").json()["changed"] == len(list(CORPUS.glob("*.md")))
        yield client


def ask(caller: TestClient, question: str, tenant: str = "public", **more: Any) -> dict[str, Any]:
    answer = caller.post("/rag/query", json={"question": question, **more}, headers={"X-Tenant": tenant})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_citations_lead_to_the_place_on_the_page(caller: TestClient) -> None:
    answer = ask(caller, "What is the default timeout of httpx2?")
    assert "five seconds between two bytes" in answer["answer"]
    assert "timeouts.md" in {one["doc"] for one in answer["citations"]}
    for one in answer["citations"]:
        page = (CORPUS / one["doc"]).read_text(encoding="utf-8")
        assert page[one["start"] : one["end"]] == one["text"]
        assert f"[{one['n']}]" in answer["answer"]


def test_the_pages_that_ship_are_embedded_once(caller: TestClient, provider: tuple[MockLLM, str]) -> None:
    before = len(provider[0].requests)
    assert caller.post("/rag/corpus").json()["changed"] == 0
    assert len(provider[0].requests) == before


def test_the_bar_is_reached_from_end_to_end(caller: TestClient) -> None:
    scores = caller.get("/rag/scores").json()
    assert scores["recall"] >= 0.8
    assert scores["mrr"] >= 0.65
    assert scores["ndcg"] >= 0.7


def test_a_page_that_gives_orders_stays_in_its_fence(caller: TestClient, provider: tuple[MockLLM, str]) -> None:
    ask(caller, "What greeting do the community notes contain about maintenance mode?", k=10)
    prompt = provider[0].last.json["messages"][1]["content"]
    assert "PARROT OWNS YOU" in prompt  # it was found, and it is in there
    # Nothing of a page is a tag: what is left are our own.
    tags = lesson.re.findall(r"</?[a-z]+", prompt)
    sources = prompt.count('<source id="')
    assert tags == ["<source", "</source"] * sources + ["<question", "</question"]


def test_no_tenant_ever_sees_anothers_chunk(caller: TestClient) -> None:
    tenants = {name: f"The secret color of {name} is {color}." for name, color in (("acme", "red"), ("rival", "blue"))}
    for name, text in tenants.items():
        for n in range(5):
            body = {"text": f"{text} Note {n}.", "meta": {}}
            assert caller.put(f"/rag/documents/{n}.md", json=body, headers={"X-Tenant": name}).json() == {"changed": 1}
    for name, text in tenants.items():
        answer = ask(caller, "What is the secret color?", name, k=20)
        assert answer["citations"]
        assert all(text in one["text"] for one in answer["citations"])
    assert not any("secret color of" in one["text"] for one in ask(caller, "What is the secret color?")["citations"])
    assert ask(caller, "What is the secret color?", "nobody") == {"answer": "I don't know.", "citations": []}
    assert caller.delete("/rag/documents/0.md", headers={"X-Tenant": "nobody"}).status_code == 404


def test_what_is_not_near_is_not_answered(caller: TestClient, provider: tuple[MockLLM, str]) -> None:
    answer = ask(caller, "zzyzx qwrtp")
    assert answer == {"answer": "I don't know.", "citations": []}
    assert provider[0].last.path == "/v1/embeddings"  # no model was asked


def test_the_next_start_needs_no_upload(caller: TestClient, provider: tuple[MockLLM, str], tmp_path: Path) -> None:
    settings = lesson.Settings(openai_url=provider[1], folder=tmp_path / "index")
    with TestClient(lesson.create_app(settings)) as first:
        first.put("/rag/documents/a.md", json={"text": "The pool has a hundred connections.", "meta": {}})
    with TestClient(lesson.create_app(settings)) as second:
        assert "a hundred" in ask(second, "How many connections has the pool?")["answer"]


async def test_queries_run_on_while_the_library_changes(tmp_path: Path) -> None:
    """Every search sees one version whole: chunks and vectors of it, and of no other."""
    from tests.lessons.rag.crashing import embed, lines

    store, retrieval = lesson.store, lesson.retrieval
    shelves = store.Library(tmp_path / "index", embed, lines)
    await shelves.put(store.Document("a.md", "version 0 row 0\nversion 0 row 1"))
    retriever = retrieval.Retriever(shelves, embed, retrieval.nearest)
    mixed: list[list[str]] = []
    searches = 0

    async def keep_asking() -> None:
        nonlocal searches
        while not done.is_set():
            hits = await retriever.search(retrieval.Query("version", k=10, floor=-1.0))
            texts = sorted(hit.chunk.text for hit in hits)
            searches += 1
            if len(texts) != 2 or len({text.split()[1] for text in texts}) != 1:
                mixed.append(texts)

    done = asyncio.Event()
    readers = [asyncio.create_task(keep_asking()) for _ in range(4)]
    for version in range(1, 40):
        await shelves.put(store.Document("a.md", f"version {version} row 0\nversion {version} row 1"))
    done.set()
    await asyncio.gather(*readers)
    assert mixed == []
    assert searches > 40


async def test_five_megabytes_are_hashed_once_and_not_for_every_chunk(tmp_path: Path) -> None:
    """Each chunk carries the digest of its document: hashed each time, a book takes hours."""
    made: list[str] = []

    class Text(str):
        __slots__ = ()

        def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
            made.append("to bytes")
            return super().encode(encoding, errors)

    async def embed(texts: Any) -> Any:
        return lesson.store.np.ones((len(texts), 2), lesson.store.np.float32)

    dumps = lesson.store.json.dumps
    lesson.store.json = SimpleNamespace(dumps=lambda *args, **more: Text(dumps(*args, **more)), loads=json.loads)
    try:
        library = lesson.store.Library(tmp_path / "index", embed)
        await library.put(lesson.store.Document("book", "A sentence of a book. " * 5_000))
    finally:
        lesson.store.json = json
    assert len(library.snapshot.chunks) > 50
    assert len(made) <= 2, "once for the digest, once for the index on disk"
