"""Fault by fault, with a plain client as lesson code uses it, at any door."""

import json

import httpx2
import pytest

ASK = {"model": "mock-small", "messages": [{"role": "user", "content": "Hello"}]}
KEY = {"authorization": "Bearer mock"}


async def stream(door, llm_timeout_s: float | None = 5.0) -> list[str]:
    """The lines of a streamed chat."""
    async with door.http(headers=KEY, timeout=llm_timeout_s) as client:
        url = f"{door.openai_url}/chat/completions"
        async with client.stream("POST", url, json={**ASK, "stream": True}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            return [line async for line in answer.aiter_lines() if line]


async def ask(door) -> httpx2.Response:
    async with door.http(headers=KEY) as client:
        return await client.post(f"{door.openai_url}/chat/completions", json=ASK)


async def test_status_with_retry_after(door):
    door.llm.fail(429, retry_after=2, times=2)
    answers = [await ask(door) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "2"
    assert answers[0].json()["error"]["code"] == "rate_limit_exceeded"
    assert "retry-after" not in answers[2].headers


async def test_own_words_for_an_error(door):
    door.llm.fail(429, message="You exceeded your current quota", type="insufficient_quota", code="insufficient_quota")
    error = (await ask(door)).json()["error"]

    assert error == {
        "message": "You exceeded your current quota",
        "type": "insufficient_quota",
        "param": None,
        "code": "insufficient_quota",
    }


async def test_a_proxys_page(door):
    door.llm.html(502)
    answer = await ask(door)

    assert answer.status_code == 502
    assert answer.headers["content-type"] == "text/html"
    assert "x-request-id" not in answer.headers
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_garbled_body(door):
    door.llm.garble()
    answer = await ask(door)

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_garbled_event_keeps_its_frame(door):
    door.llm.tokens(["a", "b", "c"]).garble(after=1)
    lines = await stream(door)

    broken = [line for line in lines if line != "data: [DONE]" and not line.endswith("}")]
    assert len(broken) == 1
    assert lines[-1] == "data: [DONE]"


async def test_cut_in_a_body(door):
    door.llm.cut()
    answer = await ask(door)

    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_cut_without_the_end_marker(door):
    door.llm.tokens(["a", "b", "c"]).cut(after=2)
    lines = await stream(door)

    assert "[DONE]" not in lines[-1]
    assert [json.loads(line[6:])["choices"][0]["delta"].get("content") for line in lines] == ["", "a", "b"]


async def test_cut_inside_an_event(door):
    door.llm.tokens(["a", "b", "c"]).cut(after=2, inside=True)
    lines = await stream(door)

    assert lines[-1].startswith("data: {")
    assert not lines[-1].endswith("}")


async def test_cut_after_more_tokens_than_there_are_loses_the_end_marker(door):
    door.llm.tokens(["a"]).cut(after=99)
    lines = await stream(door)

    assert json.loads(lines[-1][6:])["choices"][0]["finish_reason"] == "stop"


async def test_reset(door):
    door.llm.tokens(["a", "b"]).cut(after=1, reset=True)
    with pytest.raises(httpx2.ReadError):
        await stream(door)


async def test_no_answer_at_all(door):
    door.llm.disconnect()
    with pytest.raises(httpx2.ReadError):
        await ask(door)

    assert door.llm.last.status is None


async def test_ping(door):
    door.llm.tokens(["a", "b"]).ping(2)
    lines = await stream(door)

    assert lines.count(": ping") == 4


async def test_error_in_mid_stream(door):
    door.llm.tokens(["a", "b"]).fail(503, after=1)
    lines = await stream(door)

    assert json.loads(lines[-1][6:])["error"]["type"] == "server_error"


async def test_error_after_tokens_fails_at_once_if_nothing_streams(door):
    door.llm.fail(503, after=1)

    assert (await ask(door)).status_code == 503


async def test_a_script_for_embeddings_only(inside):
    inside.llm.reply("words are no answer to embeddings")
    inside.llm.fail(500).only("embedding")
    async with inside.http(headers=KEY) as client:
        body = {"model": "mock-embed", "input": "a"}
        first = await client.post(f"{inside.openai_url}/embeddings", json=body)
        second = await client.post(f"{inside.openai_url}/embeddings", json=body)

    assert [first.status_code, second.status_code] == [500, 200]
    assert (await ask(inside)).json()["choices"][0]["message"]["content"] == "words are no answer to embeddings"


@pytest.mark.parametrize("streaming", [False, True])
def test_hang_meets_the_timeout_of_a_blocking_client_at_once(inside, streaming):
    inside.llm.tokens(["a", "b"]).hang(after=1 if streaming else 0)
    with inside.blocking_http(headers=KEY, timeout=3600) as client, pytest.raises(httpx2.ReadTimeout):
        client.post(f"{inside.openai_url}/chat/completions", json={**ASK, "stream": streaming})

    assert inside.llm.last.state == "abandoned"


def test_a_blocking_client_does_not_wait_for_a_slow_model(inside):
    inside.llm.tokens(["a", "b", "c"]).slow(first_token_s=100, cadence_s=50).times(2)
    with inside.blocking_http(headers=KEY, timeout=300) as client:
        answer = client.post(f"{inside.openai_url}/chat/completions", json=ASK)
        assert answer.json()["choices"][0]["message"]["content"] == "abc"
    with inside.blocking_http(headers=KEY, timeout=150) as client, pytest.raises(httpx2.ReadTimeout):
        client.post(f"{inside.openai_url}/chat/completions", json=ASK)  # 100 + 2 * 50 seconds


def test_how_a_blocking_client_waits_can_be_chosen(inside):
    waited = []
    inside.llm.sleep_blocking = waited.append
    inside.llm.tokens(["a", "b"]).slow(first_token_s=3, cadence_s=2)
    with inside.blocking_http(headers=KEY, timeout=None) as client:
        client.post(f"{inside.openai_url}/chat/completions", json={**ASK, "stream": True})

    assert waited == [3, 2]
