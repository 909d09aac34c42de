"""What whoever runs the service sees, and how it ends: rows 24 to 26 of the list of faults."""

import gc
import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from mockllm import MockLLM, serve_in_thread
from tests.capstone.inside import Running, capstone
from tests.capstone.service import Service, serve
from tests.capstone.test_auth import call, state_of
from tests.capstone.test_faults import STREAM, wait_for


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with capstone(
        tmp_path_factory.mktemp("data"), MockLLM(settle_turns=0), retries=0, requests_per_minute=10**6
    ) as running:
        yield running


@pytest.fixture
def fake(running: Running) -> MockLLM:
    assert running.fake
    running.fake.reset()
    running.service.chat.breakers.clear()
    return running.fake


def numbers(running: Running) -> dict[str, float]:
    """Every series and its value."""
    lines = running.client.get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines if one[:1] != "#")}


def lines(running: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in running.log.getvalue().splitlines()]


# Ids and lines.


def test_every_answer_carries_an_id_that_its_line_has_too(running: Running, fake: MockLLM) -> None:
    fake.reply("x")
    answers = [
        running.chat(),
        running.chat(stream=True),
        running.chat(messages=[]),
        running.client.get("/nope"),
        running.client.get("/usage", headers={"Authorization": ""}),
        running.client.get("/health"),
    ]
    ids = [one.headers["x-request-id"] for one in answers]
    assert len(set(ids)) == len(ids)
    logged = {one["request_id"] for one in lines(running) if one["event"] == "request"}
    assert logged.issuperset(ids)
    assert {one["caller"] for one in lines(running) if one["request_id"] in ids[:3]} == {"key:demo"}
    for one in answers:
        if one.status_code >= 400:
            assert one.json()["request_id"] == one.headers["x-request-id"]


def test_an_id_is_taken_over_if_it_is_one(running: Running) -> None:
    asked = {"X-Request-ID": "trace-0123456789"}
    assert running.client.get("/health", headers=asked).headers["x-request-id"] == "trace-0123456789"
    asked = {"X-Request-ID": 'x" onload="alert(1)'}
    assert running.client.get("/health", headers=asked).headers["x-request-id"] != asked["X-Request-ID"]


def test_lines_are_json_and_hold_no_prompt_and_no_answer(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=0) as running:
        secret = [{"role": "user", "content": "my secret prompt"}]
        fake.reply("a confidential answer")
        running.chat(messages=secret)
        fake.reply("a confidential answer").cut(after=1)
        running.chat(messages=secret, stream=True)
        fake.fail(400, message="my secret prompt is not allowed")
        running.chat(messages=secret)
        running.chat(messages=secret, model="nope")
        running.chat(messages=[{"role": "my secret prompt"}])
        running.chat(messages=secret, temperature="my secret prompt")
        running.client.post("/v1/embeddings", json={"model": "mock-embed", "input": "my secret prompt"})
        assert len(lines(running)) > 10
        assert "secret" not in running.log.getvalue()
        assert "confidential" not in running.log.getvalue()
        (line,) = [one for one in lines(running) if one["event"] == "request" and one.get("status") == 404]
        assert {"method", "route", "status", "seconds", "complete", "request_id", "timestamp", "level"} <= set(line)


def test_a_bug_of_ours_is_500_with_an_id_and_its_traceback_is_in_the_log_alone(running: Running, fake: MockLLM) -> None:
    class Bug(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError("the tables have turned")

    known, running.service.providers.of_model = running.service.providers.of_model, Bug()
    try:
        answer = running.chat()
    finally:
        running.service.providers.of_model = known
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "api_error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "tables" not in answer.text
    (line,) = [one for one in lines(running) if "the tables have turned" in json.dumps(one)]
    assert line["request_id"] == answer.headers["x-request-id"]


def test_errors_elsewhere_have_our_own_form(running: Running) -> None:
    answer = running.client.post("/auth/keys", json={"tokens_per_day": 0})
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "code", "fields", "request_id"}
    assert "tokens_per_day" in answer.json()["fields"]
    assert running.client.put("/usage").status_code == 405
    assert set(running.client.get("/nope").json()) == {"error", "code", "fields", "request_id"}


def test_a_body_that_is_too_large_is_413_in_our_form(running: Running) -> None:
    answer = running.client.post("/v1/chat/completions", content=b"x" * (9 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "invalid_request_error"


# Numbers.


def test_requests_tokens_dollars_and_errors_are_counted(running: Running, fake: MockLLM) -> None:
    before = numbers(running)
    fake.reply("one two three")
    running.chat()
    fake.fail(503)
    running.chat()
    after = numbers(running)

    def more(series: str) -> float:
        return after[series] - before.get(series, 0)

    chat = 'http_request_duration_seconds_count{method="POST",route="/v1/chat/completions",status="%d"}'
    assert more(chat % 200) == more(chat % 503) == 1
    assert more('llm_tokens_total{kind="completion",model="mock-large"}') == 3
    assert more('llm_cost_dollars_total{model="mock-large"}') > 0
    assert more('llm_errors_total{provider="openai",status="503"}') == 1


def test_row_25_a_thousand_paths_and_models_make_no_new_series(running: Running, fake: MockLLM) -> None:
    def ask(n: int) -> None:
        running.client.get(f"/nope/{n}")
        running.client.get(f"/v1/models/model-{n}")
        running.client.request(f"METHOD{n}", "/usage")
        running.chat(model=f"model-{n}")

    ask(-1)
    known = set(numbers(running))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(250)))
    assert set(numbers(running)) == known


# Alive, ready, and the end.


def test_alive_and_ready_are_two_questions(tmp_path: Path) -> None:
    with capstone(tmp_path) as running:
        assert running.client.get("/ready").json() == {"status": "ready", "parts": {"database": "ok"}}
        running.service.readiness.known_until = 0.0

        class Away:
            async def tokens_of(self, _: str) -> int:
                raise OSError("the database is away")

        object.__setattr__(running.service.store, "usage", Away())
        answer = running.client.get("/ready")
        assert answer.status_code == 503
        assert "away" not in answer.text
        assert running.client.get("/health/live").status_code == 200
        assert running.client.get("/health").status_code == 200


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[tuple[Service, MockLLM]]:
    fake = MockLLM(settle_turns=0)
    with (
        serve_in_thread(fake) as served,
        serve(
            tmp_path / "data", OPENAI_BASE_URL=f"{served.url}/v1", OPENAI_API_KEY="sk-mock", CAPSTONE_DRAIN_DEADLINE_S=5
        ) as service,
    ):
        yield service, fake


def collect(service: Service) -> str:
    with service.client.stream("POST", "/v1/chat/completions", json=STREAM) as answer:
        return "".join(answer.iter_text())


def test_row_26_at_the_end_twenty_streams_finish_and_nobody_new_is_let_in(streaming: tuple[Service, MockLLM]) -> None:
    service, fake = streaming
    fake.default.tokens(["a", "b", "c"])
    gate = fake.hold()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(collect, service) for _ in range(20)]
        wait_for(lambda: fake.in_flight == 20, "not all streams are open")
        service.process.send_signal(signal.SIGTERM)
        wait_for(lambda: refuses(service), "it still takes new connections")
        gate.open()
        texts = [one.result(10) for one in answers]
    assert all(text.endswith("data: [DONE]\n\n") and "stream_broken" not in text for text in texts)
    assert service.process.wait(10) == 0
    assert "Traceback" not in service.log.read_text()


def refuses(service: Service) -> bool:
    try:
        httpx.get(f"{service.url}/health", timeout=5)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # it was waiting to be taken when the door closed
        return False
    return False


def test_row_26_who_is_not_done_at_the_deadline_is_told_so(streaming: tuple[Service, MockLLM]) -> None:
    service, fake = streaming
    fake.default.tokens(["a", "b"]).hang(after=1)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(collect, service) for _ in range(3)]
        wait_for(lambda: sum(one.tokens_sent for one in fake.requests) == 3, "not all streams are open")
        started = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        texts = [one.result(15) for one in answers]
    service.process.wait(10)
    assert time.monotonic() - started > 4
    assert all("shutting_down" in text for text in texts)


def test_a_service_without_anything_to_finish_ends_at_once(streaming: tuple[Service, MockLLM]) -> None:
    service, _ = streaming
    started = time.monotonic()
    service.stop()
    assert time.monotonic() - started < 5, "the deadline was waited for"
    assert service.process.returncode == 0, "an orderly end is none by a signal"


def test_at_the_start_it_says_who_answers_and_whose_parts_serve(tmp_path: Path) -> None:
    with capstone(tmp_path) as running:
        said = [one["event"] for one in lines(running)]
        assert sum(bool(re.match(r"part 0[1-8]_\w+: reference \(asked for\)", one)) for one in said) == 8
        assert "provider: offline; models: mock-large, mock-small, mock-reason, mock-embed" in said
        assert any(one.startswith("offline: a fake answers") for one in said)
        assert "look at /chat and /docs; the key demo lets in, from this machine alone" in said


def test_row_24_a_request_leaves_nothing_behind(tmp_path: Path) -> None:
    """Objects are counted, not bytes: the slope in bytes is measured by benchmarks/service.py."""
    with capstone(tmp_path, log_level="warning", requests_per_minute=10**6) as running:  # pytest keeps each log record
        state, known = state_of(running), [(b"authorization", b"Bearer demo"), (b"host", b"localhost")]

        async def ask() -> int:
            for path in ("/v1/models/x", "/nope", "/v1/models") * 60:  # sqlite3 keeps up to 200 dead references
                await call(running.app, state, ("127.0.0.1", 1), known, path)
            gc.collect()
            return len(gc.get_objects())

        gc.unfreeze()
        counts = [running.run(ask) for _ in range(6)]
        # What else goes on in the process comes and goes; what requests leave is there after each round.
        assert min(later - earlier for earlier, later in pairwise(counts)) < 100, counts
