"""PostgreSQL and Redis are both gone, then both frozen: chats go on, and afterwards every token is accounted for."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.capstone.service import Service
from tests.scale.cluster import CHAT, Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]
CALLS = 40  # of a round, at two instances


def until(seen: Callable[[], Any], complaint: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.05)


def test_with_postgresql_and_redis_both_away_chats_go_on_and_every_token_is_accounted_for(cluster: Cluster) -> None:
    one, other = cluster.start(2, CAPSTONE_DATABASE_PATIENCE_S=2)
    headers = cluster.key("dark", tokens_per_day=100_000)

    def ask(service: Service) -> int:
        return service.client.post("/v1/chat/completions", json=CHAT, headers=headers).status_code

    def told(service: Service) -> Any:
        said = service.client.get("/usage", headers=headers)
        return said.json()["tokens_today"] if said.status_code == 200 else None

    assert [ask(one), ask(other)] == [200, 200]  # both have seen the key
    until(lambda: told(one) == told(other) is not None, lambda: "one counts otherwise than the other")
    calls, each = 2, told(one) // 2

    for away in ("cut", "freeze"):
        for wire in (cluster.database, cluster.cache):
            getattr(wire, away)()
        for _ in range(2):
            with ThreadPoolExecutor(20) as pool:
                statuses = Counter(pool.map(ask, [one, other] * (CALLS // 2)))
            assert statuses == {200: CALLS}, f"with both {away}: {statuses}"
            calls += CALLS
        for path in ("/usage", "/rag/documents", "/jobs"):
            refused = one.client.get(path, headers=headers)
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True), path
        assert one.client.get("/health/live").status_code == 200
        for wire in (cluster.database, cluster.cache):
            wire.mend()
        for service in (one, other):
            spent = calls * each
            until(lambda service=service, spent=spent: told(service) == spent, lambda spent=spent: f"not {spent}")

    written = "SELECT count(*), count(DISTINCT id), sum(prompt_tokens + completion_tokens) FROM usage_records"
    until(lambda: cluster.ask(written) == [[str(calls), str(calls), str(calls * each)]], lambda: cluster.ask(written))
    for service in (one, other):
        lines = service.log.read_text().splitlines()
        away = [line for line in lines if "the database is away" in line or "Redis is away" in line]
        assert 2 <= len(away) <= 6, "an outage is a line or two, not thousands"
        assert "Traceback" not in "".join(line for line in lines if "usage cannot be written" not in line)
