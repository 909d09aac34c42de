"""Who answers: OpenAI and what speaks its API, Anthropic, nobody; and what is looked at when."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, OpenAI

from capstone.services.chat import RetryBudget
from mockllm import MockLLM, serve_in_thread
from mockllm.faults import FAULTS, script_from_words
from tests.capstone.inside import CHAT, HELLO, QUICK, Running, capstone
from tests.capstone.test_faults import STREAM, asking, read_until, statuses, wait_for

IMAGE = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}


@pytest.fixture(scope="module")
def anthropic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("data")
    options: dict[str, Any] = {**QUICK}
    with capstone(data, MockLLM(settle_turns=0), anthropic=True, **options) as running:
        yield running


@pytest.fixture
def fake(anthropic: Running) -> MockLLM:
    assert anthropic.fake
    anthropic.fake.reset()
    anthropic.service.chat.breakers.clear()
    return anthropic.fake


# One client for the process.


def test_a_hundred_calls_share_a_few_connections(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake) as running:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: running.chat(), range(100)))
        assert len(fake.requests) > 100
        assert fake.connections <= 5


def test_calls_run_side_by_side(tmp_path: Path) -> None:
    """Row 7 without a clock: forty calls are open at once. How many a second is measured by benchmarks/service.py."""
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake) as running, ThreadPoolExecutor(40) as pool:
        gate = fake.hold()
        answers = [pool.submit(running.chat) for _ in range(40)]
        wait_for(lambda: fake.in_flight == 40, "something lets them go one after another")
        gate.open()
        assert {one.result().status_code for one in answers} == {200}


def test_a_connection_that_the_provider_has_closed_meanwhile_is_no_error(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=1) as running:
        for _ in range(3):
            fake.disconnect()
            assert running.chat().status_code == 200


# Which models there are.


def test_without_any_setting_answers_come_from_nobody_and_say_so(tmp_path: Path) -> None:
    with capstone(tmp_path) as running:
        answer = running.chat().json()["choices"][0]["message"]["content"]
        assert answer.startswith("[offline]")
        assert {one["owned_by"] for one in running.client.get("/v1/models").json()["data"]} == {"offline"}
        assert "[offline]" in "".join(running.client.post("/v1/chat/completions", json=STREAM).text)


def test_models_are_those_that_the_provider_lists_or_those_that_are_set(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0, any_model=True)
    with capstone(tmp_path, fake, models=("gpt-x", "text-embedding-x")) as running:
        assert [one["id"] for one in running.client.get("/v1/models").json()["data"]] == ["gpt-x", "text-embedding-x"]
        assert running.service.providers.default_model == "gpt-x"
        assert running.service.providers.embedding_models == ["text-embedding-x"]
        assert running.chat(model="gpt-x").status_code == 200
        assert running.chat(model="mock-large").status_code == 404


def test_models_of_another_kind_are_listed_and_not_asked(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0, any_model=True)
    with capstone(tmp_path, fake, models=("whisper-1", "gpt-x", "dall-e-3")) as running:
        assert running.service.providers.default_model == "gpt-x"
        assert running.chat(model="whisper-1").json()["error"]["code"] == "model_not_found"


def test_a_provider_that_is_away_at_the_start_does_not_keep_us_from_starting(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    fake.fail(503)
    with capstone(tmp_path, fake) as running:
        assert running.client.get("/ready").status_code == 200
        wait_for(lambda: running.chat().status_code == 200, "it was not asked again")


def test_each_model_is_asked_of_whoever_has_it(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with serve_in_thread(fake) as served:
        both = {
            "ANTHROPIC_API_KEY": "sk-ant-mock",
            "ANTHROPIC_BASE_URL": served.url,
            "anthropic_models": ("mock-small",),
        }
        with capstone(
            tmp_path, fake, models=("mock-large",), fallbacks={"mock-large": ("mock-small",)}, retries=0, **both
        ) as running:
            running.chat()
            running.chat(model="mock-small")
            paths = [one.path for one in fake.requests]
            assert paths == ["/v1/chat/completions", "/v1/messages"]
            owners = {one["id"]: one["owned_by"] for one in running.client.get("/v1/models").json()["data"]}
            assert owners == {"mock-large": "openai", "mock-small": "anthropic"}
            fake.when(lambda request: request.path == "/v1/chat/completions").fail(500)
            assert running.chat().json()["model"] == "mock-small"
            tool = {"type": "function", "function": {"name": "f"}}
            assert running.chat(tools=[tool]).status_code == 502, "the other one takes no tools, so it is not asked"


# Anthropic.


def test_anthropic_answers_in_openais_shape(anthropic: Running, fake: MockLLM) -> None:
    fake.reply("Good morning")
    with OpenAI(api_key="demo", base_url=f"{anthropic.url}/v1", max_retries=0) as client:
        messages: Any = [{"role": "system", "content": "Be kind."}, *HELLO]
        answer = client.chat.completions.create(model="mock-large", messages=messages, max_tokens=50)
    assert answer.choices[0].message.content == "Good morning"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 2
    assert fake.last.path == "/v1/messages"
    assert fake.last.json["system"] == "Be kind."
    assert fake.last.json["max_tokens"] == 50


def test_anthropic_streams_in_openais_shape(anthropic: Running, fake: MockLLM) -> None:
    fake.tokens(["Good ", "mor", "ning, né🙂"]).split("bytes").ping(2)
    with OpenAI(api_key="demo", base_url=f"{anthropic.url}/v1", max_retries=0) as client:
        chunks = list(
            client.chat.completions.create(
                model="mock-large",
                messages=HELLO,  # type: ignore[arg-type]
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert text == "Good morning, né🙂"
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 3
    assert len({one.id for one in chunks}) == 1


def test_a_stopped_answer_says_why(anthropic: Running, fake: MockLLM) -> None:
    fake.truncate("And so it")
    assert anthropic.chat().json()["choices"][0]["finish_reason"] == "length"
    fake.truncate("And so it")
    assert '"finish_reason":"length"' in anthropic.chat(stream=True).text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("words", FAULTS)
def test_each_fault_of_anthropic_ends_and_tells_and_leaks_nothing(
    anthropic: Running, fake: MockLLM, words: str, stream: bool
) -> None:
    script = script_from_words(words.replace("first_token_s=3 cadence_s=0.5", "first_token_s=0.1"), fake.script())
    if script.failure:
        script_from_words(f"{words} message='its own words'", fake.script())
        fake._queue.pop(0)
    answer = anthropic.chat(stream=stream)
    assert answer.status_code in statuses(words)
    assert "own words" not in answer.text
    assert "<html" not in answer.text
    if answer.status_code == 200 and stream:
        assert answer.text.endswith("data: [DONE]\n\n")
        broken = '"code":"stream_broken"' in answer.text
        assert broken == (words.split()[0] in ("529", "hang", "cut", "garble"))


def test_a_stream_of_anthropic_that_breaks_off_is_no_success(anthropic: Running, fake: MockLLM) -> None:
    fake.tokens(["a", "b", "c", "d"]).cut(after=3, reset=True)
    with OpenAI(api_key="demo", base_url=f"{anthropic.url}/v1", max_retries=0) as client:
        stream = client.chat.completions.create(model="mock-large", messages=HELLO, stream=True)  # type: ignore[call-overload]
        with pytest.raises(APIError):
            list(stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_reader_who_leaves_ends_the_call_to_anthropic(anthropic: Running, fake: MockLLM, stream: bool) -> None:
    fake.hang()
    with asking(anthropic.url, {**CHAT, "stream": stream}):
        wait_for(lambda: fake.in_flight, "the provider was not asked")
    wait_for(lambda: fake.cancelled, "the reader has left, and the provider still works")


def test_a_reader_who_leaves_in_mid_stream_ends_the_call_to_anthropic(anthropic: Running, fake: MockLLM) -> None:
    gate = fake.tokens(["a", "b", "c"]).step()
    with asking(anthropic.url, STREAM) as connection:
        gate.release(1)
        read_until(connection, b'"content":"a"')
    wait_for(lambda: fake.closed_early, "the reader has left, and the provider still writes")


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"n": 2}, "n"),
        ({"top_p": 0.5}, "top_p"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_over_to_anthropic_is_refused_and_not_dropped(
    anthropic: Running, fake: MockLLM, wish: dict[str, Any], param: str
) -> None:
    answer = anthropic.chat(**wish)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert not fake.requests


def test_parts_of_text_are_text_to_anthropic(anthropic: Running, fake: MockLLM) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert (
        anthropic.chat(messages=[{"role": "user", "content": parts}], user="ada", temperature=None).status_code == 200
    )
    assert fake.last.json["messages"] == [{"role": "user", "content": "Hello"}]


# Budgets.


def test_a_retry_is_earned_by_five_requests() -> None:
    budget = RetryBudget(left=0)
    for _ in range(4):
        budget.earn()
    assert not budget.take()
    budget.earn()
    budget.earn()
    assert budget.take()
    assert not budget.take()


def test_what_waits_for_the_next_try_ends_with_its_reader(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=2, retry_budget_s=60) as running:
        fake.fail(429, retry_after=30)
        with asking(running.url, CHAT):
            wait_for(lambda: [one for one in fake.requests if one.status == 429], "the provider was not asked")
            time.sleep(0.05)

        async def waiting() -> int:
            return sum(
                "retry" in str(one.get_coro()) or "RequestResponseCycle" in str(one) for one in asyncio.all_tasks()
            )

        wait_for(lambda: running.usage() and running.usage()[0].outcome == "left", "it still waits")
        assert running.run(waiting) == 0
