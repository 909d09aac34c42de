"""Lesson 02, with enums, one validator per rule and explicit replies."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, LiteralString, Self, TypeVar, cast
from uuid import uuid4

import httpx2 as httpx
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    Tag,
    TypeAdapter,
    ValidationError,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
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


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Message(Strict):
    role: Role
    content: str

    @field_validator("content")
    @classmethod
    def not_blank(cls, content: str) -> str:
        if content.isspace() or not content:
            raise ValueError("must say something")
        return content

    @field_validator("content")
    @classmethod
    def not_too_long(cls, content: str) -> str:
        if len(content) > MAX_MESSAGE_CHARS:
            raise ValueError(f"must have at most {MAX_MESSAGE_CHARS} characters")
        return content


class Detail(StrEnum):
    AUTO = "auto"
    LOW = "low"
    HIGH = "high"


class Image(Strict):
    url: str
    detail: Detail = Detail.AUTO

    @field_validator("url")
    @classmethod
    def safe(cls, url: str) -> str:
        if not re.fullmatch(r"https://[^\s]+|data:image/(?:png|jpeg|webp|gif);base64,[^\s]+", url):
            raise ValueError("must start with https:// or be an image")
        return url


class TextPart(Strict):
    type: Literal["text"]
    text: str = Field(min_length=1, max_length=MAX_MESSAGE_CHARS)

    @field_validator("text")
    @classmethod
    def not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must say something")
        return text


class ImagePart(Strict):
    type: Literal["image_url"]
    image_url: Image


def tag_of(part: Any) -> str | None:
    return part.get("type") if isinstance(part, dict) else getattr(part, "type", None)


Part = Annotated[Annotated[TextPart, Tag("text")] | Annotated[ImagePart, Tag("image_url")], Discriminator(tag_of)]


class PartsMessage(Strict):
    role: Literal[Role.USER]
    content: list[Part]

    @field_validator("content")
    @classmethod
    def some(cls, content: list[Part]) -> list[Part]:
        if not 1 <= len(content) <= 16:
            raise ValueError("must have 1 to 16 parts")
        return content


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


def check_conversation(messages: list[Turn]) -> list[Turn]:
    total = 0
    for at, turn in enumerate(messages):
        total += len(text_of(turn))
        if turn.role == "system" and at:
            raise ValueError(f"message {at} has the role system, and only message 0 may")
        if total > MAX_REQUEST_CHARS:
            raise ValueError("too long")
    if not messages or messages[-1].role != "user":
        raise ValueError("the last message is not the user's")
    return messages


class ChatRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[Turn] = Field(min_length=1, max_length=200)
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    stream: bool = False

    @model_validator(mode="wrap")
    @classmethod
    def within_the_catalog(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        request = handler(data)
        card = CATALOG.get(request.model)
        wrong: dict[str, str] = {}
        if card is None:
            wrong["model"] = f"models are {' '.join(CATALOG)}"
        elif request.temperature is not None and not card.takes_temperature:
            wrong["temperature"] = "not for this model"
        if card and (request.max_tokens or 0) > card.max_tokens:
            wrong["max_tokens"] = "more than this model writes"
        try:
            check_conversation(request.messages)
        except ValueError as error:
            wrong["messages"] = str(error)
        if wrong:
            raise ValidationError.from_exception_data(
                cls.__name__,
                [
                    InitErrorDetails(type=PydanticCustomError("catalog", cast(LiteralString, words)), loc=(name,))
                    for name, words in wrong.items()
                ],
            )
        return request

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema["examples"] = [{"model": "mock-large", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}]
        return schema


class Usage(BaseModel):
    model_config = ConfigDict(populate_by_name=True, frozen=True)

    prompt_tokens: int = Field(validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: int = Field(validation_alias=AliasChoices("completion_tokens", "output_tokens"))

    @field_validator("prompt_tokens", "completion_tokens")
    @classmethod
    def countable(cls, count: int) -> int:
        if count < 0:
            raise ValueError("must not be negative")
        return count

    @computed_field
    @cached_property
    def total_tokens(self) -> int:
        return sum((self.prompt_tokens, self.completion_tokens))


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


class ChatResponse(BaseModel):
    id: str
    model: str
    content: str
    finish_reason: FinishReason
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


router = APIRouter(prefix="/v1/chat")


@router.get("/{completion_id}", response_model=None)
def read_chat(completion_id: str) -> JSONResponse:
    try:
        kept = COMPLETIONS[completion_id]
    except KeyError:
        raise StarletteHTTPException(404, f"{len(COMPLETIONS)} completions are kept, this one is not") from None
    shown = ChatResponse(**{name: kept[name] for name in ChatResponse.model_fields})
    return JSONResponse(shown.model_dump(mode="json"))


app.include_router(router)


SAFE = {"json_invalid": "not JSON", "union_tag_invalid": "no such kind"}


def add_error_handlers(app: FastAPI) -> None:
    async def on_error(request: Request, exc: Exception) -> Response:
        status, body, headers = 500, ErrorResponse(error="internal server error"), None
        if isinstance(exc, RequestValidationError):
            status, body = 422, ErrorResponse(error="validation failed")
            for error in exc.errors():
                _, *path = error["loc"]
                name = ".".join(f"{step}" for step in path) if path and error["type"] != "json_invalid" else "body"
                body.fields.setdefault(name, SAFE.get(error["type"], error["msg"]))
        elif isinstance(exc, StarletteHTTPException):
            status, body, headers = exc.status_code, ErrorResponse(error=exc.detail), exc.headers
        return Response(body.model_dump_json(), status, headers, media_type="application/json")

    for kind in (RequestValidationError, StarletteHTTPException, Exception):
        app.exception_handler(kind)(on_error)


add_error_handlers(app)


class StructuredOutputError(Exception):
    """Given: the model was asked twice and has not given what was wanted; the text says what is wrong."""


async def complete(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]]) -> str:
    """Given: call the provider once and return the text of its answer; HTTPStatusError if it refuses."""
    reply = await client.post("/chat/completions", json={"model": "mock-large", "messages": list(messages)})
    return reply.raise_for_status().json()["choices"][0]["message"]["content"] or ""


def find_json(text: str) -> str:
    for match in re.finditer(r"\{", text):
        rest = text[match.start() :]
        try:
            value, length = json.JSONDecoder(strict=False).raw_decode(rest)
        except json.JSONDecodeError as error:
            if error.pos <= 1 and not rest[1:].lstrip().startswith('"'):
                continue  # a brace of the prose
            raise
        if isinstance(value, dict):
            return rest[:length]
    raise ValueError("nothing that looks like JSON")


async def ask_json(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]], schema: type[Answer]) -> Answer:
    async def attempt(said: tuple[Mapping[str, str], ...], repairs_left: int) -> Answer:
        answer = await complete(client, said)
        try:
            return TypeAdapter(schema).validate_python(json.loads(find_json(answer)))
        except (json.JSONDecodeError, ValidationError, ValueError) as error:
            if not repairs_left:
                raise StructuredOutputError(f"{schema.__name__}: {error}") from error
            problem = f"Correct this and send JSON: {error}"
        more: tuple[Mapping[str, str], ...] = (
            {"role": "assistant", "content": answer},
            {"role": "user", "content": problem},
        )
        return await attempt((*said, *more), repairs_left - 1)

    return await attempt(tuple(messages), 1)
