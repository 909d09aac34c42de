"""What the real API rejects, the fake rejects in its words."""

from typing import Any

import pytest

OPENAI = "https://api.openai.com/v1/chat/completions"
EMBEDDINGS = "https://api.openai.com/v1/embeddings"
ANTHROPIC = "https://api.anthropic.com/v1/messages"
HELLO = [{"role": "user", "content": "Hello"}]
BEARER = {"authorization": "Bearer mock"}
VERSION = {"anthropic-version": "2026-10-21"}


def chat(**changes: Any) -> dict[str, Any]:
    return {"model": "mock-small", "messages": HELLO, **changes}


def message(**changes: Any) -> dict[str, Any]:
    body = {"model": "mock-small", "max_tokens": 50, "messages": HELLO, **changes}
    return {name: value for name, value in body.items() if value is not ...}


@pytest.mark.parametrize(
    ("body", "status", "param", "code", "words"),
    [
        ({}, 400, None, None, "you must provide a model parameter"),
        (chat(model="gpt-4o"), 404, None, "model_not_found", "The model `gpt-4o` does not exist"),
        (chat(model="mock-embed"), 404, "model", None, "This is not a chat model"),
        (
            {"model": "mock-small"},
            400,
            "messages",
            "missing_required_parameter",
            "Missing required parameter: 'messages'.",
        ),
        (chat(messages=[]), 400, "messages", "empty_array", "Expected an array with minimum length 1"),
        (chat(messages="hi"), 400, "messages", "invalid_type", "but got a string instead"),
        (chat(messages=["hi"]), 400, "messages[0]", "invalid_type", "expected an object"),
        (chat(messages=[{"content": "x"}]), 400, "messages[0].role", "missing_required_parameter", "messages[0].role"),
        (chat(messages=[{"role": "robot", "content": "x"}]), 400, "messages[0].role", "invalid_value", "'robot'"),
        (
            chat(messages=[*HELLO, {"role": "user", "content": 7}]),
            400,
            "messages[1].content",
            "invalid_type",
            "an integer",
        ),
        (chat(messages=[{"role": "user", "content": None}]), 400, "messages[0].content", None, "got null"),
        (chat(messages=[{"role": "tool", "content": "x"}]), 400, "messages[0].role", None, "preceeding message"),
        (chat(temperature=3), 400, "temperature", "decimal_above_max_value", "Expected a value <= 2"),
        (chat(temperature=-1), 400, "temperature", "decimal_below_min_value", "Expected a value >= 0"),
        (chat(temperature="hot"), 400, "temperature", "invalid_type", "expected a decimal"),
        (chat(model="mock-reason", temperature=0.8), 400, "temperature", "unsupported_value", "Only the default (1)"),
        (chat(model="mock-reason", max_tokens=5), 400, "max_tokens", "unsupported_parameter", "max_completion_tokens"),
        (chat(max_tokens=9999), 400, "max_tokens", "invalid_value", "max_tokens is too large: 9999"),
        (chat(max_completion_tokens=0), 400, "max_completion_tokens", "integer_below_min_value", ">= 1"),
        (chat(max_tokens="9"), 400, "max_tokens", "invalid_type", "expected an integer"),
        (
            chat(stream_options={"include_usage": True}),
            400,
            "stream_options",
            None,
            "only allowed when 'stream' is enabled",
        ),
        (chat(tempreature=1), 400, "tempreature", "unknown_parameter", "Unknown parameter: 'tempreature'."),
        (
            chat(messages=[{"role": "user", "content": "a " * 33_000}]),
            400,
            "messages",
            "context_length_exceeded",
            "32000",
        ),
    ],
)
async def test_openai_says_no(inside, body, status, param, code, words):
    async with inside.http() as client:
        answer = await client.post(OPENAI, headers=BEARER, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"] == inside.llm.last.id


@pytest.mark.parametrize(
    ("headers", "words", "code"),
    [
        ({}, "You didn't provide an API key", None),
        ({"authorization": "mock"}, "You didn't provide an API key", None),
        ({"x-api-key": "mock"}, "You didn't provide an API key", None),
        (
            {"authorization": "Bearer sk-ant-1234567890abcd"},
            "Incorrect API key provided: sk-an***abcd",
            "invalid_api_key",
        ),
        ({"authorization": 'Bearer "mock"'}, "Incorrect API key provided", "invalid_api_key"),
    ],
)
async def test_openai_wants_its_key(inside, headers, words, code):
    async with inside.http() as client:
        answer = await client.post(OPENAI, headers=headers, json=chat())

    assert answer.status_code == 401
    assert words in answer.json()["error"]["message"]
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        ({}, 400, "invalid_request_error", "model: Field required"),
        (message(model="claude-3-sonnet"), 404, "not_found_error", "model: claude-3-sonnet"),
        (message(max_tokens=...), 400, "invalid_request_error", "max_tokens: Field required"),
        (message(max_tokens="9"), 400, "invalid_request_error", "max_tokens: Input should be a valid integer"),
        (
            message(max_tokens=-1),
            400,
            "invalid_request_error",
            "max_tokens: Input should be greater than or equal to 0",
        ),
        (
            message(max_tokens=5000),
            400,
            "invalid_request_error",
            "max_tokens: 5000 > 4096, which is the maximum allowed",
        ),
        (message(messages=...), 400, "invalid_request_error", "messages: Field required"),
        (message(messages=[]), 400, "invalid_request_error", "messages: at least one message is required"),
        (message(messages="hi"), 400, "invalid_request_error", "messages: Input should be a valid list"),
        (message(messages=["hi"]), 400, "invalid_request_error", "messages.0: Input should be a valid dictionary"),
        (message(messages=[{"content": "x"}]), 400, "invalid_request_error", "messages.0.role: Field required"),
        (message(messages=[{"role": "user"}]), 400, "invalid_request_error", "messages.0.content: Field required"),
        (message(messages=[{"role": "user", "content": 7}]), 400, "invalid_request_error", "messages.0.content: Input"),
        (
            message(messages=[{"role": "user", "content": ""}]),
            400,
            "invalid_request_error",
            "must have non-empty content",
        ),
        (
            message(messages=[{"role": "user", "content": [{"type": "text", "text": ""}]}]),
            400,
            "invalid_request_error",
            "messages: text content blocks must be non-empty",
        ),
        (message(messages=[{"role": "robot", "content": "x"}]), 400, "invalid_request_error", "'user' or 'assistant'"),
        (message(messages=[{"role": "system", "content": "x"}]), 400, "invalid_request_error", "top-level `system`"),
        (message(temperature=0.5), 400, "invalid_request_error", "temperature: Extra inputs are not permitted"),
        (message(top_p=0.5), 400, "invalid_request_error", "top_p: Extra inputs are not permitted"),
        (message(max_completion_tokens=5), 400, "invalid_request_error", "max_completion_tokens: Extra inputs"),
        (message(system=7), 400, "invalid_request_error", "system: Input should be a valid string"),
        (
            message(messages=[{"role": "user", "content": "a " * 33_000}]),
            400,
            "invalid_request_error",
            "prompt is too long",
        ),
    ],
)
async def test_anthropic_says_no(inside, body, status, kind, words):
    async with inside.http() as client:
        answer = await client.post(ANTHROPIC, headers=BEARER | VERSION, json=body)

    said = answer.json()
    assert (answer.status_code, said["type"], said["error"]["type"]) == (status, "error", kind)
    assert words in said["error"]["message"]
    assert answer.headers["request-id"] == said["request_id"] == inside.llm.last.id


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        (VERSION, 401, "x-api-key header is required"),
        (VERSION | {"authorization": "mock"}, 401, "Invalid bearer token"),
        (VERSION | {"x-api-key": "sk-proj-abc"}, 401, "invalid x-api-key"),
        (BEARER, 400, "anthropic-version: header is required"),
        (BEARER | {"anthropic-version": "2024-01-01"}, 400, 'anthropic-version: "2024-01-01" is not a valid version'),
    ],
)
async def test_anthropic_wants_its_headers(inside, headers, status, words):
    async with inside.http() as client:
        answer = await client.post(ANTHROPIC, headers=headers, json=message())

    assert (answer.status_code, answer.json()["error"]["message"]) == (status, words)


@pytest.mark.parametrize("headers", [BEARER, {"x-api-key": "mock"}])
async def test_anthropic_takes_its_key_in_both_ways(inside, headers):
    async with inside.http() as client:
        answer = await client.post(ANTHROPIC, headers=VERSION | headers, json=message())

    assert answer.status_code == 200
    assert inside.llm.last.key == "mock"


async def test_the_older_version_still_takes_a_temperature(inside):
    async with inside.http(headers=BEARER | {"anthropic-version": "2023-06-01"}) as client:
        assert (await client.post(ANTHROPIC, json=message(temperature=0.5))).status_code == 200
        answer = await client.post(ANTHROPIC, json=message(temperature=1.5))

    assert answer.json()["error"]["message"] == "temperature: range: 0..1"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "mock-embed"}, "Missing required parameter: 'input'."),
        ({"model": "mock-embed", "input": ""}, "'$.input' is invalid"),
        ({"model": "mock-embed", "input": []}, "'$.input' is invalid"),
        ({"model": "mock-embed", "input": ["a"] * 2049}, "maximum 2048 items"),
        ({"model": "mock-embed", "input": "a " * 9000}, "maximum context length is 8192 tokens"),
        ({"model": "mock-embed", "input": "a", "dimensions": 2048}, "less than or equal to 1024"),
        ({"model": "mock-embed", "input": "a", "encoding_format": "hex"}, "'float' and 'base64'"),
        ({"model": "mock-small", "input": "a"}, "not allowed to generate embeddings"),
    ],
)
async def test_embeddings_say_no(inside, body, words):
    async with inside.http() as client:
        answer = await client.post(EMBEDDINGS, headers=BEARER, json=body)

    assert answer.status_code in (400, 403)
    assert words in answer.json()["error"]["message"]


async def test_paths_methods_and_bodies(inside):
    async with inside.http(headers=BEARER | VERSION) as client:
        wrong_path = await client.post("https://api.openai.com/v1/chat", json=chat())
        no_version = await client.post("https://api.openai.com/chat/completions", json=chat())
        get = await client.get(OPENAI)
        not_json = await client.post(OPENAI, content=b"{")
        not_object = await client.post(ANTHROPIC, content=b"[]")
        other_api = await client.post("https://api.openai.com/v1/messages", json=message())

    assert wrong_path.json()["error"]["message"] == "Invalid URL (POST /v1/chat)"
    assert no_version.status_code == 404
    assert (get.status_code, get.json()["error"]["message"]) == (405, "Not allowed to GET on /v1/chat/completions.")
    assert "We could not parse the JSON body of your request" in not_json.json()["error"]["message"]
    assert not_object.status_code == 400
    assert other_api.status_code == 404


async def test_a_body_that_is_too_large(inside):
    inside.llm.max_body_bytes = 100
    async with inside.http(headers=BEARER | VERSION) as client:
        answers = [await client.post(url, content=b"x" * 101) for url in (OPENAI, ANTHROPIC)]

    assert [answer.status_code for answer in answers] == [413, 413]
    assert answers[1].json()["error"]["type"] == "request_too_large"


async def test_a_rejected_request_uses_up_no_script(inside):
    inside.llm.reply("for a good request")
    async with inside.http(headers=BEARER) as client:
        await client.post(OPENAI, json={})
        answer = await client.post(OPENAI, json=chat())

    assert answer.json()["choices"][0]["message"]["content"] == "for a good request"


async def test_options_loosen_and_tighten(inside):
    inside.llm.any_model = True
    inside.llm.keys = frozenset({"only-this"})
    async with inside.http() as client:
        wrong = await client.post(OPENAI, headers=BEARER, json=chat(model="gpt-6-luna"))
        right = await client.post(OPENAI, headers={"authorization": "Bearer only-this"}, json=chat(model="gpt-6-luna"))

    assert (wrong.status_code, right.status_code) == (401, 200)
    assert right.json()["model"] == "gpt-6-luna"
