"""Lesson 02, in functions and Annotated types."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2 as httpx
from annotated_types import Len
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    model_validator,
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


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS), AfterValidator(_says_something)]


class Message(BaseModel, extra="forbid"):
    role: Literal["system", "user", "assistant"]
    content: Text


def _fetchable(url: str) -> str:
    if any(character.isspace() for character in url):
        raise ValueError("must not have white space")
    address = urlsplit(url)
    if address.scheme == "https" and address.netloc:
        return url
    kind, _, data = url.partition(",")
    if data and kind in {f"data:image/{name};base64" for name in ("png", "jpeg", "webp", "gif")}:
        return url
    raise ValueError("must be an https address or an image as data")


class Picture(BaseModel):
    url: Annotated[str, AfterValidator(_fetchable)]
    detail: Literal["auto", "low", "high"] = "auto"


class PicturePart(BaseModel):
    type: Literal["image_url"]
    image_url: Picture


class WordsPart(BaseModel):
    type: Literal["text"]
    text: Text


Part = Annotated[WordsPart | PicturePart, Discriminator("type")]


class PartsMessage(BaseModel):
    role: Literal["user"]
    content: Annotated[list[Part], Len(1, 16)]


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
    *_, last = messages
    problems = [
        (last.role != "user", "the user has the last word"),
        ("system" in [turn.role for turn in messages][1:], "a system message stands first"),
        (len("".join(map(text_of, messages))) > MAX_REQUEST_CHARS, "too much text"),
    ]
    for wrong, words in problems:
        if wrong:
            raise ValueError(words)
    return messages


def _known(model: str) -> str:
    if model not in CATALOG:
        raise ValueError(f"known models are {sorted(CATALOG)}")
    return model


def _taken(temperature: float | None, info: ValidationInfo) -> float | None:
    model = info.data.get("model")
    if temperature is not None and model in CATALOG and not CATALOG[model].takes_temperature:
        raise ValueError(f"{model} takes none")
    return temperature


def _writable(max_tokens: int | None, info: ValidationInfo) -> int | None:
    model = info.data.get("model")
    if max_tokens is not None and model in CATALOG and max_tokens > CATALOG[model].max_tokens:
        raise ValueError(f"{model} writes at most {CATALOG[model].max_tokens}")
    return max_tokens


EXAMPLES = [
    {"model": "mock-small", "messages": [{"role": "user", "content": "Hello"}]},
    {"model": "mock-small", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0.2, "stream": True},
]


class ChatRequest(BaseModel):
    model_config = {"extra": "forbid", "json_schema_extra": {"examples": EXAMPLES}}

    model: Annotated[str, AfterValidator(_known)]
    temperature: Annotated[Annotated[float, Field(ge=0, le=2)] | None, AfterValidator(_taken)] = None
    max_tokens: Annotated[PositiveInt | None, AfterValidator(_writable)] = None
    stream: bool = False
    messages: Annotated[list[Turn], Len(1, 200), AfterValidator(check_conversation)]


class Usage(BaseModel):
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt
    total_tokens: int = 0

    @model_validator(mode="before")
    @classmethod
    def _one_dialect(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
        return {names.get(name, name): count for name, count in sent.items() if name != "total_tokens"}

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        self.total_tokens = self.prompt_tokens + self.completion_tokens
        return self


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


@app.get("/v1/chat/{completion_id}")
async def read_chat(completion_id: str) -> ChatResponse:
    match COMPLETIONS.get(completion_id):
        case None:
            raise HTTPException(status_code=404)
        case kept:
            return ChatResponse.model_validate(kept)


def _answer(status: int, words: str, fields: dict[str, str] | None = None, headers: Any = None) -> JSONResponse:
    body = ErrorResponse(error=words, fields=fields or {})
    return JSONResponse(content=body.model_dump(mode="json"), status_code=status, headers=headers)


def _path(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid" or len(error["loc"]) < 2:
        return "body"
    return ".".join(str(step) for step in error["loc"][1:])


def _words(error: dict[str, Any]) -> str:
    if error["type"] == "union_tag_invalid":
        return f"Input should have one of the tags {error['ctx']['expected_tags']}"
    return error["msg"]


async def _on_invalid(request: Request, exc: Any) -> JSONResponse:
    return _answer(422, "invalid request", {_path(error): _words(error) for error in exc.errors()})


async def _on_refusal(request: Request, exc: Any) -> JSONResponse:
    return _answer(exc.status_code, exc.detail, headers=exc.headers)


async def _on_bug(request: Request, exc: Exception) -> JSONResponse:
    logging.getLogger(__name__).error("%s %s failed", request.method, request.url.path, exc_info=exc)
    return _answer(500, "internal server error")


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(StarletteHTTPException, _on_refusal)
    app.add_exception_handler(500, _on_bug)


add_error_handlers(app)


class StructuredOutputError(Exception):
    """Given: the model was asked twice and has not given what was wanted; the text says what is wrong."""


async def complete(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]]) -> str:
    """Given: call the provider once and return the text of its answer; HTTPStatusError if it refuses."""
    reply = await client.post("/chat/completions", json={"model": "mock-large", "messages": list(messages)})
    return reply.raise_for_status().json()["choices"][0]["message"]["content"] or ""


def find_json(text: str) -> str:
    begin = next(
        (at for at, char in enumerate(text) if char == "{" and text[at + 1 :].lstrip()[:1] in ('"', "}")), None
    )
    if begin is None:
        raise ValueError("no object")
    depth, quoted, escaped = 0, False, False
    for at, char in enumerate(text[begin:], begin):
        if quoted:
            quoted = char != '"' or escaped
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        else:
            depth += {"{": 1, "}": -1}.get(char, 0)
            if depth == 0:
                return text[begin : at + 1]
    raise ValueError("the object is cut off")


async def ask_json(client: httpx.AsyncClient, messages: Sequence[Mapping[str, str]], schema: type[Answer]) -> Answer:
    first = await complete(client, messages)
    try:
        return schema.model_validate_json(find_json(first))
    except ValueError as error:
        mistake = str(error)
    second = await complete(
        client,
        [*messages, {"role": "assistant", "content": first}, {"role": "user", "content": f"Please correct: {mistake}"}],
    )
    try:
        return schema.model_validate_json(find_json(second))
    except ValueError as error:
        raise StructuredOutputError(str(error)) from error
