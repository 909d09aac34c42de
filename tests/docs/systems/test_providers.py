"""A provider of one's own: the page docs/providers.md says what it has to answer, and here it does."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import OpenAI

from tests.capstone.inside import CHAT, Running, capstone
from tests.docs.systems import own_provider
from tests.docs.systems.servers import HERE, command
from tests.docs.traps.serving import served
from tests.lessons.deployment.processes import until

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The capstone over that provider, set up as the page says: by an address alone."""
    with (
        served(own_provider.app) as url,
        capstone(tmp_path_factory.mktemp("data"), OPENAI_BASE_URL=f"{url}/v1") as running,
    ):
        yield running


def test_the_official_client_finds_all_that_it_needs() -> None:
    with served(own_provider.app) as url, OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        assert [one.id for one in client.models.list()] == ["own-chat", "own-embed"]
        whole = client.chat.completions.create(model="own-chat", messages=HELLO)  # type: ignore[arg-type]
        assert whole.choices[0].message.content == "You said Hello"
        pieces = client.chat.completions.create(model="own-chat", messages=HELLO, stream=True)  # type: ignore[call-overload]
        assert [one.choices[0].delta.content for one in pieces] == ["You ", "said ", "Hello", None]


def test_the_capstone_asks_it_for_everything(running: Running) -> None:
    assert [one["id"] for one in running.client.get("/v1/models").json()["data"]] == ["own-chat", "own-embed"]
    chat = {**CHAT, "model": "own-chat"}
    assert running.client.post("/v1/chat/completions", json=chat).json()["choices"][0]["message"] == {
        "role": "assistant",
        "content": "You said Hello",
    }
    stream = running.client.post("/v1/chat/completions", json={**chat, "stream": True}).text
    assert '"content": "said "' in stream
    assert stream.endswith("data: [DONE]\n\n")
    wanted = {"model": "own-embed", "input": ["tea"]}
    assert running.client.post("/v1/embeddings", json=wanted).json()["data"][0]["embedding"] == [1, 1, 0, 0, 0, 0, 0, 1]


def test_the_commands_of_the_page_start_it_and_ask_it(tmp_path: Path) -> None:
    with served(own_provider.app) as url:
        address = ("http://127.0.0.1:11434", url)
        data = ("exec ", f"export CAPSTONE_DATA={tmp_path}/data CAPSTONE_PARTS=reference; exec ")
        with command("own_provider", tmp_path, address, data, ("--port 8010", '--port "$PORT"')) as (_, capstone_url):
            ask = (HERE / "commands" / "ask.sh").read_text().replace("http://127.0.0.1:8010", capstone_url)
            done = subprocess.run(["sh", "-c", ask], capture_output=True, text=True, check=True, timeout=30)
    assert [one["id"] for one in json.loads(done.stdout)["data"]] == ["own-chat", "own-embed"]


def test_what_it_does_not_count_is_counted_here_and_said_to_be(running: Running) -> None:
    running.client.post("/v1/chat/completions", json={**CHAT, "model": "own-chat", "stream": True})
    counted = until(lambda: [one for one in running.usage() if one.completion_tokens == 3], "the stream to be billed")
    assert counted[0].estimated


def test_a_stream_without_an_end_mark_is_a_broken_one(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/v1/models")
    async def read_models() -> dict[str, list[dict[str, str]]]:
        return {"data": [{"id": "own-chat"}]}

    @app.post("/v1/chat/completions")
    async def create_chat() -> StreamingResponse:
        without = [event for event in own_provider.events(iter(["So"])) if "[DONE]" not in event]
        return StreamingResponse(iter(without), media_type="text/event-stream")

    with served(app) as url, capstone(tmp_path, OPENAI_BASE_URL=f"{url}/v1") as running:
        said = running.client.post("/v1/chat/completions", json={**CHAT, "model": "own-chat", "stream": True}).text
    assert '"code":"stream_broken"' in said


def test_an_address_without_v1_says_so_at_the_start(tmp_path: Path) -> None:
    with served(own_provider.app) as url, capstone(tmp_path, OPENAI_BASE_URL=url) as running:
        assert "does not say which models it has" in running.log.getvalue()
        assert running.client.get("/v1/models").json()["data"] == []
