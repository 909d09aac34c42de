"""The lines of the table "and smaller ones" on the page of lesson 03."""

import asyncio
from typing import Annotated, Any

import anthropic
import anyio.to_thread
import openai
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, ValidationError


def test_a_bare_list_as_the_body_refuses_the_object_and_takes_any_length() -> None:
    app = FastAPI()

    @app.post("/batch")
    async def create_batch(prompts: list[str]) -> int:
        return len(prompts)

    caller = TestClient(app)
    assert caller.post("/batch", json={"prompts": ["one"]}).status_code == 422
    assert caller.post("/batch", json=["one"] * 100_000).json() == 100_000


def test_a_model_with_max_length_bounds_it() -> None:
    class BatchRequest(BaseModel):
        prompts: list[str] = Field(min_length=1, max_length=100)

    with pytest.raises(ValidationError, match="at most 100 items"):
        BatchRequest(prompts=["one"] * 101)


def test_an_annotation_alone_is_no_attribute() -> None:
    class Settings:
        openai_api_key: str

    with pytest.raises(AttributeError, match="openai_api_key"):
        _ = Settings().openai_api_key


def test_an_undefined_name_fails_at_the_first_request_and_not_at_the_start() -> None:
    app = FastAPI()

    @app.post("/chat")
    async def create_chat() -> str:
        return API_KEY  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NameError, match="API_KEY"):
        TestClient(app).post("/chat")


def test_the_official_client_wants_a_key_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(openai.OpenAIError, match="Missing credentials"):
        openai.AsyncOpenAI()


def test_a_default_that_depends_is_no_default_outside_of_fastapi() -> None:
    def get_model() -> str:
        return "mock-small"

    def name_model(model: str = Depends(get_model)) -> str:
        return model

    def name_model_today(model: Annotated[str, Depends(get_model)]) -> str:
        return model

    assert not isinstance(name_model(), str)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        name_model_today()  # type: ignore[call-arg]


def test_a_global_is_shared_by_two_applications() -> None:
    chain: list[str] = []

    def create_app(model: str) -> FastAPI:
        app = FastAPI()
        chain[:] = [model]  # what `global chain` in a start-up hook does
        app.get("/model")(lambda: chain[0])
        return app

    first, _second = create_app("mock-small"), create_app("mock-large")
    assert TestClient(first).get("/model").json() == "mock-large"


async def test_there_are_forty_threads_for_every_def() -> None:
    assert anyio.to_thread.current_default_thread_limiter().total_tokens == 40


async def test_who_catches_everything_catches_the_cancellation_too() -> None:
    ended: list[str] = []

    async def ask_model() -> None:
        try:
            await asyncio.sleep(3_600)
        except BaseException:  # a bare `except:` is the same
            ended.append("went on")

    task = asyncio.ensure_future(ask_model())
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert ended == ["went on"]
    assert not task.cancelled()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_tokens": 10, "temperature": 0.7}, "unexpected keyword argument 'temperature'"),
        ({"max_tokens": 128_000}, "Streaming is required"),
    ],
)
def test_a_client_refuses_before_it_calls(options: dict[str, Any], error: str) -> None:
    client = anthropic.Anthropic(api_key="sk-test", base_url="http://127.0.0.1:1", max_retries=0)
    with pytest.raises((TypeError, ValueError), match=error):
        client.messages.create(model="mock-large", messages=[{"role": "user", "content": "hi"}], **options)
    client.close()
