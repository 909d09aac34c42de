"""The official OpenAI client cannot tell the fake from the real API, at any door."""

import asyncio
import json
from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="the openai client is not installed")

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
ASK: dict[str, Any] = {"model": "mock-small", "messages": HELLO}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def test_chat(door):
    door.llm.reply("Good day to you")
    with door.openai() as client:
        answer = client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == "Good day to you"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"}) == {
        "prompt_tokens": 1,
        "completion_tokens": 4,
        "total_tokens": 5,
    }
    assert answer._request_id == door.llm.last.id
    assert door.llm.last.json["messages"] == HELLO
    assert door.llm.last.key == "mock"
    assert door.llm.last.state == "answered"


async def test_chat_async(door):
    door.llm.reply("Good day")
    async with door.async_openai() as client:
        answer = await client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == "Good day"


def test_strict_validation_of_the_client_finds_nothing(door):
    with door.openai(_strict_response_validation=True) as client:
        client.chat.completions.create(**ASK)
        client.models.list()
        client.embeddings.create(model="mock-embed", input="a", encoding_format="float")
        options = {"stream": True, "stream_options": {"include_usage": True}}
        list(client.chat.completions.create(**ASK, **options))
        door.llm.tool_call("weather", {"city": "Rome"})
        client.chat.completions.create(**ASK, tools=[WEATHER])


def test_stream(door):
    door.llm.tokens(["Good", " day", " é🙂"])
    with door.openai() as client:
        chunks = list(client.chat.completions.create(**ASK, stream=True))

    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Good", " day", " é🙂", None]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert door.llm.last.tokens_sent == 3
    assert door.llm.last.state == "answered"
    assert door.llm.closed_early == []


async def test_stream_async_with_usage(door):
    door.llm.tokens(["Good", " day"])
    async with door.async_openai() as client:
        stream = await client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]

    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 3
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "Good day"


def test_tool_call(door):
    door.llm.tool_call("weather", {"city": "São Paulo"})
    with door.openai() as client:
        choice = client.chat.completions.create(**ASK, tools=[WEATHER]).choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    call = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "São Paulo"})


def test_tool_call_in_a_stream(door):
    door.llm.tool_call("weather", {"city": "Rome"}).tool_call("weather", {"city": "Paris"})
    with door.openai() as client, client.chat.completions.stream(**ASK, tools=[WEATHER]) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls

    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Rome", "Paris"]


def test_refusal_and_truncation(door):
    door.llm.refuse("No.")
    door.llm.truncate("It was a dark and")
    with door.openai() as client:
        refused = client.chat.completions.create(**ASK).choices[0]
        cut = client.chat.completions.create(**ASK).choices[0]

    assert (refused.message.refusal, refused.message.content) == ("No.", None)
    assert (cut.finish_reason, cut.message.content) == ("length", "It was a dark and")


def test_max_tokens_and_stop_are_heeded(door):
    door.llm.reply("one two three four").times(2)
    with door.openai() as client:
        short = client.chat.completions.create(**ASK, max_completion_tokens=2).choices[0]
        stopped = client.chat.completions.create(**ASK, stop=["three"]).choices[0]

    assert (short.message.content, short.finish_reason) == ("one two", "length")
    assert (stopped.message.content, stopped.finish_reason) == ("one two ", "stop")


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_embeddings(door, encoding):
    more = {} if encoding is None else {"encoding_format": encoding}
    with door.openai() as client:
        answer = client.embeddings.create(model="mock-embed", input=["a cat sat", "the cat"], dimensions=64, **more)

    assert [item.index for item in answer.data] == [0, 1]
    if encoding == "base64":
        assert all(isinstance(item.embedding, str) for item in answer.data)
    else:
        assert all(len(item.embedding) == 64 for item in answer.data)
        assert sum(x * x for x in answer.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert answer.usage.total_tokens == 5


def test_models(door):
    with door.openai() as client:
        names = [model.id for model in client.models.list()]
        assert client.models.retrieve("mock-small").id == "mock-small"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-4o")

    assert "mock-large" in names


ERRORS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


@pytest.mark.parametrize("status", ERRORS)
def test_error_classes(door, status):
    door.llm.fail(status, retry_after=2)
    with door.openai() as client, pytest.raises(ERRORS[status]) as caught:
        client.chat.completions.create(**ASK)

    assert caught.value.status_code == status
    assert caught.value.body["message"]
    assert caught.value.request_id == door.llm.last.id
    assert caught.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize("status", ERRORS)
async def test_error_classes_async(inside, status):
    inside.llm.fail(status)
    async with inside.async_openai() as client:
        with pytest.raises(ERRORS[status]):
            await client.chat.completions.create(**ASK, stream=True)


def test_the_client_retries_what_the_fake_fails(door):
    door.llm.fail(429, retry_after=0.001, times=2)
    with door.openai(max_retries=2) as client:
        client.chat.completions.create(**ASK)

    assert [request.status for request in door.llm.requests] == [429, 429, 200]


@pytest.mark.parametrize("streaming", [False, True])
def test_connection_errors(door, streaming):
    door.llm.disconnect()
    with door.openai() as client, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(**ASK, stream=streaming)

    assert door.llm.last.state == "broken"


def test_error_in_mid_stream(door):
    door.llm.tokens(["a", "b", "c"]).fail(500, after=2)
    with door.openai() as client:
        chunks = client.chat.completions.create(**ASK, stream=True)
        assert [next(chunks).choices[0].delta.content for _ in range(3)] == ["", "a", "b"]
        with pytest.raises(openai.APIError, match="had an error"):
            next(chunks)

    assert door.llm.last.state == "broken"


def test_reset_in_mid_stream(door):
    door.llm.tokens(["a", "b", "c"]).cut(after=2, reset=True)
    with door.openai() as client, pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(**ASK, stream=True))

    assert door.llm.last.tokens_sent == 2


def test_a_clean_cut_looks_like_success_to_the_client(door):
    door.llm.tokens(["a", "b", "c"]).cut(after=2)
    with door.openai() as client:
        chunks = list(client.chat.completions.create(**ASK, stream=True))

    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None]
    assert door.llm.last.state == "broken"


def test_garbled_json_and_a_proxys_page(door):
    door.llm.tokens(["a", "b"]).garble(after=1)
    door.llm.html(502)
    with door.openai() as client:
        with pytest.raises(json.JSONDecodeError):
            list(client.chat.completions.create(**ASK, stream=True))
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(**ASK)

    assert "<center>nginx</center>" in caught.value.response.text


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_cancelled_call_is_seen(door, streaming):
    door.llm.hang()
    async with door.async_openai() as client:
        call = asyncio.create_task(client.chat.completions.create(**ASK, stream=streaming))
        await door.llm.until(lambda: door.llm.in_flight == 1, "the call did not arrive")
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await door.llm.ended(door.llm.last)

    assert door.llm.cancelled == [door.llm.last]
    assert door.llm.in_flight == 0


async def test_a_stream_closed_early_is_seen(door):
    gate = door.llm.tokens(["a", "b", "c"]).step()
    gate.release(2)
    async with door.async_openai() as client:
        async with await client.chat.completions.create(**ASK, stream=True) as stream:
            async for chunk in stream:
                if chunk.choices[0].delta.content == "b":
                    break
        await door.llm.ended(door.llm.last)

    assert [request.tokens_sent for request in door.llm.closed_early] == [2]


@pytest.mark.parametrize("how", ["bytes", "utf8", "crlf", "frames", "whole", 7, [5, 17, 400]])
def test_the_client_reads_chunks_cut_anywhere(door, how):
    door.llm.tokens(["né", "🙂", "\r\n", "fin"]).split(how).ping()
    with door.openai() as client:
        chunks = list(client.chat.completions.create(**ASK, stream=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "né🙂\r\nfin"
    assert door.llm.last.tokens_sent == 4
    assert door.llm.last.state == "answered"
