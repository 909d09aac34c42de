"""Lesson 02, as short as it gets."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar
from uuid import uuid4

import httpx2 as httpx
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    conlist,
    field_validator,
    model_serializer,
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


class Message(BaseModel, extra="forbid"):
    role: str = Field(pattern="^(system|user|assistant)$")
    content: str = Field(pattern=r"[^\s]", max_length=MAX_MESSAGE_CHARS)


class T(BaseModel):
    type: Literal["text"]
    text: str = Field(pattern=r"[^\s]", max_length=MAX_MESSAGE_CHARS)


class U(BaseModel):
    url: str = Field(pattern=r"^(https://\S+|data:image/(png|jpeg|webp|gif);base64,\S+)$")
    detail: str = Field("auto", pattern="^(auto|low|high)$")


class I(BaseModel):
    type: Literal["image_url"]
    image_url: U


class PartsMessage(BaseModel):
    role: Literal["user"]
    content: conlist(Annotated[T | I, Field(discriminator="type")], min_length=1, max_length=16)


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


def check_conversation(messages):
    roles = [m.role for m in messages]
    if "system" in roles[1:] or roles[-1] != "user" or sum(len(text_of(m)) for m in messages) > MAX_REQUEST_CHARS:
        raise ValueError("system first, user last, not too long")
    return messages


Conversation = Annotated[Turns, AfterValidator(check_conversation)]


class ChatRequest(BaseModel, extra="forbid"):
    model: str = Field(examples=["mock-small"])
    messages: Conversation
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1)
    stream: bool = False

    @field_validator("*")
    @classmethod
    def check(cls, value, info):
        name, card = info.field_name, CATALOG.get(info.data.get("model"))
        if name == "model" and value not in CATALOG:
            raise ValueError(list(CATALOG))
        if card and value is not None:
            if name == "temperature" and not card.takes_temperature:
                raise ValueError("no temperature")
            if name == "max_tokens" and value > card.max_tokens:
                raise ValueError("too many")
        return value


ChatRequest.model_config["json_schema_extra"] = {
    "examples": [{"model": "mock-small", "messages": [{"role": "user", "content": "Hi"}]}]
}
ChatRequest.model_rebuild(force=True)


class Usage(BaseModel):
    prompt_tokens: int = Field(ge=0, validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: int = Field(ge=0, validation_alias=AliasChoices("completion_tokens", "output_tokens"))

    @model_serializer(mode="wrap")
    def _with_total(self, handler: SerializerFunctionWrapHandler) -> dict[str, int]:
        return {**handler(self), "total_tokens": self.prompt_tokens + self.completion_tokens}


class ChatResponse(BaseModel):
    id: str
    model: str
    content: str
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
    usage: Usage


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


@app.get("/v1/chat/{id}", response_model=ChatResponse)
async def read_chat(id: str):
    return COMPLETIONS.get(id) or JSONResponse({"error": "none", "fields": {}}, 404)


def add_error_handlers(app):
    def send(status, error, fields={}, headers=None):
        return JSONResponse({"error": error, "fields": fields}, status, headers)

    def field(e):
        return ".".join(map(str, e["loc"][1:])) if e["type"] != "json_invalid" and e["loc"][1:] else "body"

    def words(e):
        return "wrong type" if e["type"] == "union_tag_invalid" else e["msg"]

    app.exception_handlers |= {
        RequestValidationError: lambda _, e: send(422, "invalid", {field(x): words(x) for x in e.errors()}),
        StarletteHTTPException: lambda _, e: send(e.status_code, e.detail, headers=e.headers),
        Exception: lambda _, e: send(500, "internal server error"),
    }


add_error_handlers(app)


class StructuredOutputError(Exception):
    """Given: the model was asked twice and has not given what was wanted; the text says what is wrong."""


async def complete(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]]) -> str:
    """Given: call the provider once and return the text of its answer; HTTPStatusError if it refuses."""
    reply = await client.post("/chat/completions", json={"model": "mock-large", "messages": list(messages)})
    return reply.raise_for_status().json()["choices"][0]["message"]["content"] or ""


def find_json(text):
    for block in re.findall(r"```(?:json)?\s*(.*?)```", text, re.S) + [text]:
        if start := re.search(r'\{\s*["}]', block):
            block = block[start.start() :]
            return block[: json.JSONDecoder().raw_decode(block)[1]]
    raise ValueError("no JSON")


async def ask_json(client, messages, schema):
    for _ in "12":
        try:
            return schema.model_validate_json(find_json(answer := await complete(client, messages)))
        except ValueError as error:
            problem = error
            messages = messages + [{"role": "assistant", "content": answer}, {"role": "user", "content": repr(error)}]
    raise StructuredOutputError(problem)
