"""Documents, answers that name their sources, and jobs."""

import json
from collections.abc import Callable

from fastapi.testclient import TestClient

from tests.home.conftest import until

Key = Callable[..., dict[str, str]]
PAGE = b"The harbor of Neverland opens at seven in the morning.\n\nIts master is called Hook."
QUESTION = "When does the harbor of Neverland open in the morning?"


def put(client: TestClient, name: str, content: bytes, headers: dict[str, str] | None = None) -> str:
    """Upload a document, wait until it was read, return where it is."""
    accepted = client.post("/rag/documents", files={"file": (name, content)}, headers=headers)
    assert accepted.status_code == 202, accepted.text
    where = accepted.headers["location"]
    until(lambda: client.get(where, headers=headers).json()["state"] != "queued")
    assert client.get(where, headers=headers).json()["state"] == "ready", client.get(where, headers=headers).text
    return where


def test_an_answer_names_the_document_that_it_stands_on(client: TestClient) -> None:
    where = put(client, "harbor.md", PAGE)
    answer = client.post("/rag/query", json={"question": QUESTION}).json()
    assert answer["known"], answer
    assert answer["citations"][0]["document"] == "harbor.md"
    text = client.get(f"{where}/text").text
    cited = answer["citations"][0]
    assert text[cited["start"] : cited["end"]] == cited["text"]


def test_a_streamed_answer_begins_with_its_sources(client: TestClient) -> None:
    put(client, "harbor-too.md", PAGE)
    text = client.post("/rag/query", json={"question": QUESTION, "stream": True}).text
    events = [dict(line.split(": ", 1) for line in frame.split("\n")) for frame in text.strip().split("\n\n")]
    names = [event["event"] for event in events]
    assert names[0] == "sources"
    assert names[-1] == "done"
    assert "delta" in names
    assert json.loads(events[-1]["data"])["cited"]


def test_nobody_finds_what_another_tenant_has(client: TestClient, key: Key) -> None:
    put(client, "private.md", b"The password of the treasure chest is swordfish.")
    other = key(tenant="other", scopes=["chat", "documents"])
    asked = {"question": "What is the password of the treasure chest?"}
    assert client.post("/rag/query", json=asked, headers=other).json()["citations"] == []
    assert client.get("/rag/documents", headers=other).json()["items"] == []


def test_a_deleted_document_is_found_no_more(client: TestClient) -> None:
    where = put(client, "short-lived.md", b"The lighthouse of Mermaid Bay has nineteen steps.")
    assert client.delete(where).status_code == 204
    assert client.get(where).status_code == 404
    answer = client.post("/rag/query", json={"question": "How many steps has the lighthouse of Mermaid Bay?"}).json()
    assert "short-lived.md" not in [one["document"] for one in answer["citations"]]


def test_what_is_no_text_is_refused(client: TestClient) -> None:
    answer = client.post("/rag/documents", files={"file": ("x.bin", b"\0\1\2")})
    assert answer.status_code == 415, answer.text


def test_a_job_answers_every_prompt_and_the_same_key_is_the_same_job(client: TestClient) -> None:
    order, same = {"prompts": ["one", "two"]}, {"Idempotency-Key": "import-1"}
    first = client.post("/jobs", json=order, headers=same)
    assert first.status_code == 202, first.text
    assert client.post("/jobs", json=order, headers=same).json()["id"] == first.json()["id"]
    assert client.post("/jobs", json={"prompts": ["three"]}, headers=same).status_code == 422
    where = first.headers["location"]
    until(lambda: client.get(where).json()["state"] in ("done", "failed"))
    answers = client.get(f"{where}/result").json()["answers"]
    assert [bool(one["text"]) for one in answers] == [True, True], answers
