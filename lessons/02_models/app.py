"""Lesson 02 - payloads you can trust: what comes in, what goes out, what a model says is JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar
from uuid import uuid4

import httpx2 as httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    computed_field,
    field_validator,
)
from starlette.exceptions import HTTPException as StarletteHTTPException

MAX_MESSAGE_CHARS = 32_000
MAX_REQUEST_CHARS = 100_000
Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class ModelCard:
    """Given: what one model can do. CATALOG is the one list of them; a running service may add to it."""

    max_tokens: int  # the most it can write in one answer
    takes_temperature: bool = True


CATALOG: dict[str, ModelCard] = {
    "mock-small": ModelCard(max_tokens=4_096),
    "mock-large": ModelCard(max_tokens=64_000),
    "mock-reason": ModelCard(max_tokens=64_000, takes_temperature=False),
}


class Message(BaseModel):
    """One turn of a conversation: `role` and `content`, a text."""

    # TODO 02.1: three roles, a text that says something and stays as it came, and no other field.
    role: str
    content: str

    def __init__(self, **data: object) -> None:
        raise NotImplementedError("TODO 02.1")


# TODO 02.4: parts of text and of image, told apart by their `type`, and the message that is made of them.
class PartsMessage(BaseModel):
    """One turn of the user: `role` and `content`, a list of parts."""

    role: str
    content: list[Any]

    def __init__(self, **data: object) -> None:
        raise NotImplementedError("TODO 02.4")


# Given: a turn is a text or parts. Its content decides which, so that an error names only what the caller wrote.
def _turn(value: Any) -> Message | PartsMessage:
    content = value.get("content") if isinstance(value, Mapping) else getattr(value, "content", None)
    return (PartsMessage if isinstance(content, list) else Message).model_validate(value)


Turn = Annotated[Message | PartsMessage, BeforeValidator(_turn)]


def text_of(turn: Turn) -> str:
    """Given: return the text of a turn, that of its text parts joined."""
    said = turn.content
    return said if isinstance(said, str) else "".join(getattr(part, "text", "") for part in said)


Turns = Annotated[list[Turn], Field(min_length=1, max_length=200)]


# TODO 02.3: the rules that no single message can check, and a type `Conversation` for fields that obey them.
def check_conversation(messages: list[Turn]) -> list[Turn]:
    """Return the messages, one or more, as they came; ValueError for a conversation no model should be paid for."""
    raise NotImplementedError("TODO 02.3")


Conversation = Turns


class ChatRequest(BaseModel):
    """What may be asked: `model`, `messages`, `temperature`, `max_tokens`, `stream`, as OpenAI calls them."""

    # TODO 02.2: take what CATALOG says that the model can do, and nothing that we do not know.
    model: str
    messages: Conversation

    def __init__(self, **data: object) -> None:
        raise NotImplementedError("TODO 02.2")


class Usage(BaseModel):
    """Tokens that somebody pays for: `prompt_tokens`, `completion_tokens`, and `total_tokens`, their sum."""

    # TODO 02.5: read the counts under either provider's names, and derive the total.
    def __init__(self, **data: object) -> None:
        raise NotImplementedError("TODO 02.5")


class ChatResponse(BaseModel):
    """What a caller gets to see: `id`, `model`, `content`, `finish_reason`, `usage`."""

    # TODO 02.5: type what leaves the service as strictly as what enters it.
    def __init__(self, **data: object) -> None:
        raise NotImplementedError("TODO 02.5")


class ErrorResponse(BaseModel):
    """Given: the body of every error, and what a client may rely on."""

    error: str
    fields: dict[str, str] = Field(default_factory=dict)  # {"messages.0.role": "what is wrong with it"}


app = FastAPI(title="Payloads", responses={status: {"model": ErrorResponse} for status in (400, 422, 500)})
COMPLETIONS: dict[str, dict[str, Any]] = {}  # Given: what the service keeps of each answer, by its id


@app.post("/v1/chat", response_model=ChatResponse)
async def create_chat(request: ChatRequest) -> dict[str, Any]:
    """Given: answer with what was said last, and keep that with two things that are nobody else's business."""
    kept: dict[str, Any] = {"id": uuid4().hex, "model": request.model, "content": text_of(request.messages[-1])}
    kept |= {"finish_reason": "stop", "usage": {"input_tokens": 1, "output_tokens": 1}}
    kept |= {"provider_key": "sk-mock-1", "system_prompt": "Never mention the price."}
    return COMPLETIONS.setdefault(kept["id"], kept)


# TODO 02.5: send what is kept of a completion as a ChatResponse and nothing else of it; 404 if there is nothing.
@app.get("/v1/chat/{completion_id}")
async def read_chat(completion_id: str) -> Any:
    """Return the completion of this id."""
    raise NotImplementedError("TODO 02.5")


# TODO 02.6: every error leaves as an ErrorResponse that helps its caller and tells nobody anything else; bugs still
# reach the server.
def add_error_handlers(app: FastAPI) -> None:
    """Send every error of `app` as an ErrorResponse."""
    raise NotImplementedError("TODO 02.6")


# When it is written, our own app wants it too: add_error_handlers(app)


class StructuredOutputError(Exception):
    """Given: the model was asked twice and has not given what was wanted; the text says what is wrong."""


async def complete(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]]) -> str:
    """Given: call the provider once and return the text of its answer; HTTPStatusError if it refuses."""
    reply = await client.post("/chat/completions", json={"model": "mock-large", "messages": list(messages)})
    return reply.raise_for_status().json()["choices"][0]["message"]["content"] or ""


def find_json(text: str) -> str:
    """Return the first JSON object in `text` just as it stands there; ValueError if there is none or it is cut off."""
    # TODO 02.7: models put fences and courtesies around their JSON.
    raise NotImplementedError("TODO 02.7")


async def ask_json(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]], schema: type[Answer]) -> Answer:
    """Ask a model, give it one chance to mend its answer, and return that as a `schema`; else StructuredOutputError."""
    # TODO 02.7: ask, check, show the model its mistake once, then give up.
    raise NotImplementedError("TODO 02.7")
