"""Instances over one Redis: what they tell each other, and what each does while it is away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mockllm import MockLLM
from tests.capstone.inside import CHAT, Running, capstone
from tests.capstone.test_faults import wait_for
from tests.scale.neighbors import Redis

SECRET = "of-both-instances-8f3k1q9z7w2x5v4n6m0b7c"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    one = Redis(tmp_path_factory.mktemp("redis"))
    yield one
    one.thaw()
    one.close()


@pytest.fixture(scope="module")
def two(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    """Two that share a folder and a Redis, and believe in a key for long; over one fake provider."""
    tmp_path = tmp_path_factory.mktemp("data")
    options: dict[str, Any] = {"redis_url": f"redis://127.0.0.1:{redis.port}/0", "key_cache_s": 600, "cache_s": 60}
    options |= {"secret": SECRET, "demo": True, "requests_per_minute": 1_000, "retries": 0}
    with capstone(tmp_path, MockLLM(settle_turns=0), **options) as one:
        url = {"OPENAI_BASE_URL": one.service.settings.openai_base_url, "OPENAI_API_KEY": "sk-mock"}
        with capstone(tmp_path, **url, **options) as other:
            yield [one, other]
    redis.thaw()


@pytest.fixture(autouse=True)
def together(two: list[Running]) -> None:
    """Whatever the test before has done: all are well."""
    for one in two:
        wait_for(lambda one=one: "redis_away 0.0" in numbers(one), "Redis is still away")


def ask(running: Running, headers: dict[str, str], **changes: Any) -> Any:
    return running.client.post("/v1/chat/completions", json={**CHAT, **changes}, headers=headers)


def numbers(running: Running) -> str:
    return running.client.get("/metrics").text


def test_a_key_that_ends_at_one_instance_ends_at_the_others(two: list[Running]) -> None:
    key = two[0].key()
    assert [one.client.get("/usage", headers=key).status_code for one in two] == [200, 200]
    key_id = key["Authorization"].split("_")[1]
    assert two[0].client.delete(f"/auth/keys/{key_id}").status_code == 204
    wait_for(lambda: two[1].client.get("/usage", headers=key).status_code == 401, "ten minutes have begun")


def test_a_key_that_ended_while_nobody_could_say_so_ends_when_redis_is_back(two: list[Running], redis: Redis) -> None:
    key = two[0].key()
    assert two[1].client.get("/usage", headers=key).status_code == 200
    redis.kill()
    key_id = key["Authorization"].split("_")[1]
    assert two[0].client.delete(f"/auth/keys/{key_id}").status_code == 204
    assert two[1].client.get("/usage", headers=key).status_code == 200, "who told it?"
    redis.start()
    wait_for(lambda: two[1].client.get("/usage", headers=key).status_code == 401, "it believes in it still")


def test_row_19_an_answer_is_kept_for_all_instances_and_for_nobody_elses_key(two: list[Running], redis: Redis) -> None:
    fake, mine, other = two[0].fake, two[0].key(), two[0].key()
    assert fake
    fake.reset()
    answers = [ask(one, mine, temperature=0) for one in two]
    assert answers[0].json() == answers[1].json()
    assert len(fake.requests) == 1
    ask(two[1], other, temperature=0)
    ask(two[1], mine)  # another temperature: another answer may come
    assert len(fake.requests) == 3
    with redis.client() as client:
        kept = list(client.scan_iter("answer:*"))
        assert len(kept) == 2
        assert all(0 < client.ttl(name) <= 60 for name in kept)
        assert "Hello" not in " ".join(kept)


@pytest.mark.parametrize("how", ["frozen", "gone"])
def test_rows_12_and_13_while_redis_is_away_all_is_answered_and_nothing_is_free(
    two: list[Running], redis: Redis, how: str
) -> None:
    key = two[0].key(tokens_per_day=20_000)
    assert [ask(one, key, max_tokens=1).status_code for one in two] == [200, 200]
    spent = two[0].client.get("/usage", headers=key).json()["tokens_today"]
    logged = len(two[1].log.getvalue())
    redis.freeze() if how == "frozen" else redis.kill()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(two[1], key, max_tokens=100), range(40)))
    assert {one.status_code for one in answers} == {200}
    assert ask(two[1], key, max_tokens=30_000).status_code == 429
    assert "redis_away 1.0" in numbers(two[1])
    lines = [
        line
        for line in two[1].log.getvalue()[logged:].splitlines()
        if "edis" in line and "capstone.requests" not in line
    ]
    assert 1 <= len(lines) <= 3, lines

    redis.thaw() if how == "frozen" else redis.start()
    for one in two:
        wait_for(lambda one=one: "redis_away 0.0" in numbers(one), "it is not asked again")
    spent += sum(one.json()["usage"]["total_tokens"] for one in answers)

    def told() -> list[int]:
        return [one.client.get("/usage", headers=key).json()["tokens_today"] for one in two]

    wait_for(lambda: told() == [spent, spent], f"it is not {spent}")
