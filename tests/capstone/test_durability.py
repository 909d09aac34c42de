"""What was accepted is there after `kill -9`: real processes, really killed."""

import itertools
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from mockllm import MockLLM, serve_in_thread
from tests.capstone.inside import capstone
from tests.capstone.service import Service, serve


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    with serve_in_thread() as served:
        yield served


@pytest.fixture
def llm(served: Any) -> MockLLM:
    served.fake.reset()
    return served.fake


@pytest.fixture
def env(served: Any) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{served.url}/v1", "OPENAI_API_KEY": "sk-test"}


def is_embedding(request: Any) -> bool:
    return request.path.endswith("/embeddings")


def prompts(llm: MockLLM) -> list[str]:
    return [one.json["messages"][-1]["content"] for one in llm.requests if one.path.endswith("/chat/completions")]


def upload(service: Service, name: str, text: str) -> httpx.Response:
    return service.client.post("/rag/documents", files={"file": (name, text.encode())})


def all_ready(service: Service) -> dict[str, Any]:
    said = service.until(
        "/rag/documents?limit=100", lambda said: all(one["state"] != "queued" for one in said["items"])
    )
    return {one["name"]: one for one in said["items"]}


ORDER = {"prompts": ["first", "slow", "last"]}
KEY = {"Idempotency-Key": "import-1"}
TEXT = "The default timeout of httpx2 is five seconds."


@dataclass
class Survivor:
    """A capstone that was killed in the middle of a job and before a document was embedded, and started again."""

    service: Service
    job: str
    document: str
    before: list[str]  # prompts that were asked


@pytest.fixture(scope="module")
def survivor(served: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    llm, data = served.fake, tmp_path_factory.mktemp("killed") / "data"
    env = {"OPENAI_BASE_URL": f"{served.url}/v1", "OPENAI_API_KEY": "sk-test"}
    llm.reset()
    llm.when("slow").hang()
    llm.when(is_embedding).hang()
    with serve(data, **env) as service:
        uploaded = upload(service, "timeouts.md", TEXT)
        assert uploaded.status_code == 202
        job = service.client.post("/jobs", json=ORDER, headers=KEY)
        assert job.status_code == 202
        service.until(f"/jobs/{job.json()['id']}", lambda said: said["answered"] == 2)
        service.kill()
    before = prompts(llm)
    llm.reset()
    with serve(data, **env) as service:
        yield Survivor(service, job.json()["id"], uploaded.json()["id"], before)


def test_a_job_survives_kill_9_and_asks_no_prompt_twice_that_was_answered(survivor: Survivor, served: Any) -> None:
    service, job = survivor.service, survivor.job
    assert sorted(survivor.before) == ["first", "last", "slow"]
    service.until(f"/jobs/{job}", lambda said: said["state"] == "done")
    answers = service.client.get(f"/jobs/{job}/result").json()["answers"]
    assert [one["text"].rsplit(maxsplit=1)[-1] for one in answers] == ORDER["prompts"]
    again = service.client.post("/jobs", json=ORDER, headers=KEY)
    assert again.json()["id"] == job, "its key is forgotten"
    assert prompts(served.fake) == ["slow"]


def test_a_document_survives_kill_9_before_it_was_embedded(survivor: Survivor, served: Any) -> None:
    service = survivor.service
    found = all_ready(service)["timeouts.md"]
    assert (found["id"], found["state"]) == (survivor.document, "ready")
    assert service.client.get(f"/rag/documents/{found['id']}/text").text == TEXT
    served.fake.when("<question>").reply("Five seconds [1].")
    said = service.client.post("/rag/query", json={"question": "What is the default timeout?"}).json()
    assert said["citations"][0]["document_id"] == survivor.document


def test_whenever_it_is_killed_every_accepted_document_is_there_and_whole(
    llm: MockLLM, env: dict[str, str], tmp_path: Path
) -> None:
    """Uploads, replacements and deletions are under way when the process dies, three times at three moments."""
    wanted: dict[str, str] = {}  # what the last accepted upload of a name said
    unsure: set[str] = set()  # names whose last request got no answer
    numbers = itertools.count()
    for rounds in (3, 7, 12):
        with serve(tmp_path / "data", **env) as service:
            killer = threading.Event()

            def kill(service: Service = service, killer: threading.Event = killer) -> None:
                killer.wait(10)
                service.process.kill()

            thread = threading.Thread(target=kill)
            thread.start()
            ids = {one["name"]: one["id"] for one in service.client.get("/rag/documents?limit=100").json()["items"]}
            for n in itertools.count():
                if n == rounds:
                    killer.set()
                name, text = f"{n % 5}.txt", f"Sentence number {next(numbers)} of this test."
                try:
                    if n % 4 == 3 and name in ids:
                        unsure.add(name)
                        if service.client.delete(f"/rag/documents/{ids[name]}").status_code == 204:
                            wanted.pop(name, None)
                    else:
                        unsure.add(name)
                        said = upload(service, name, text)
                        assert said.status_code == 202, said.text
                        wanted[name], ids[name] = text, said.json()["id"]
                    unsure.discard(name)
                except httpx.TransportError:
                    break
            thread.join()
            service.process.wait()
    with serve(tmp_path / "data", **env) as service:
        found = all_ready(service)
        for name in wanted.keys() - unsure:
            assert found[name]["state"] == "ready", found[name]
            assert service.client.get(f"/rag/documents/{found[name]['id']}/text").text == wanted[name]
        assert not (found.keys() - wanted.keys() - unsure), "what was deleted is back"
        service.stop()
    assert len(unsure) <= 3, "a round loses at most the request that was under way"


def test_the_bundled_texts_hold_up_neither_the_start_nor_anybody(tmp_path: Path) -> None:
    """The model that embeds them never answers; the service starts, lists them, and chats."""
    llm = MockLLM()
    llm.when(is_embedding).hang()
    with capstone(tmp_path / "data", llm, corpus=Path("lessons/05_rag/corpus")) as service:
        assert service.client.get("/health").status_code == 200
        while not (said := service.client.get("/rag/documents").json()["items"]):
            time.sleep(0.02)
        assert {one["state"] for one in said} == {"queued"}
        assert service.chat().status_code == 200


def test_row_24_while_the_database_is_locked_chats_are_answered_and_their_usage_is_written_afterwards(
    llm: MockLLM, env: dict[str, str], tmp_path: Path
) -> None:
    body = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}
    with serve(tmp_path / "data", **env, CAPSTONE_DATABASE_PATIENCE_S=0.1) as service:
        assert service.client.post("/v1/chat/completions", json=body).status_code == 200
        service.until("/usage", lambda said: said["days"])
        with closing(sqlite3.connect(tmp_path / "data" / "capstone.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(20):
                assert service.client.post("/v1/chat/completions", json=body).status_code == 200
            service.wait_for_line("usage cannot be written")
            assert service.client.get("/health").status_code == 200
            refused = upload(service, "x.txt", "A sentence.")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        service.until("/usage", lambda said: said["days"][0]["calls"] == 21)
        assert service.log.read_text().count("usage cannot be written") == 1, "one outage is one line"
        service.client.post("/v1/chat/completions", json=body)
        service.stop()
    with closing(sqlite3.connect(tmp_path / "data" / "capstone.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM usage_records").fetchone()
    assert count == 22, "what was used in the last moment before SIGTERM is not written"


def test_row_32_a_job_survives_a_disconnect(tmp_path: Path) -> None:
    llm = MockLLM()
    with capstone(tmp_path / "data", llm) as service:
        gate = llm.hold()
        host, port = service.url.removeprefix("http://").split(":")
        body = b'{"prompts": ["Hello"]}'
        head = (
            f"POST /jobs HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer demo\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port))) as line:
            line.sendall(head.encode() + body)
            assert line.recv(12) == b"HTTP/1.1 202"
        gate.arrived_blocking()
        gate.open()
        while (job := service.client.get("/jobs").json()["items"][0])["state"] != "done":
            time.sleep(0.02)
        assert job["answered"] == 1


def test_two_workers_share_one_index_and_do_each_job_once(llm: MockLLM, env: dict[str, str], tmp_path: Path) -> None:
    with serve(tmp_path / "data", "--workers", "2", **env) as service:
        upload(service, "timeouts.md", "The default timeout of httpx2 is five seconds.")
        all_ready(service)
        llm.when("<question>").reply("Five seconds [1].")
        for _ in range(10):  # on new connections, so that both are asked
            said = httpx.post(
                f"{service.url}/rag/query",
                json={"question": "What is the default timeout?"},
                headers={"Authorization": "Bearer demo"},
                timeout=20,
            ).json()
            assert said["known"] is True
        jobs = [service.client.post("/jobs", json={"prompts": [f"number {n}"]}).json()["id"] for n in range(10)]
        for job in jobs:
            service.until(f"/jobs/{job}", lambda said: said["state"] == "done")
    assert sorted(one for one in prompts(llm) if one.startswith("number")) == sorted(f"number {n}" for n in range(10))
