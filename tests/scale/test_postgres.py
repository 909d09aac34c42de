"""Two instances whose PostgreSQL is cut off, or frozen: nobody hangs, nothing is a 500, nothing used is lost."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from tests.scale.cluster import CHAT, Cluster, chat

pytestmark = pytest.mark.timeout(90)
PAGE = {"file": ("timeouts.md", b"The default timeout of httpx2 is five seconds.")}


def until(ready: Callable[[], Any], what: str, within_s: float = 30) -> Any:
    deadline = time.monotonic() + within_s
    while not (said := ready()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return said


def ask_all(client: httpx.Client, headers: dict[str, str]) -> dict[str, httpx.Response]:
    """Ask whatever needs the database, all at once and more often than there are connections to it.

    The client's own timeout is what fails a request that hangs.
    """
    ways: dict[str, Callable[[], httpx.Response]] = {
        "list": lambda: client.get("/rag/documents", headers=headers),
        "upload": lambda: client.post("/rag/documents", files=PAGE, headers=headers),
        "read": lambda: client.get("/rag/documents/doc_1", headers=headers),
        "delete": lambda: client.delete("/rag/documents/doc_1", headers=headers),
        "query": lambda: client.post("/rag/query", json={"question": "What is the timeout?"}, headers=headers),
        "stream": lambda: client.post("/rag/query", json={"question": "What?", "stream": True}, headers=headers),
        "jobs": lambda: client.get("/jobs", headers=headers),
        "order": lambda: client.post("/jobs", json={"prompts": ["Hello"]}, headers=headers),
        "usage": lambda: client.get("/usage", headers=headers),
        "keys": lambda: client.get("/auth/keys", headers=headers),
        "issue": lambda: client.post("/auth/keys", json={}, headers=headers),
        "unknown key": lambda: client.get("/v1/models", headers={"Authorization": "Bearer sk_0123456789_unknown"}),
    }
    with ThreadPoolExecutor(len(ways)) as pool:
        calls = {name: pool.submit(way) for name, way in ways.items()}
        return {name: call.result() for name, call in calls.items()}


def test_while_postgresql_is_gone_chats_go_on_the_rest_is_503_and_no_usage_is_lost(cluster: Cluster) -> None:
    one, other = cluster.start(2, CAPSTONE_DATABASE_PATIENCE_S=1, CAPSTONE_KEY_CACHE_S=0.1)
    headers = cluster.key("tenant")
    chats = 0
    for service in (one, other):  # both know the key
        assert chat(service.url, headers).status_code == 200
        chats += 1

    for fault, service in ((cluster.database.cut, one), (cluster.database.freeze, other)):
        fault()
        for _ in range(2):  # at the moment when it happens, and when it is known
            for name, said in ask_all(service.client, headers).items():
                assert said.status_code == 503, f"{name}: {said.status_code} {said.text}"
                assert said.headers["retry-after"], name
                assert "asyncpg" not in said.text, name
        for _ in range(10):
            assert chat(service.url, headers).status_code == 200, "an answer needs no database"
        streamed = service.client.post("/v1/chat/completions", json={**CHAT, "stream": True}, headers=headers)
        assert streamed.text.rstrip().endswith("[DONE]")
        chats += 11
        assert service.client.get("/health/live").status_code == 200
        if service is one:  # what it says holds for five seconds
            ready = until(lambda: says(one.client, "failed", "timeout"), "/ready does not say it")
            assert ready.status_code == 200, "all would be turned away, and chats with them"
            assert "database_away 1.0" in one.client.get("/metrics").text
        cluster.database.mend()
        until(lambda it=service.client: it.get("/rag/documents", headers=headers).status_code == 200, "it stays away")
        lines = [line for line in service.log.read_text().splitlines() if "the database is away" in line]
        assert 1 <= len(lines) <= 3, f"one outage is a line or two: {lines}"

    until(lambda: says(one.client, "ok"), "/ready stays degraded")
    assert "database_away 0.0" in one.client.get("/metrics").text
    counted = "SELECT count(*) FROM usage_records WHERE tenant = 'tenant' AND kind = 'chat'"
    until(lambda: cluster.ask(counted) == [[str(chats)]], f"{cluster.ask(counted)} of {chats} are written")
    there = one.client.post("/rag/documents", files=PAGE, headers=headers)
    assert there.status_code in (200, 202), there.text
    until(
        lambda: other.client.get(there.headers["location"], headers=headers).json()["state"] == "ready",
        "nobody works on documents any more",
    )


def says(client: httpx.Client, *states: str) -> httpx.Response | None:
    """Return what /ready says if it says one of these of the database."""
    ready = client.get("/ready")
    return ready if ready.json()["parts"]["database"] in states else None
