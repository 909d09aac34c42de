"""What may be asked of a model, in OpenAI's words: lesson 02's request, options that are passed on, turns of tools."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from capstone.errors import ApiError
from capstone.parts import models

CORE = ("model", "messages", "temperature", "max_tokens", "stream")  # what lesson 02 checks
LIMIT = "max_completion_tokens"  # today's name of max_tokens


class Function(BaseModel):
    """A function that the model may ask for, or asks for."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[\w.-]{1,64}$")
    description: str | None = Field(default=None, max_length=8_000)
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(BaseModel):
    """A tool that the model may ask for."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["function"]
    function: Function


class StreamOptions(BaseModel):
    """What a stream brings besides."""

    model_config = ConfigDict(extra="forbid")
    include_usage: bool = False
    include_obfuscation: bool = False


class Options(BaseModel):
    """What is passed on as it came: the allow-list. An option that is not here is refused, not dropped."""

    model_config = ConfigDict(extra="forbid")
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stream_options: StreamOptions | None = None
    top_p: float | None = Field(default=None, ge=0, le=1)
    n: int | None = Field(default=None, ge=1, le=8)
    stop: str | list[str] | None = Field(default=None, max_length=1_000)
    seed: int | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: list[Tool] | None = Field(default=None, min_length=1, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = Field(default=None, max_length=20)
    verbosity: str | None = Field(default=None, max_length=20)
    user: str | None = Field(default=None, max_length=200)
    safety_identifier: str | None = Field(default=None, max_length=200)
    prompt_cache_key: str | None = Field(default=None, max_length=200)
    metadata: dict[str, str] | None = None


class Called(BaseModel):
    """A function that the model asked for, with its arguments as it wrote them."""

    name: str = Field(max_length=64)
    arguments: str = Field(max_length=100_000)


class ToolCall(BaseModel):
    """One call in a turn of the model."""

    id: str = Field(max_length=200)
    type: Literal["function"]
    function: Called


class CallingTurn(BaseModel):
    """A turn in which the model asked for tools."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["assistant"]
    content: str | None = Field(default=None, max_length=100_000)
    refusal: str | None = None
    tool_calls: list[ToolCall] = Field(min_length=1, max_length=128)


class ToolTurn(BaseModel):
    """What a tool answered."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["tool"]
    content: str | list[dict[str, Any]]
    tool_call_id: str = Field(max_length=200)


@dataclass(slots=True)  # not frozen: that costs a microsecond of each request
class Asked:
    """A request that may be served."""

    body: dict[str, Any]  # as it is passed on
    model: str
    streams: bool
    wants_usage: bool  # in the stream
    limit: int | None  # tokens of the answer, all choices together
    prompt_tokens: int  # about

    def of(self, model: str) -> dict[str, Any]:
        """Return the body for this model."""
        return self.body if model == self.model else {**self.body, "model": model}


def read_chat(raw: bytes) -> Asked:
    """Check a request and return it.

    Raises:
        RequestValidationError: something is wrong with a field.
        ApiError: there is no such model.
    """
    body = read_object(raw)
    model, messages = body.get("model"), body.get("messages")
    if isinstance(model, str) and model not in models.CATALOG:
        raise ApiError(404, "There is no such model; GET /v1/models lists them.", code="model_not_found", param="model")
    core = {name: body[name] for name in CORE if name in body}
    options = {name: body[name] for name in body if name not in CORE}
    if options.get(LIMIT) is not None:
        core["max_tokens"] = options[LIMIT]
    places: list[int] = []
    if isinstance(messages, list):
        core["messages"], places = plain_turns(messages)
    known = checked(models.ChatRequest, core, places)
    if options:
        checked(Options, options)
    for name in ("temperature", "max_tokens", "stream"):
        if name in body:
            body[name] = getattr(known, name)  # "1" has become 1
    limit = core.get("max_tokens")
    return Asked(
        body,
        body["model"],
        streams=body.get("stream") is True,
        wants_usage=bool((options.get("stream_options") or {}).get("include_usage")),
        limit=None if limit is None else int(limit) * int(options.get("n") or 1),
        prompt_tokens=about_tokens(body["messages"]),
    )


def read_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object. A name that is there twice counts once, the last: nobody behind us sees another."""
    try:
        body = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": "not valid JSON"}]) from None
    if not isinstance(body, dict):
        raise RequestValidationError([{"type": "dict_type", "loc": ("body",), "msg": "must be a JSON object"}])
    return body


def plain_turns(messages: list[Any]) -> tuple[list[Any], list[int]]:
    """Return the turns that lesson 02 knows, and the places they had; check the others here."""
    plain: list[Any] = []
    places: list[int] = []
    for place, turn in enumerate(messages):
        role = turn.get("role") if isinstance(turn, dict) else None
        if role == "tool":
            checked(ToolTurn, turn, path=("messages", place))
        elif role == "assistant" and turn.get("tool_calls") is not None:
            checked(CallingTurn, turn, path=("messages", place))
            if place == len(messages) - 1:
                raise wrong(("messages",), "a turn that asks for tools needs their answers after it")
        else:
            # "developer" is what OpenAI's newer models call "system".
            plain.append({**turn, "role": "system"} if role == "developer" else turn)
            places.append(place)
    return plain, places


def checked(model: Any, value: Any, places: list[int] | None = None, path: tuple[Any, ...] = ()) -> Any:
    """Return the value as the model reads it; its errors name the places that the caller knows."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    for one in errors:
        loc = one["loc"]
        if places and len(loc) > 1 and loc[0] == "messages" and isinstance(loc[1], int) and loc[1] < len(places):
            loc = ("messages", places[loc[1]], *loc[2:])
        one["loc"] = ("body", *path, *loc)
    raise RequestValidationError(errors)


def wrong(path: tuple[Any, ...], message: str) -> RequestValidationError:
    """Make the error of one field."""
    return RequestValidationError([{"type": "value_error", "loc": ("body", *path), "msg": message}])


def about_tokens(messages: list[Any]) -> int:
    """Estimate the tokens of a conversation: four characters each."""
    characters = 0
    for turn in messages:
        content = turn.get("content") or ""
        characters += len(content) if isinstance(content, str) else sum(len(part.get("text") or "") for part in content)
    return characters // 4 + 4 * len(messages)


Text = Annotated[str, Field(min_length=1, max_length=100_000)]


def as_list(given: Any) -> Any:
    """Return a list of one text for a text: an error then names its place, and not the half of a union."""
    return [given] if isinstance(given, str) else given


Many = Annotated[list[Text], Field(min_length=1, max_length=2_048)]
Texts = Annotated[Many, BeforeValidator(as_list, json_schema_input_type=Text | Many)]


class EmbeddingRequest(BaseModel):
    """Texts to turn into vectors."""

    model_config = ConfigDict(extra="forbid")
    model: str
    input: Texts
    dimensions: int | None = Field(default=None, ge=1, le=8_192)
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = Field(default=None, max_length=200)
