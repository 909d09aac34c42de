"""Chat in OpenAI's shape, as its clients use it: the official ones, LangChain's, and curl."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI, PermissionDeniedError, UnprocessableEntityError

from mockllm import MockLLM
from tests.capstone.inside import HELLO, Running, capstone


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with capstone(tmp_path_factory.mktemp("data"), MockLLM(settle_turns=0)) as running:
        yield running


@pytest.fixture
def fake(running: Running) -> MockLLM:
    assert running.fake
    running.fake.reset()
    return running.fake


@pytest.fixture
def client(running: Running) -> Iterator[OpenAI]:
    with OpenAI(api_key="demo", base_url=f"{running.url}/v1", max_retries=0) as client:
        yield client


def test_the_official_client_gets_an_answer(client: OpenAI, fake: MockLLM) -> None:
    fake.reply("Good morning")
    answer = client.chat.completions.create(model="mock-large", messages=HELLO)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "Good morning"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer._request_id


def test_the_official_client_gets_a_stream(client: OpenAI, fake: MockLLM) -> None:
    fake.tokens(["Good ", "mor", "ning, ", "né🙂"]).split("bytes")
    stream = client.chat.completions.create(model="mock-large", messages=HELLO, stream=True)  # type: ignore[call-overload]
    chunks = list(stream)
    assert [one.choices[0].delta.content for one in chunks if one.choices and one.choices[0].delta.content] == [
        "Good ",
        "mor",
        "ning, ",
        "né🙂",
    ]
    assert all(chunk.choices for chunk in chunks), "nobody asked for the usage, so no chunk may be without choices"


def test_a_stream_brings_its_usage_to_whoever_asks(client: OpenAI, fake: MockLLM) -> None:
    fake.reply("one two three")
    *_, last = client.chat.completions.create(
        model="mock-large",
        messages=HELLO,  # type: ignore[arg-type]
        stream=True,
        stream_options={"include_usage": True},
    )
    assert last.usage
    assert last.usage.completion_tokens == 3


async def test_the_official_async_client_streams_while_the_model_writes(running: Running, fake: MockLLM) -> None:
    gate = fake.tokens(["a", "b", "c"]).step()
    async with AsyncOpenAI(api_key="demo", base_url=f"{running.url}/v1", max_retries=0) as client:
        stream = await client.chat.completions.create(model="mock-large", messages=HELLO, stream=True)  # type: ignore[call-overload]
        seen: list[str] = []
        async with stream:
            gate.release()
            async for chunk in stream:
                if text := chunk.choices[0].delta.content:
                    seen.append(text)
                    gate.release()
    assert seen == ["a", "b", "c"]


def test_tools_go_there_and_back(client: OpenAI, fake: MockLLM) -> None:
    tool: Any = {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
    }
    fake.tool_call("weather", {"city": "Bern"})
    asked = client.chat.completions.create(model="mock-large", messages=HELLO, tools=[tool])  # type: ignore[arg-type]
    (call,) = asked.choices[0].message.tool_calls or []
    assert json.loads(call.function.arguments) == {"city": "Bern"}  # type: ignore[union-attr]

    fake.reply("Sunny")
    turn = asked.choices[0].message.model_dump(exclude_none=True)
    said = [*HELLO, turn, {"role": "tool", "tool_call_id": call.id, "content": "sun"}]
    answer = client.chat.completions.create(model="mock-large", messages=said, tools=[tool], tool_choice="auto")
    assert answer.choices[0].message.content == "Sunny"
    assert [one["role"] for one in fake.last.json["messages"]] == ["user", "assistant", "tool"]


def test_tool_calls_stream(client: OpenAI, fake: MockLLM) -> None:
    tool: Any = {"type": "function", "function": {"name": "weather"}}
    fake.tool_call("weather", {"city": "Bern"})
    text = ""
    for chunk in client.chat.completions.create(model="mock-large", messages=HELLO, tools=[tool], stream=True):  # type: ignore[call-overload]
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            text += call.function.arguments or ""
    assert json.loads(text) == {"city": "Bern"}


def test_options_are_passed_on_as_they_came(client: OpenAI, fake: MockLLM) -> None:
    options: dict[str, Any] = {"temperature": 0.2, "top_p": 0.5, "seed": 7, "stop": ["END"], "user": "ada"}
    client.chat.completions.create(model="mock-large", messages=HELLO, max_completion_tokens=9, **options)  # type: ignore[arg-type]
    sent = fake.last.json
    assert {name: sent[name] for name in options} == options
    assert sent["max_completion_tokens"] == 9
    assert "max_tokens" not in sent


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": [{"role": "pirate", "content": "my secret"}]}, "messages.0.role"),
        ({"temperature": 9}, "temperature"),
        ({"max_completion_tokens": 0}, "max_tokens"),
        ({"functions": [{"name": "my secret"}]}, "functions"),
        ({"n": 1000}, "n"),
        ({"messages": [*HELLO, {"role": "tool", "content": "my secret"}]}, "messages.1.tool_call_id"),
        ({"messages": [*HELLO, {"role": "assistant", "tool_calls": []}]}, "messages.1.tool_calls"),
    ],
)
def test_a_bad_request_names_its_field_and_does_not_echo_it(
    running: Running, fake: MockLLM, wrong: dict[str, Any], param: str
) -> None:
    answer = running.chat(**wrong)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == param
    assert "secret" not in answer.text
    assert not fake.requests


def test_a_wrong_message_keeps_its_place_among_tool_turns(running: Running) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [*HELLO, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    answer = running.chat(messages=[*turns, {"role": "user", "content": "  "}])
    assert answer.json()["error"]["param"].startswith("messages.3")


def test_errors_are_those_that_the_official_client_knows(client: OpenAI, running: Running) -> None:
    with pytest.raises(UnprocessableEntityError):
        client.chat.completions.create(model="mock-large", messages=[])
    with pytest.raises(NotFoundError) as missing:
        client.chat.completions.create(model="no-such-model", messages=HELLO)  # type: ignore[arg-type]
    assert missing.value.code == "model_not_found"
    assert missing.value.request_id
    key = running.key(models=["mock-small"])["Authorization"].removeprefix("Bearer ")
    with pytest.raises(PermissionDeniedError):
        client.with_options(api_key=key).chat.completions.create(model="mock-large", messages=HELLO)  # type: ignore[arg-type]


def test_a_name_that_stands_there_twice_is_not_two_things_to_two_readers(running: Running, fake: MockLLM) -> None:
    """We would check the one and the provider would take the other."""
    body = b'{"model":"mock-small","messages":[{"role":"user","content":"x"}],"model":"mock-large"}'
    assert running.client.post("/v1/chat/completions", content=body).status_code == 200
    assert fake.last.body.count(b'"model"') == 1
    assert fake.last.json["model"] == "mock-large"


def test_models_are_listed_as_the_official_client_wants_them(client: OpenAI) -> None:
    assert {one.id for one in client.models.list()} >= {"mock-large", "mock-small"}
    assert client.models.retrieve("mock-small").id == "mock-small"
    with pytest.raises(NotFoundError):
        client.models.retrieve("nope")


def test_embeddings_as_the_official_client_wants_them(client: OpenAI) -> None:
    answer = client.embeddings.create(model="mock-embed", input=["one", "two"])
    assert len(answer.data) == 2
    assert len(answer.data[0].embedding) > 10
    with pytest.raises(NotFoundError):
        client.embeddings.create(model="mock-large", input="one")
    assert client.embeddings.create(model="mock-embed", input="one").data[0].embedding == answer.data[0].embedding
    with pytest.raises(UnprocessableEntityError) as refused:
        client.embeddings.create(model="mock-embed", input=["one", ""])
    assert refused.value.param == "input.1", "which of them, and not which half of a union"


def test_langchain_asks_and_streams(running: Running, fake: MockLLM) -> None:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    fake.reply("Good morning")
    fake.reply("Good evening")
    model = ChatOpenAI(model="mock-large", api_key=SecretStr("demo"), base_url=f"{running.url}/v1", max_retries=0)
    assert model.invoke("Hello").content == "Good morning"
    assert "".join(str(one.content) for one in model.stream("Hello")) == "Good evening"


def test_langchain_binds_tools(running: Running, fake: MockLLM) -> None:
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    @tool
    def weather(city: str) -> str:
        """Say how the weather is."""
        return f"sun in {city}"

    fake.tool_call("weather", {"city": "Bern"})
    fake.reply("Sunny")
    model = ChatOpenAI(model="mock-large", api_key=SecretStr("demo"), base_url=f"{running.url}/v1", max_retries=0)
    asked = model.bind_tools([weather]).invoke("Hello")
    (call,) = asked.tool_calls
    assert call["args"] == {"city": "Bern"}
    turns = [HumanMessage("Hello"), asked, ToolMessage("sun", tool_call_id=call["id"])]
    assert model.invoke(turns).content == "Sunny"


def test_curl_reads_a_stream(running: Running, fake: MockLLM) -> None:
    fake.tokens(["a", "b"])
    body = json.dumps({"model": "mock-large", "messages": HELLO, "stream": True})
    command = ["curl", "-sN", f"{running.url}/v1/chat/completions", "-H", "Authorization: Bearer demo", "-d", body]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    assert said.count("data: {") == 4
    assert said.endswith("data: [DONE]\n\n")


def test_whoever_is_silent_is_heard_breathing(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, heartbeat_s=0.05) as running:
        gate = fake.tokens(["a"]).step()
        with running.client.stream(
            "POST", "/v1/chat/completions", json={"model": "mock-large", "messages": HELLO, "stream": True}
        ) as answer:
            lines = answer.iter_lines()
            while next(lines) != ": ping":
                pass
            gate.release(5)
            assert [line for line in lines if line.startswith("data")][-1] == "data: [DONE]"


def test_the_cache_answers_the_same_key_and_nobody_else(tmp_path: Path) -> None:
    """Row 19: the same prompt with two keys; the second is a miss."""
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, cache_s=60) as running:
        other = running.key()
        for _ in range(2):
            assert running.chat(temperature=0).status_code == 200
        asked = len([one for one in fake.requests if one.path.endswith("completions")])
        assert asked == 1
        running.client.post(
            "/v1/chat/completions", json={"model": "mock-large", "messages": HELLO, "temperature": 0}, headers=other
        )
        running.chat()
        assert len([one for one in fake.requests if one.path.endswith("completions")]) == 3
