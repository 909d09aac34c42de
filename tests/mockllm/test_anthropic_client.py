"""The official Anthropic client cannot tell the fake from the real API, at any door."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

anthropic = pytest.importorskip("anthropic", reason="the anthropic client is not installed: pip install -e .[dev]")

ASK: dict[str, Any] = {
    "model": "mock-large",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
WEATHER = {"name": "weather", "input_schema": {"type": "object"}}


def test_message(door):
    door.llm.reply("Good day to you")
    with door.anthropic() as client:
        answer = client.messages.create(**ASK, system="Be kind")

    assert [block.text for block in answer.content] == ["Good day to you"]
    assert (answer.stop_reason, answer.usage.input_tokens, answer.usage.output_tokens) == ("end_turn", 3, 4)
    assert answer._request_id == door.llm.last.id
    assert door.llm.last.chat.system == "Be kind"
    assert door.llm.last.key == "mock"


async def test_message_async(door):
    door.llm.reply("Good day")
    async with door.async_anthropic() as client:
        answer = await client.messages.create(**ASK)

    assert answer.content[0].text == "Good day"


def test_strict_validation_of_the_client_finds_nothing(door):
    with door.anthropic(_strict_response_validation=True) as client:
        client.messages.create(**ASK)
        client.messages.count_tokens(model="mock-large", messages=ASK["messages"])
        client.models.list()
        list(client.messages.create(**ASK, stream=True))
        door.llm.tool_call("weather", {"city": "Rome"})
        client.messages.create(**ASK, tools=[WEATHER])


def test_event_sequence(door):
    door.llm.tokens(["Good", " day"])
    with door.anthropic() as client:
        events = list(client.messages.create(**ASK, stream=True))

    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]  # the client swallows `ping`
    assert door.llm.last.state == "answered"


async def test_stream_helper(door):
    door.llm.tokens(["Good", " day", " é🙂"])
    async with door.async_anthropic() as client, client.messages.stream(**ASK) as stream:
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_message()

    assert texts == ["Good", " day", " é🙂"]
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)


@pytest.mark.parametrize("streaming", [False, True])
def test_tool_call(door, streaming):
    door.llm.reply("Let me look").tool_call("weather", {"city": "São Paulo"})
    with door.anthropic() as client:
        if streaming:
            with client.messages.stream(**ASK, tools=[WEATHER]) as stream:
                answer = stream.get_final_message()
        else:
            answer = client.messages.create(**ASK, tools=[WEATHER])

    assert answer.stop_reason == "tool_use"
    assert [block.type for block in answer.content] == ["text", "tool_use"]
    assert (answer.content[1].name, answer.content[1].input) == ("weather", {"city": "São Paulo"})


@pytest.mark.parametrize("streaming", [False, True])
def test_how_it_stopped(door, streaming):
    door.llm.refuse()
    door.llm.truncate("It was a dark and")
    door.llm.reply("one two three")
    door.llm.reply("one two three")
    with door.anthropic() as client:

        def stopped(**options: Any) -> tuple[str, str | None]:
            if streaming:
                with client.messages.stream(**{**ASK, **options}) as stream:
                    answer = stream.get_final_message()
            else:
                answer = client.messages.create(**{**ASK, **options})
            return answer.stop_reason, answer.stop_sequence

        assert stopped() == ("refusal", None)
        assert stopped() == ("max_tokens", None)
        assert stopped(max_tokens=2) == ("max_tokens", None)
        assert stopped(stop_sequences=["two"]) == ("stop_sequence", "two")


def test_count_tokens_and_models(door):
    with door.anthropic() as client:
        counted = client.messages.count_tokens(model="mock-large", messages=[{"role": "user", "content": "a b c"}])
        names = [model.id for model in client.models.list()]

    assert counted.input_tokens == 3
    assert "mock-large" in names


ERRORS = {
    400: ("BadRequestError", "invalid_request_error"),
    401: ("AuthenticationError", "authentication_error"),
    403: ("PermissionDeniedError", "permission_error"),
    404: ("NotFoundError", "not_found_error"),
    413: ("ContentTooLargeError", "request_too_large"),
    429: ("RateLimitError", "rate_limit_error"),
    500: ("InternalServerError", "api_error"),
    503: ("ServiceUnavailableError", "api_error"),
    504: ("GatewayTimeoutError", "timeout_error"),
    529: ("OverloadedError", "overloaded_error"),
}


@pytest.mark.parametrize("status", ERRORS)
def test_error_classes(door, status):
    name, kind = ERRORS[status]
    door.llm.fail(status, retry_after=2)
    with door.anthropic() as client, pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**ASK)

    assert type(caught.value).__name__ == name
    assert (caught.value.status_code, caught.value.type) == (status, kind)
    assert caught.value.body["request_id"] == caught.value.request_id == door.llm.last.id
    assert caught.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize("status", ERRORS)
async def test_error_classes_async(inside, status):
    inside.llm.fail(status)
    async with inside.async_anthropic() as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(**ASK, stream=True)

    assert type(caught.value).__name__ == ERRORS[status][0]


def test_the_client_retries_what_the_fake_fails(door):
    door.llm.fail(529, retry_after=0.001, times=2)
    with door.anthropic(max_retries=2) as client:
        client.messages.create(**ASK)

    assert [request.status for request in door.llm.requests] == [529, 529, 200]


def test_no_answer_at_all(door):
    door.llm.disconnect()
    with door.anthropic() as client, pytest.raises(anthropic.APIConnectionError):
        client.messages.create(**ASK)


def test_error_in_mid_stream(door):
    door.llm.tokens(["a", "b"]).fail(529, after=1)
    with door.anthropic() as client:
        events = client.messages.create(**ASK, stream=True)
        kinds = [next(events).type for _ in range(3)]
        with pytest.raises(anthropic.APIStatusError, match="Overloaded") as caught:
            next(events)

    assert kinds == ["message_start", "content_block_start", "content_block_delta"]
    assert caught.value.status_code == 200
    assert door.llm.last.state == "broken"


def test_reset_in_mid_stream(door):
    door.llm.tokens(["a", "b", "c"]).cut(after=2, reset=True)
    with door.anthropic() as client, pytest.raises(httpx2.ReadError):
        list(client.messages.create(**ASK, stream=True))


def test_a_clean_cut_looks_like_success_to_the_client(door):
    door.llm.tokens(["a", "b", "c"]).cut(after=2)
    with door.anthropic() as client:
        events = list(client.messages.create(**ASK, stream=True))

    assert events[-1].type == "content_block_delta"


def test_garbled_json(door):
    door.llm.tokens(["a", "b"]).garble(after=1)
    with door.anthropic() as client, pytest.raises(json.JSONDecodeError):
        list(client.messages.create(**ASK, stream=True))


@pytest.mark.parametrize("how", ["bytes", "utf8", "crlf", "frames", "whole", 7, [5, 17, 400]])
def test_the_client_reads_chunks_cut_anywhere(door, how):
    door.llm.tokens(["né", "🙂", "\r\n", "fin"]).split(how).ping(2)
    with door.anthropic() as client, client.messages.stream(**ASK) as stream:
        assert stream.get_final_text() == "né🙂\r\nfin"

    assert (door.llm.last.tokens_sent, door.llm.last.state) == (4, "answered")


async def test_a_cancelled_call_is_seen(door):
    door.llm.hang()
    async with door.async_anthropic() as client:
        call = asyncio.create_task(client.messages.create(**ASK))
        await door.llm.until(lambda: door.llm.in_flight == 1, "the call did not arrive")
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await door.llm.ended(door.llm.last)

    assert door.llm.cancelled == [door.llm.last]


async def test_a_stream_closed_early_is_seen(door):
    gate = door.llm.tokens(["a", "b", "c"]).step()
    gate.release(2)
    async with door.async_anthropic() as client:
        async with client.messages.stream(**ASK) as stream:
            async for text in stream.text_stream:
                if text == "b":
                    break
        await door.llm.ended(door.llm.last)

    assert [request.tokens_sent for request in door.llm.closed_early] == [2]


def test_what_the_real_api_dropped_is_refused(door):
    with door.anthropic() as client:
        with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
            client.messages.create(**ASK, extra_body={"temperature": 0.5})
        with pytest.raises(anthropic.NotFoundError, match="model: claude-9"):
            client.messages.create(**{**ASK, "model": "claude-9"})
        with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
            client.post("/v1/messages", body={k: v for k, v in ASK.items() if k != "max_tokens"}, cast_to=object)
