"""Three instances over one PostgreSQL and one Redis behave as one: whichever is asked, and all of them at once."""

import itertools
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from capstone.schemas.chat import about_tokens
from tests.scale.cluster import CHAT, HELLO, Cluster

pytestmark = pytest.mark.timeout(120)
PATIENCE_S = 20.0


def at_once(cluster: Cluster, times: int, ask: Callable[[Any, int], Any], *, together: int = 30) -> list[Any]:
    """Ask so many times, the instances in turn, many at a time."""
    clients = itertools.cycle([one.client for one in cluster.instances])
    turns = [(next(clients), n) for n in range(times)]
    with ThreadPoolExecutor(together) as pool:
        return list(pool.map(lambda turn: ask(*turn), turns))


def everywhere(cluster: Cluster, ask: Callable[[Any], Any]) -> list[Any]:
    return [ask(one.client) for one in cluster.instances]


def wait_for(seen: Callable[[], Any], complaint: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := seen()):
        assert time.monotonic() < deadline, complaint
        time.sleep(0.02)
    return found


def prompts(cluster: Cluster, beginning: str) -> list[str]:
    """The prompts with this beginning that the provider was asked, in order."""
    asked = [one for one in cluster.llm.requests if one.path.endswith("/chat/completions")]
    said = [one.json["messages"][-1]["content"] for one in asked]
    return sorted(one for one in said if one.startswith(beginning))


def test_all_are_ready_and_take_each_others_keys(three: Cluster) -> None:
    ready = {"status": "ready", "parts": {"database": "ok", "redis": "ok"}}
    assert everywhere(three, lambda client: client.get("/ready").json()) == [ready] * 3
    headers = three.key("known")
    assert everywhere(three, lambda client: client.get("/v1/models", headers=headers).status_code) == [200] * 3


def test_row_9_of_two_hundred_requests_at_once_at_two_instances_twenty_pass(cluster: Cluster) -> None:
    cluster.start(2, CAPSTONE_REQUESTS_PER_MINUTE=20)
    headers = cluster.key("limited")  # with the key `demo`, whose requests do not count here
    answers = at_once(cluster, 200, lambda client, _: client.get("/v1/models", headers=headers), together=20)
    assert Counter(one.status_code for one in answers) == {200: 20, 429: 180}
    assert sorted(int(one.headers["x-ratelimit-remaining"]) for one in answers if one.status_code == 200) == [
        *range(20)
    ]


def test_row_10_of_twelve_calls_at_three_instances_that_are_each_worth_most_of_a_budget_one_passes(
    three: Cluster,
) -> None:
    headers = three.key("most-of-it", tokens_per_day=1_000)
    gate = three.llm.hold()
    body = {**CHAT, "max_tokens": 800}
    with ThreadPoolExecutor(12) as pool:
        turns = itertools.cycle([one.client for one in three.instances])
        calls = [pool.submit(next(turns).post, "/v1/chat/completions", json=body, headers=headers) for _ in range(12)]
        try:
            wait_for(lambda: sum(one.done() for one in calls) == 11, "more than one call got through")
        finally:
            gate.open()
        assert Counter(one.result().status_code for one in calls) == {200: 1, 429: 11}
    left = everywhere(three, lambda client: client.get("/usage", headers=headers).json()["tokens_today"])
    assert len(set(left)) == 1, "each counts for itself"
    assert left[0] < 200, "what was set aside and not used was not given back"


def test_a_budget_is_spent_to_its_last_call_and_no_further(three: Cluster) -> None:
    """And every instance says the same of it, and the records say so too."""
    body = {**CHAT, "max_tokens": 1}

    def ask(client: Any, headers: dict[str, str]) -> Any:
        return client.post("/v1/chat/completions", json=body, headers=headers)

    used = ask(three.instances[0].client, three.key("to-the-last")).json()["usage"]["total_tokens"]
    headers = three.key("to-the-last", tokens_per_day=used * 10)
    # What is set aside for others who are not done yet may stand in one's way, so some try again, one after another.
    passed = sum(one.status_code == 200 for one in at_once(three, 30, lambda it, _: ask(it, headers)))
    while ask(three.instances[passed % 3].client, headers).status_code == 200:
        passed += 1
    aside = about_tokens(HELLO) + 1  # for each, until it is done; the last one needs that much
    assert passed == (used * 10 - aside) // used + 1
    said = everywhere(three, lambda client: client.get("/usage", headers=headers).json()["tokens_today"])
    assert said == [passed * used] * 3
    in_records = "SELECT sum(prompt_tokens + completion_tokens) FROM usage_records WHERE tenant = 'to-the-last'"
    wait_for(lambda: three.ask(in_records) == [[str((passed + 1) * used)]], "the records say otherwise")


def test_a_key_that_is_revoked_at_one_instance_is_refused_at_all(three: Cluster) -> None:
    """By word of mouth: left to themselves they would believe in it for an hour."""
    headers = three.key("revoked")
    assert everywhere(three, lambda client: client.get("/usage", headers=headers).status_code) == [200] * 3
    (key,) = three.ask("SELECT id FROM keys WHERE tenant = 'revoked'")[0]
    assert three.instances[1].client.delete(f"/auth/keys/{key}").status_code == 204
    wait_for(
        lambda: everywhere(three, lambda client: client.get("/usage", headers=headers).status_code) == [401] * 3,
        "an instance still lets it in",
    )


def test_a_document_is_found_at_all_instances_and_deleted_at_all(three: Cluster) -> None:
    headers = three.key("library")
    first, second, third = (one.client for one in three.instances)
    text = "The default timeout of httpx2 is five seconds."
    three.llm.when("<question>").reply("Five seconds [1].")
    asked = {"question": "What is the default timeout of httpx2?"}

    uploaded = first.post("/rag/documents", files={"file": ("timeouts.md", text.encode())}, headers=headers)
    assert uploaded.status_code == 202, uploaded.text
    where = uploaded.headers["location"]
    wait_for(lambda: second.get(where, headers=headers).json()["state"] == "ready", "it is not indexed")
    for client in (first, second, third):
        said = client.post("/rag/query", json=asked, headers=headers).json()
        assert said["citations"][0]["document_id"] == uploaded.json()["id"]
        assert client.get(f"{where}/text", headers=headers).text == text

    assert second.delete(where, headers=headers).status_code == 204
    for client in (first, second, third):
        assert client.get(where, headers=headers).status_code == 404
        assert client.post("/rag/query", json=asked, headers=headers).json()["known"] is False


def test_a_job_that_is_ordered_at_every_instance_is_done_once(three: Cluster) -> None:
    headers = three.key("orders")
    orders = [{"prompts": [f"order {n} of {k}" for k in range(3)]} for n in range(4)]

    def order(client: Any, n: int) -> Any:
        n %= len(orders)
        return n, client.post("/jobs", json=orders[n], headers={**headers, "Idempotency-Key": f"order-{n}"}).json()

    said = at_once(three, 3 * len(orders) * 2, order, together=8)
    ids = {n: {job["id"] for m, job in said if m == n} for n in range(len(orders))}
    assert [len(one) for one in ids.values()] == [1] * len(orders), ids
    for (job,) in ids.values():
        wait_for(
            lambda job=job: three.instances[0].client.get(f"/jobs/{job}", headers=headers).json()["state"] == "done",
            "it is not done",
        )
        answers = everywhere(three, lambda client, job=job: client.get(f"/jobs/{job}/result", headers=headers).json())
        assert answers[0] == answers[1] == answers[2]
        assert len(answers[0]["answers"]) == 3
    assert prompts(three, "order ") == sorted(prompt for one in orders for prompt in one["prompts"])
