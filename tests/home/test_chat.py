"""POST /v1/chat/completions and its neighbors, asked by the official client."""

import json
from typing import Any

import openai
import pytest
from fastapi.testclient import TestClient
from openai import OpenAI

from mockllm import MockLLM

HELLO: Any = [{"role": "user", "content": "What is RAG?"}]


def official(client: TestClient, key: str = "demo") -> OpenAI:
    return OpenAI(api_key=key, base_url="http://127.0.0.1/v1", http_client=client, max_retries=0)


def test_an_answer_says_that_nobody_real_gave_it(client: TestClient) -> None:
    answer = official(client).chat.completions.create(model="mock-large", messages=HELLO)
    assert "[offline]" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_stream_is_the_same_answer_in_pieces(client: TestClient) -> None:
    asked: Any = {"model": "mock-large", "messages": HELLO}
    whole = official(client).chat.completions.create(**asked).choices[0].message.content
    stream = official(client).chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole
    assert len([piece for piece in pieces if piece]) > 1
    assert chunks[-1].usage, "the last chunk holds the usage that was asked for"


def test_models_can_be_listed_and_embeddings_made(client: TestClient) -> None:
    names = [model.id for model in official(client).models.list()]
    assert "mock-large" in names
    embedder = next(name for name in names if "embed" in name)
    vectors = official(client).embeddings.create(model=embedder, input=["one text", "another"]).data
    assert [one.index for one in vectors] == [0, 1]
    assert len(vectors[0].embedding) == len(vectors[1].embedding) > 0


@pytest.mark.parametrize(
    ("asked", "error", "param"),
    [
        ({"model": "nope", "messages": HELLO}, openai.NotFoundError, "model"),
        ({"messages": [{"role": "pirate", "content": "secret"}]}, openai.UnprocessableEntityError, "messages.0"),
        ({"messages": HELLO, "extra_body": {"unheard_of": 1}}, openai.UnprocessableEntityError, "unheard_of"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong_with_it(
    client: TestClient, asked: dict[str, Any], error: type[openai.APIStatusError], param: str
) -> None:
    with pytest.raises(error) as caught:
        official(client).chat.completions.create(**{"model": "mock-large", **asked})
    assert (caught.value.param or "").startswith(param), caught.value.body
    assert "secret" not in str(caught.value.body), "what somebody wrote is no part of an error"


def test_nobody_gets_in_without_a_key(client: TestClient) -> None:
    with pytest.raises(openai.AuthenticationError):
        official(client, "sk_nobody").chat.completions.create(model="mock-large", messages=HELLO)


def test_what_a_provider_refuses_is_passed_on_without_its_words(asking: TestClient, provider: MockLLM) -> None:
    provider.fail(429, retry_after=3, message="about your prompt")
    with pytest.raises(openai.RateLimitError) as caught:
        official(asking).chat.completions.create(model="mock-large", messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "3"
    provider.fail(500, message="about your prompt")
    with pytest.raises(openai.InternalServerError) as failed:
        official(asking).chat.completions.create(model="mock-large", messages=HELLO)
    assert failed.value.status_code == 502
    assert "your prompt" not in f"{caught.value.body}{failed.value.body}"


def test_a_stream_that_breaks_off_says_so(asking: TestClient, provider: MockLLM) -> None:
    provider.tokens(["Good ", "morning"]).cut(after=1)
    body = {"model": "mock-large", "messages": HELLO, "stream": True}
    lines = asking.post("/v1/chat/completions", json=body).text.strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["error"]["code"] == "stream_broken"


def test_characters_survive_however_the_bytes_are_cut(asking: TestClient, provider: MockLLM) -> None:
    provider.tokens(["Good ", "né🙂"]).split("bytes")
    stream = official(asking).chat.completions.create(model="mock-large", messages=HELLO, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "Good né🙂"
