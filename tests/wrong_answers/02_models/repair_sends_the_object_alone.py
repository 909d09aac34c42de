# fails: 02.7
# says: the model's own words, all of them
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
    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "user", "assistant"]
    # Some character that is no white space. A pattern stands in the JSON schema too, where callers see it.
    content: str = Field(pattern=r"\S", max_length=MAX_MESSAGE_CHARS)


# TODO 02.4: parts of text and of image, told apart by their `type`, and the message that is made of them.
class TextPart(BaseModel):
    """Some text."""

    type: Literal["text"]
    text: str = Field(pattern=r"\S", max_length=MAX_MESSAGE_CHARS)


class ImageURL(BaseModel):
    """Where a picture is. Some server will fetch it: no file://, no http:// into a private network."""

    url: str = Field(pattern=r"^(https://\S+|data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+)$")
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(BaseModel):
    """A picture, as OpenAI wraps it."""

    type: Literal["image_url"]
    image_url: ImageURL


class PartsMessage(BaseModel):
    """One turn of the user: `role` and `content`, a list of parts."""

    role: Literal["user"]
    content: list[Annotated[TextPart | ImagePart, Field(discriminator="type")]] = Field(min_length=1, max_length=16)


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
    if any(turn.role == "system" for turn in messages[1:]):
        raise ValueError("only the first message may have the role system")
    if messages[-1].role != "user":
        raise ValueError("the last message must have the role user")
    if sum(len(text_of(turn)) for turn in messages) > MAX_REQUEST_CHARS:
        raise ValueError(f"the messages have more than {MAX_REQUEST_CHARS} characters together")
    return messages


Conversation = Annotated[Turns, AfterValidator(check_conversation)]


class ChatRequest(BaseModel):
    """What may be asked: `model`, `messages`, `temperature`, `max_tokens`, `stream`, as OpenAI calls them."""

    # TODO 02.2: take what CATALOG says that the model can do, and nothing that we do not know.
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"model": "mock-large", "messages": [{"role": "user", "content": "Why 42?"}]}]},
    )
    model: str  # subtle: above the fields that are checked against it, or info.data does not have it yet
    messages: Conversation
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    stream: bool = False

    # Not a model validator: its errors would name no field.
    @field_validator("model", "temperature", "max_tokens")
    @classmethod
    def _as_the_catalog_says(cls, value: Any, info: ValidationInfo) -> Any:
        card = CATALOG.get(value if info.field_name == "model" else info.data.get("model", ""))
        match info.field_name:
            case "model" if card is None:
                raise ValueError(f"must be one of {', '.join(CATALOG)}")
            case "temperature" if card and value is not None and not card.takes_temperature:
                raise ValueError("this model does not take a temperature")
            case "max_tokens" if card and value is not None and value > card.max_tokens:
                raise ValueError(f"this model writes at most {card.max_tokens} tokens")
        return value


class Usage(BaseModel):
    """Tokens that somebody pays for: `prompt_tokens`, `completion_tokens`, and `total_tokens`, their sum."""

    # TODO 02.5: read the counts under either provider's names, and derive the total.
    prompt_tokens: int = Field(ge=0, validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: int = Field(ge=0, validation_alias=AliasChoices("completion_tokens", "output_tokens"))

    @computed_field
    @property
    def total_tokens(self) -> int:
        """Their sum, whatever total was sent."""
        return self.prompt_tokens + self.completion_tokens


class ChatResponse(BaseModel):
    """What a caller gets to see: `id`, `model`, `content`, `finish_reason`, `usage`."""

    # TODO 02.5: type what leaves the service as strictly as what enters it.
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


# TODO 02.5: send what is kept of a completion as a ChatResponse and nothing else of it; 404 if there is nothing.
@app.get("/v1/chat/{completion_id}", response_model=ChatResponse)
async def read_chat(completion_id: str) -> dict[str, Any]:
    """Return the completion of this id."""
    if completion_id not in COMPLETIONS:
        raise HTTPException(404, "no such completion")
    return COMPLETIONS[completion_id]


# TODO 02.6: every error leaves as an ErrorResponse that helps its caller and tells nobody anything else; bugs still
# reach the server.
def add_error_handlers(app: FastAPI) -> None:
    """Send every error of `app` as an ErrorResponse."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
        fields: dict[str, str] = {}
        for error in exc.errors():
            path = [] if error["type"] == "json_invalid" else error["loc"][1:]
            # Of pydantic's sentences only this one quotes the caller.
            words = "unknown type" if error["type"] == "union_tag_invalid" else error["msg"]
            fields[".".join(map(str, path)) or "body"] = words
        return JSONResponse(ErrorResponse(error="the request is not valid", fields=fields).model_dump(), 422)

    # FastAPI's HTTPException is a child of Starlette's, and the router's own 404 and 405 are not FastAPI's.
    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, exc: StarletteHTTPException) -> JSONResponse:
        body = ErrorResponse(error=str(exc.detail))
        return JSONResponse(body.model_dump(), exc.status_code, exc.headers)

    @app.exception_handler(Exception)
    async def broken(_: Request, exc: Exception) -> JSONResponse:
        # Starlette raises it again behind our back, so the server's log has it.
        return JSONResponse(ErrorResponse(error="internal server error").model_dump(), 500)


add_error_handlers(app)


class StructuredOutputError(Exception):
    """Given: the model was asked twice and has not given what was wanted; the text says what is wrong."""


async def complete(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]]) -> str:
    """Given: call the provider once and return the text of its answer; HTTPStatusError if it refuses."""
    reply = await client.post("/chat/completions", json={"model": "mock-large", "messages": list(messages)})
    return reply.raise_for_status().json()["choices"][0]["message"]["content"] or ""


def find_json(text: str) -> str:
    """Return the first JSON object in `text` just as it stands there; ValueError if there is none or it is cut off."""
    # TODO 02.7: models put fences and courtesies around their JSON.
    start = re.search(r'\{\s*["}]', text)  # an object goes on with a quote; the {name} of a sentence does not
    if start is None:
        raise ValueError("there is no JSON object in the answer")
    _, end = json.JSONDecoder().raw_decode(text, start.start())
    return text[start.start() : end]


async def ask_json(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]], schema: type[Answer]) -> Answer:
    """Ask a model, give it one chance to mend its answer, and return that as a `schema`; else StructuredOutputError."""
    # TODO 02.7: ask, check, show the model its mistake once, then give up.
    said = [*messages]
    for last in (False, True):
        answer = await complete(client, said)
        try:
            answer = find_json(answer)
            return schema.model_validate_json(answer)
        except ValueError as error:  # json's and pydantic's are ValueErrors too
            if last:
                raise StructuredOutputError(f"no valid {schema.__name__} after 2 calls: {error}") from error
            repair = f"That is not what I asked for:\n{error}\nAnswer with the corrected JSON object and nothing else."
            said += [{"role": "assistant", "content": answer}, {"role": "user", "content": repair}]
    raise AssertionError("unreachable")
