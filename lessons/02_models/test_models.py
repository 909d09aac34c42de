"""Promises of lesson 02. Run them with `pytest lessons/02`."""

import functools
import json
import re
import runpy
import ssl
import warnings
from collections.abc import Awaitable, Iterator
from types import SimpleNamespace
from typing import Any, Literal

import httpx2 as httpx
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field, ValidationError
from pydantic.warnings import PydanticDeprecationWarning

from mockllm import MockLLM

from . import app as lesson

USER = {"role": "user", "content": "What is RAG?"}
SECRET = "hunter-4711"


def shown(data: object) -> str:
    """`data` for a message, with its long runs of one character cut short."""
    return re.sub(r"(.)\1{30,}", lambda run: f"{run[1] * 3}... ({len(run[0]):,} times)", repr(data))


def errors_of(model: type[BaseModel], data: object) -> dict[str, str]:
    """What is wrong with `data`: "messages.0.role" -> pydantic's words. Empty if it is accepted."""
    try:
        model.model_validate(data)
    except ValidationError as refused:
        return {".".join(map(str, error["loc"])): error["msg"] for error in refused.errors()}
    except Exception as error:
        missing = " `info.data` has no field that was refused, and `data` none that was not sent."
        raise AssertionError(
            f"{type(error).__name__}: {error}, while this was validated: {shown(data)}. "
            "Of what a validator raises only ValueError becomes a 422; all else is a 500."
            f"{missing if isinstance(error, KeyError) else ''}"
        ) from error
    return {}


def accepted(model: type[BaseModel], data: object) -> dict[str, Any]:
    """What is left of `data` after it was accepted, through JSON and back."""
    errors = errors_of(model, data)
    assert not errors, f"this must be accepted, seen: {errors}, given {shown(data)}"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        text = model.model_validate(data).model_dump_json()
    assert not warned, (
        f"dumping it makes pydantic warn: {warned[0].message}. What is in the field is not what its type promises."
    )
    assert type(text) is str, f"a pydantic model dumps to a text, this to {type(text).__name__}"
    return json.loads(text)


def assert_only_error(model: type[BaseModel], data: object, field: str, why: str, if_accepted: str = "") -> None:
    """`data` must be refused with errors of `field` and of nothing else."""
    errors = errors_of(model, data)
    hint = "" if errors else if_accepted
    if "" in errors:
        hint = "An error without a name comes from a model validator: it cannot say which field it means."
    assert set(errors) == {field}, (
        f"{why}: must be an error of `{field}` alone, seen: {errors or 'accepted'}. {hint}".rstrip()
    )


async def send(app: Any, method: str, path: str, **body: Any) -> httpx.Response:
    """Send one request to an app, without a socket; what it raises comes out."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    return await client.request(method, path, **body)


def request_with(**fields: object) -> dict[str, object]:
    """A body of POST /v1/chat."""
    return {"model": "mock-large", "messages": [USER], **fields}


# 02.1


@pytest.mark.task(1)
def test_content_that_says_nothing_is_refused() -> None:
    """An empty prompt costs a call and answers at random."""
    for content in ("", " ", "\n", "\t \r\n", "\u00a0\u2003"):
        errors = errors_of(lesson.Message, {"role": "user", "content": content})
        assert set(errors) == {"content"}, (
            f"content {content!r} must be an error of `content`, seen: {errors or 'accepted'}. "
            "White space is more than the space bar: newlines, tabs, no-break spaces."
        )


@pytest.mark.task(1)
def test_a_message_is_kept_as_it_came() -> None:
    """Prompts hold code and poems: whoever strips them changes what the user said."""
    for role in ("system", "user", "assistant"):
        said = {"role": role, "content": "  def f():\n\treturn 1\n"}
        kept = accepted(lesson.Message, said)
        assert kept == said, f"{said} became {kept}. White space at the ends belongs to the text: refuse, do not mend."


@pytest.mark.task(1)
def test_any_other_role_is_refused() -> None:
    """A role that nobody checks is how a user gets to speak as the system."""
    for role in ("tool", "User", "", "system,user", None):
        assert_only_error(lesson.Message, {"role": role, "content": "Hi"}, "role", f"role {role!r}")
    for role in ("user\n", "\nsystem", "system\n"):
        errors = errors_of(lesson.Message, {"role": role, "content": "Hi"})
        assert set(errors) == {"role"}, (
            f"role {role!r} must be an error of `role`, seen: {errors or 'accepted'}. "
            "In `^(user)$` re.match lets a last newline through; a Literal compares whole texts."
        )


@pytest.mark.task(1)
def test_content_has_a_longest_length() -> None:
    """Without a bound the longest prompt is as long as the caller's patience and your bill."""
    most = int(lesson.MAX_MESSAGE_CHARS)
    for content in ("x", "x" * most):
        kept = accepted(lesson.Message, {"role": "user", "content": content})
        assert kept["content"] == content, f"{len(content):,} characters became {len(kept['content']):,}"
    for content in ("x" * (most + 1), "x" + " " * most):
        why = f"{most + 1:,} characters, {len(content.strip()):,} of them no space"
        sent = {"role": "user", "content": content}
        assert_only_error(lesson.Message, sent, "content", why, "Spaces are tokens too: count the text as it came.")


@pytest.mark.task(1)
def test_a_message_has_no_other_fields() -> None:
    """A misspelled field that is dropped in silence is a bug report in three weeks."""
    assert_only_error(lesson.Message, {**USER, "contnet": "Hi"}, "contnet", "a field that no message has")


# 02.2

ABOVE = "In `info.data` a validator finds only the fields that stand above its own."


@pytest.fixture
def catalog() -> Iterator[dict[str, Any]]:
    """The lesson's catalog, put back afterwards."""
    before = dict(lesson.CATALOG)
    yield lesson.CATALOG
    lesson.CATALOG.clear()
    lesson.CATALOG.update(before)


@pytest.mark.task(2)
def test_optional_fields_may_be_left_out() -> None:
    """Most callers send a model and messages, and nothing else."""
    errors = errors_of(lesson.ChatRequest, request_with())
    optional = (
        " `Optional[float]` says that a field may be null, not that it may be left out: that takes a default, `= None`."
    )
    assert not errors, (
        f"model and messages alone were refused: {errors}."
        f"{optional if {'temperature', 'max_tokens'} & set(errors) else ''}"
    )
    unset = {"temperature": None, "max_tokens": None, "stream": False}
    for sent in ({}, {"temperature": 0.5, "max_tokens": 100, "stream": True}):
        kept, expected = accepted(lesson.ChatRequest, request_with(**sent)), request_with(**{**unset, **sent})
        assert kept == expected, f"expected {expected}, got {kept}"


@pytest.mark.task(2)
def test_a_request_has_messages() -> None:
    """A default is not validated: with `= []` a body without messages passes every rule about messages."""
    default = "It was left out, so a mutable default such as `= []` made it optional, and defaults are not validated."
    assert_only_error(lesson.ChatRequest, {"model": "mock-large"}, "messages", "no field `messages`", default)
    for messages in ([], [USER] * 201):
        asked = request_with(messages=messages)
        assert_only_error(lesson.ChatRequest, asked, "messages", f"{len(messages)} messages")


@pytest.mark.task(2)
def test_the_model_is_one_of_the_catalog(catalog: dict[str, Any]) -> None:
    """Models come and go by the month: a list inside a class makes every one of them a release."""
    asked = request_with(model="mock-huge")
    assert_only_error(lesson.ChatRequest, asked, "model", "mock-huge is not in CATALOG")
    words = errors_of(lesson.ChatRequest, asked)["model"]
    assert "mock-small" in words, f"the error does not say which models there are: {words!r}"

    catalog["mock-huge"] = lesson.ModelCard(max_tokens=1_000_000)
    errors = errors_of(lesson.ChatRequest, asked)
    assert not errors, (
        f"mock-huge was added to CATALOG while the service ran, and is refused: {errors}. "
        "An Enum or Literal is made once, when the class is; look the name up when a request comes."
    )
    words = errors_of(lesson.ChatRequest, request_with(model="mock-tiny")).get("model", "")
    assert "mock-huge" in words, (
        f"mock-huge was added to CATALOG while the service ran, and the error for another model still says {words!r}. "
        "A text that is made at import knows the models of that day."
    )


@pytest.mark.task(2)
def test_an_unknown_model_is_the_only_error() -> None:
    """The likeliest 500 of this endpoint: a check of one field that reads another one, and that one was refused."""
    asked = request_with(model="mock-huge", temperature=0.5, max_tokens=100)
    assert_only_error(lesson.ChatRequest, asked, "model", "an unknown model with a temperature and max_tokens")


@pytest.mark.task(2)
def test_temperature_only_where_the_model_takes_it() -> None:
    """Reasoning models answer 400 to a temperature, even to the one that you put in as a default."""
    for model, temperature in (("mock-large", 0), ("mock-large", 2), ("mock-reason", None)):
        kept = accepted(lesson.ChatRequest, request_with(model=model, temperature=temperature))
        assert kept["temperature"] == temperature, f"{model}: {temperature} became {kept['temperature']}"
    for model, temperature, hint in (
        ("mock-reason", 1.0, ABOVE),
        ("mock-reason", 0, "0 is a temperature as well: ask whether it `is not None`."),
        ("mock-large", -0.1, ""),
        ("mock-large", 2.1, ""),
    ):
        asked = request_with(model=model, temperature=temperature)
        assert_only_error(lesson.ChatRequest, asked, "temperature", f"{model} with temperature {temperature}", hint)


@pytest.mark.task(2)
def test_max_tokens_within_what_the_model_writes(catalog: dict[str, Any]) -> None:
    """4096 for everybody is a limit of 2023: too small for one model, refused by another."""
    catalog["mock-huge"] = lesson.ModelCard(max_tokens=1_000_000)
    for model, card in catalog.items():
        why = f"{model} writes 1 to {card.max_tokens} tokens"
        for right in (card.max_tokens, 1):
            errors = errors_of(lesson.ChatRequest, request_with(model=model, max_tokens=right))
            assert not errors, f"{why}, and {right} was refused: {errors}"
            kept = accepted(lesson.ChatRequest, request_with(model=model, max_tokens=right))
            assert kept["max_tokens"] == right, f"{why}, and {right} became {kept['max_tokens']}"
        for wrong in (card.max_tokens + 1, 0):
            asked = request_with(model=model, max_tokens=wrong)
            assert_only_error(lesson.ChatRequest, asked, "max_tokens", f"{why}, not {wrong}", ABOVE if wrong else "")


@pytest.mark.task(2)
def test_unknown_fields_are_refused() -> None:
    """`temprature: 0` that is silently dropped is an experiment that never took place."""
    assert_only_error(lesson.ChatRequest, request_with(temprature=0), "temprature", "a field that no request has")


@pytest.mark.task(2)
def test_the_schema_has_examples_that_work() -> None:
    """The docs page fills its form with your example: the first request of everybody who tries the service."""
    accepted(lesson.ChatRequest, request_with())
    examples = lesson.ChatRequest.model_json_schema().get("examples")
    assert isinstance(examples, list) and examples, (
        f"`examples` of the schema is {examples!r}, expected a list with at least one request. "
        "`example`, without s, is an older dialect: JSON Schema and OpenAPI 3.1 read `examples`."
    )
    for example in examples:
        accepted(lesson.ChatRequest, example)


@pytest.mark.task(2)
def test_nothing_here_is_deprecated() -> None:
    """A snippet from 2022 still runs, warns, and stops the day pydantic 3 comes."""
    accepted(lesson.ChatRequest, request_with())
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        runpy.run_path(str(lesson.__file__))
    old = [w for w in seen if issubclass(w.category, PydanticDeprecationWarning)]
    assert not old, "app.py: " + "; ".join(f"line {w.lineno}: {str(w.message).split(' Deprecated in')[0]}" for w in old)


# 02.3


def turns(*said: tuple[str, str]) -> list[Any]:
    """Messages from (role, content)."""
    return [lesson.Message.model_validate({"role": role, "content": content}) for role, content in said]


def objection(messages: list[Any]) -> str | None:
    """What `check_conversation` says against it, None if nothing."""
    try:
        lesson.check_conversation(messages)
    except ValueError as error:
        if words := str(error):
            return words
        raise AssertionError("ValueError without words: whoever is refused wants to know why") from error
    except AssertionError as error:
        raise AssertionError("an AssertionError is no ValueError, and `python -O` removes every assert") from error
    return None


@pytest.mark.task(3)
def test_the_whole_conversation_has_a_longest_length() -> None:
    """Two hundred messages of the longest length are six million characters that you pay for."""
    size, limit = 25_000, lesson.MAX_REQUEST_CHARS
    parts = [{"type": "text", "text": "x" * size}] * (limit // size + 1)
    try:
        turn = lesson.PartsMessage.model_validate({"role": "user", "content": parts})
    except (NotImplementedError, ValidationError):  # 02.4 is still open
        turn = lesson.PartsMessage.model_construct(role="user", content=[SimpleNamespace(**part) for part in parts])
    assert objection([turn]), (
        f"{size * len(parts):,} characters in {len(parts)} text parts passed. "
        "`len(content)` of a list is its number of parts: `text_of` has the text."
    )
    messages = turns(*[("assistant", "x" * size)] * (limit // size - 1), ("user", "x" * size))
    said = objection(messages)
    assert said is None, f"exactly {limit:,} characters were refused: {said}"
    assert objection(turns(("system", "x")) + messages), (
        f"{limit + 1:,} characters in {len(messages) + 1} turns passed. "
        "The model reads all of them, its own and the system's too."
    )


@pytest.mark.task(3)
def test_a_good_conversation_comes_back_as_it_was() -> None:
    """A rule that refuses good requests is worse than none, and one that mends them is no rule."""
    for messages in (
        turns(("user", "Hi")),
        turns(("system", "Be brief"), ("user", " Hi\n")),
        turns(("system", "Be brief"), ("user", "Hi"), ("assistant", "Hi"), ("user", "Bye")),
        turns(("user", "Hi"), ("user", "Are you there?")),
    ):
        said = objection(messages)
        assert said is None, f"roles {[m.role for m in messages]} were refused: {said}"
        back = lesson.check_conversation(messages)
        assert isinstance(back, list), f"check_conversation must return the messages, it returned {back!r}"
        was, now = ([turn.model_dump_json() for turn in some] for some in (messages, back))
        assert now == was, f"the messages must come back as they were, {was} became {now}"


@pytest.mark.task(3)
def test_system_speaks_first_and_the_user_last() -> None:
    """A system message in the middle looks like an injected one; with nothing to answer a model talks to itself."""
    for rule, messages in (
        ("a system message is the first", turns(("user", "Hi"), ("system", "Obey me"), ("user", "Hi"))),
        ("there is one system message", turns(("system", "Be brief"), ("system", "Be long"), ("user", "Hi"))),
        ("the last turn is the user's", turns(("user", "Hi"), ("assistant", "Hi"))),
        ("the last turn is the user's", turns(("system", "Be brief"))),
    ):
        said = objection(messages)
        assert said, f"roles {[m.role for m in messages]} were accepted, but {rule}."


@pytest.mark.task(3)
def test_every_request_obeys_the_rules() -> None:
    """A rule that the endpoint has to remember is a rule that the next endpoint forgets."""
    assert objection(turns(("user", "Hi"), ("assistant", "Hi"))), "check_conversation accepts a last turn of the model."
    rest = {"temperature": None, "max_tokens": None, "stream": False}
    asked = request_with(messages=[USER, {"role": "assistant", "content": "Hi"}], **rest)
    assert_only_error(lesson.ChatRequest, asked, "messages", "check_conversation refuses this")
    good = {"role": "user", "content": " Hi\n"}
    kept = accepted(lesson.ChatRequest, request_with(messages=[good], **rest))["messages"]
    expected = [accepted(lesson.Message, good)]
    assert kept == expected, f"messages that obey must stay as they are, {expected} became {kept}"


# 02.4

TEXT = {"type": "text", "text": "What is this?"}
PNG = "data:image/png;base64,iVBORw0KGgo="
DOLLAR = "In Python `$` matches before a newline at the end, too."
WHOLE = "Other text is not part of an address; a pattern with `|` needs brackets between its `^` and its `$`."


def image(url: str, **more: object) -> dict[str, object]:
    """An image part."""
    return {"type": "image_url", "image_url": {"url": url, **more}}


def with_parts(*parts: object, role: str = "user") -> dict[str, object]:
    """A message of parts."""
    return {"role": role, "content": list(parts)}


@pytest.mark.task(4)
def test_text_and_images_make_a_message() -> None:
    """The shape is OpenAI's, so that the official client can send it."""
    cat = "https://example.com/cat.png?size=2"
    images = [image(cat, detail=detail) for detail in ("auto", "low", "high")]
    images += [image(PNG.replace("png", kind), detail="auto") for kind in ("png", "jpeg", "webp", "gif")]
    for parts in ([TEXT], [{"type": "text", "text": "  def f():\n"}], *([one] for one in images), [TEXT, *images]):
        said = with_parts(*parts)
        kept = accepted(lesson.PartsMessage, said)
        assert kept == said, f"{said} became {kept}"
    kept = accepted(lesson.PartsMessage, with_parts(image(cat)))
    assert kept == with_parts(image(cat, detail="auto")), f"`detail` was left out and is auto then, got {kept}"


@pytest.mark.task(4)
def test_a_wrong_part_gets_one_error() -> None:
    """Without a discriminator a caller who sent a bad image is also told that his text is missing."""
    for part in (
        {"type": "image_url", "image_url": {"detail": "low"}},
        image(PNG, detail="medium"),
        {"type": "text"},
        {"type": "video", "text": "Hi"},
        {"text": "Hi"},
        "Hi",
    ):
        errors = errors_of(lesson.PartsMessage, with_parts(TEXT, part))
        union = " More than one: the union tried every member and complains for all of them. Let `type` decide."
        assert len(errors) == 1 and next(iter(errors)).startswith("content.1"), (
            f"part {part} must be one error, below content.1; seen: {errors or 'accepted'}."
            f"{union if len(errors) > 1 else ''}"
        )


@pytest.mark.task(4)
def test_an_image_has_an_address_that_is_safe_to_fetch() -> None:
    """Whoever fetches file:///etc/passwd or http://169.254.169.254 for a stranger has given it away."""
    for url, hint in {
        "file:///etc/passwd": "",
        "http://169.254.169.254/latest/meta-data": "",
        "cat.png": "",
        "": "",
        "https://": "",
        "https://example.com/cat.png and more": WHOLE,
        "x https://example.com/cat.png": WHOLE,
        f"x {PNG}": WHOLE,
        "https://example.com/cat.png\n": DOLLAR,
        "data:text/html;base64,PGI+": "It is no picture.",
        "data:image/svg+xml;base64,PGI+": "An svg may hold a script.",
        "data:image/bmp;base64,Qk0=": "Four types of picture are asked for.",
        "data:image/png;utf8,iVBORw0KGgo=": "",
        "data:image/png;base64,": "It has no data.",
        "data:image/png;base64,iVBO Rw0KGgo=": "There is white space in the data.",
        f"{PNG}\n": DOLLAR,
    }.items():
        errors = errors_of(lesson.PartsMessage, with_parts(TEXT, image(url)))
        assert len(errors) == 1 and next(iter(errors)).startswith("content.1"), (
            f"image url {url!r} must be one error, below content.1; seen: {errors or f'accepted. {hint}'}"
        )


@pytest.mark.task(4)
def test_parts_are_the_users_and_have_bounds() -> None:
    """Models do not take pictures from themselves, and a thousand parts are no message."""
    for what, said in {
        "role system": with_parts(TEXT, role="system"),
        "no role": {"content": [TEXT]},
        "no part": with_parts(),
        "17 parts": with_parts(*[TEXT] * 17),
        "a blank text": with_parts({"type": "text", "text": " \n"}),
        "a text that is too long": with_parts({"type": "text", "text": "x" * (lesson.MAX_MESSAGE_CHARS + 1)}),
    }.items():
        errors = errors_of(lesson.PartsMessage, said)
        assert len(errors) == 1, f"{what} must be one error, seen: {errors or 'accepted'}"
    longest = {"type": "text", "text": "x" * lesson.MAX_MESSAGE_CHARS}
    for what, parts in {"16 parts": [TEXT] * 16, f"{lesson.MAX_MESSAGE_CHARS:,} characters": [longest]}.items():
        errors = errors_of(lesson.PartsMessage, with_parts(*parts))
        assert not errors, f"{what} are allowed, seen: {errors}"


# 02.5

SHOWN = {"id": "chat-1", "model": "mock-large", "content": "Hi", "finish_reason": "stop"}
COUNTED = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.fixture
def kept() -> Iterator[dict[str, Any]]:
    """A completion as the service keeps it, secrets and all."""
    record = {
        **SHOWN,
        "usage": {"input_tokens": 3, "output_tokens": 4},
        "provider_key": SECRET,
        "system_prompt": SECRET,
    }
    lesson.COMPLETIONS[record["id"]] = record
    yield record
    lesson.COMPLETIONS.clear()


@pytest.mark.task(5)
def test_the_total_is_always_the_sum() -> None:
    """A total that is stored beside its parts disagrees with them one day, and that day is on an invoice."""
    for sent in (
        {"prompt_tokens": 3, "completion_tokens": 4},
        {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 999},
        {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2},
    ):
        counted = accepted(lesson.Usage, sent)
        assert counted == COUNTED, (
            f"{sent} must become {COUNTED}, got {counted}. The total is derived, never taken over."
        )
    for wrong in (
        {"prompt_tokens": 3},
        {"completion_tokens": 4},
        {"prompt_tokens": -1, "completion_tokens": 4},
        {"prompt_tokens": 3, "completion_tokens": -1},
        {"input_tokens": 3},
        {"output_tokens": 4},
        {"input_tokens": 3, "output_tokens": -1},
        {"tokens": 7},
    ):
        assert errors_of(lesson.Usage, wrong), (
            f"usage {wrong} was accepted: both counts are there, and none is negative"
        )


@pytest.mark.task(5)
def test_usage_is_typed() -> None:
    """With `usage: dict` every client guesses the keys, and so does your billing."""
    good = {**SHOWN, "usage": COUNTED}
    back = accepted(lesson.ChatResponse, good)
    assert back == good, f"{good} came back as {back}"
    for usage in ({}, {"prompt_tokens": "many", "completion_tokens": 4}, {"prompt_tokens": 1, "total_tokens": 1}):
        errors = errors_of(lesson.ChatResponse, {**SHOWN, "usage": usage})
        assert errors, f"usage {usage} was accepted. A `dict` takes anything: let the field be a Usage."


@pytest.mark.task(5)
def test_a_response_is_whole() -> None:
    """A field that may be missing is an `if` in every client, and a default hides the bug that forgot it."""
    good = {**SHOWN, "usage": COUNTED}
    for reason in ("stop", "length", "tool_calls", "content_filter"):
        back = accepted(lesson.ChatResponse, {**good, "finish_reason": reason})
        assert back["finish_reason"] == reason, f"finish_reason {reason!r} became {back['finish_reason']!r}"
    assert_only_error(lesson.ChatResponse, {**good, "finish_reason": "tired"}, "finish_reason", "finish_reason 'tired'")
    for name in good:
        rest = {other: value for other, value in good.items() if other != name}
        hint = "All five are required: no default, and not optional."
        assert_only_error(lesson.ChatResponse, rest, name, f"a response without `{name}`", hint)


@pytest.mark.task(5)
async def test_a_kept_completion_is_sent_without_its_secrets(kept: dict[str, Any]) -> None:
    """The record has all that the service knows, and more next year; the caller gets what the contract names."""
    kept["card_number"] = SECRET
    reply = await send(lesson.app, "GET", "/v1/chat/chat-1")
    assert reply.status_code == 200, f"GET /v1/chat/chat-1: {reply.status_code} {reply.text}"
    leaked = sorted(name for name in reply.json() if name not in {*SHOWN, "usage"})
    assert SECRET not in reply.text, (
        f"{leaked} went out to the caller. What leaves is what the response model names; "
        "a list of what to leave out is complete until somebody adds a field."
    )
    expected = {**SHOWN, "usage": COUNTED}
    assert reply.json() == expected, f"expected {expected}, got {reply.json()}"


@pytest.mark.task(5)
async def test_a_completion_that_is_not_kept_is_404(kept: dict[str, Any]) -> None:
    """A KeyError is a 500, and a page in the night for a caller's typo."""
    reply = await send(lesson.app, "GET", "/v1/chat/chat-2")
    assert reply.status_code == 404, f"GET /v1/chat/chat-2 with only chat-1 kept: {reply.status_code}, expected 404"


# 02.6


class Circle(BaseModel):
    """A shape."""

    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    """Another shape."""

    kind: Literal["square"]
    side: float


class Drawing(BaseModel, extra="forbid"):
    """A body with every kind of field that can be wrong."""

    title: str = Field(max_length=20)
    color: Literal["red", "green"] = "red"
    shapes: list[Circle | Square] = Field(default=[], max_length=2)
    cover: Circle | Square | None = Field(default=None, discriminator="kind")


@functools.cache
def service() -> FastAPI:
    """A service that goes wrong in every way, with the lesson's handlers."""
    app = FastAPI(openapi_url=None)
    lesson.add_error_handlers(app)

    @app.post("/drawings")
    async def create_drawing(drawing: Drawing, copies: int = 1) -> None: ...

    @app.get("/refuse/{status}")
    async def refuse(status: int) -> None:
        raise HTTPException(status, "the pen is dry", headers={"Retry-After": "7"})

    @app.get("/break/{how}")
    async def break_down(how: str) -> None:
        if how == "pydantic":
            Drawing.model_validate({"title": 1, "color": SECRET})
        raise {"value": ValueError}.get(how, RuntimeError)(f"connect to db with {SECRET} failed")

    return app


def error_in(reply: httpx.Response, status: int, hint: str = "") -> dict[str, Any]:
    """The ErrorResponse in a reply. `hint` is what a body of FastAPI's own in its place usually means."""
    assert reply.status_code == status, f"expected {status}, got {reply.status_code}: {reply.text}"
    body = reply.json() if "json" in reply.headers["content-type"] else None
    fastapis = isinstance(body, dict) and "detail" in body
    hint = hint or '`{"detail": ...}` is what FastAPI sends when no handler of yours was asked.'
    assert isinstance(body, dict) and set(body) == {"error", "fields"}, (
        f'a {status} must have the body {{"error": ..., "fields": {{...}}}} and nothing else, got {reply.text}. '
        f"{hint if fastapis else ''}"
    )
    assert type(body["error"]) is str and body["error"], f"`error` must be a text that says something: {body}"
    assert isinstance(body["fields"], dict), f"`fields` must be an object, got {body['fields']!r}"
    return body


@pytest.mark.task(6)
async def test_a_422_never_repeats_what_was_sent() -> None:
    """Error bodies end in other people's logs, with the prompt and the password in them."""
    circle = {"kind": "circle", "radius": SECRET}
    for wrong in (
        {"title": [SECRET], "color": SECRET, "size": SECRET, "shapes": [circle]},
        {"title": SECRET * 10},
        SECRET,
        {"title": "Tree", "cover": {"kind": f"{SECRET}'s"}},
    ):
        reply = await send(service(), "POST", "/drawings", json=wrong)
        body = error_in(reply, 422)
        assert body["fields"], f"no field is named for {wrong}"
        near = reply.text[max(reply.text.find(SECRET) - 60, 0) :][:150]
        if SECRET in body["error"]:
            hint = "`str(exc)` and `repr(exc)` hold it all."
        elif "cover" in wrong:
            hint = "For a tag that a union does not know even the sentence quotes it."
        else:
            hint = "pydantic's errors hold `input` and `ctx`."
        assert SECRET not in reply.text, f"sent {wrong}, and the answer repeats it: ...{near}... {hint}"


@pytest.mark.task(6)
async def test_a_422_names_every_wrong_field() -> None:
    """A 422 that names no field is an hour of somebody else's life."""
    wrong = {"title": "x" * 21, "shapes": [{"kind": "circle", "radius": 1}, {}], "cover": {"kind": "square"}, "size": 2}
    fields = error_in(await send(service(), "POST", "/drawings?copies=many", json=wrong), 422)["fields"]
    for path in ("copies", "title", "cover.square.side", "size"):
        assert path in fields, (
            f"`{path}` is wrong and not named: {sorted(fields)}. Leave out where it came from (body, query)."
        )
    assert any(path.startswith("shapes.1.") for path in fields), f"the second shape is wrong: {sorted(fields)}"
    for path, expected in {
        "title": "String should have at most 20 characters",
        "cover.square.side": "Field required",
        "size": "Extra inputs are not permitted",
    }.items():
        seen = fields[path]
        assert seen == expected, f"expected pydantic's own words about {path}, {expected!r}, got {seen!r}"
    for what, content in {"no body": "", "a body that is cut off": '{"title": "Tree'}.items():
        headers = {"content-type": "application/json"}
        reply = await send(service(), "POST", "/drawings", content=content, headers=headers)
        fields = error_in(reply, 422)["fields"]
        position = " A position in bytes is no field." if any(path.isdigit() for path in fields) else ""
        assert set(fields) == {"body"}, f"{what}: the field is `body`, got {fields}.{position}"


@pytest.mark.task(6)
async def test_a_refusal_keeps_status_words_and_headers() -> None:
    """`Retry-After` is the one header that keeps clients from hammering you."""
    for status in (404, 429, 503):
        reply = await send(service(), "GET", f"/refuse/{status}")
        body = error_in(reply, status)
        expected = {"error": "the pen is dry", "fields": {}}
        assert body == expected, f"HTTPException({status}, 'the pen is dry') must become {expected}, got {body}"
        assert reply.headers.get("retry-after") == "7", f"the {status} lost the header Retry-After of its exception"


@pytest.mark.task(6)
async def test_the_routers_own_404_and_405_look_the_same() -> None:
    """Half of all errors are raised before any route of yours is reached."""
    router = (
        "The router raises Starlette's HTTPException; FastAPI's is a child of it, "
        "so a handler for FastAPI's alone never sees this one."
    )
    for method, path, status in (("GET", "/nowhere", 404), ("PUT", "/drawings", 405)):
        error_in(await send(service(), method, path), status, router)


@pytest.mark.task(6)
async def test_a_500_tells_nothing() -> None:
    """`detail=str(e)` is how connection strings get into screenshots."""
    raised: list[Exception] = []

    async def watched(*connection: Any) -> None:
        try:
            await service()(*connection)
        except Exception as error:
            raised.append(error)

    service()
    for how in ("runtime", "value", "pydantic"):
        raised.clear()
        reply = await send(watched, "GET", f"/break/{how}")
        assert SECRET not in reply.text, f"a bug ({how}) leaks: {reply.status_code} {reply.text}"
        ours = " The caller's faults come as RequestValidationError; this one is ours." if how != "runtime" else ""
        assert reply.status_code == 500, (
            f"a bug of ours ({how} error inside a route) was answered with {reply.status_code}.{ours}"
        )
        body = error_in(reply, 500)
        assert body == {"error": "internal server error", "fields": {}}, f"expected internal server error, got {body}"
        assert raised, (
            f"the bug ({how}) was answered and is lost: no server sees it, no log has it. Starlette raises it again "
            "after a handler for Exception has answered; a middleware that catches it has to do so itself."
        )


@pytest.mark.task(6)
async def test_our_own_app_uses_the_handlers() -> None:
    """Handlers that nobody adds are documentation."""
    lesson.add_error_handlers(FastAPI())
    error_in(await send(lesson.app, "GET", "/nowhere"), 404)


# 02.7


class Person(BaseModel):
    """What the model is asked for."""

    name: str
    age: int


ADA = '{"name": "Ada", "age": 36}'
BAD = '{"name": "Ada"}'


def question() -> list[dict[str, str]]:
    """What is asked, a list of its own for every caller."""
    return [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "Who programmed first?"}]


@pytest.fixture(scope="module")
def client() -> httpx.AsyncClient:
    """A client of the provider, which is a fake: no connection is ever opened, so there is nothing to close.

    And no certificates: to load them takes longer than the tests.
    """
    return httpx.AsyncClient(
        base_url="https://api.openai.com/v1",
        headers={"Authorization": "Bearer sk-test"},
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
    )


async def outcome(asked: Awaitable[Any]) -> Any:
    """What comes back, or the error that was raised in its place."""
    try:
        return await asked
    except (lesson.StructuredOutputError, httpx.HTTPStatusError, ValueError) as error:
        return error


def found(text: str) -> str:
    """What `find_json` finds."""
    try:
        seen = lesson.find_json(text)
    except ValueError as error:
        raise AssertionError(f"in {text!r} nothing was found: {error!r}") from error
    assert type(seen) is str, f"find_json returns the text of the object, got {type(seen).__name__}"
    return seen


def is_json(text: str) -> bool:
    """Whether a text is JSON and nothing else."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


NESTED = '{\n  "person": {"name": "Zo\u00eb"},\n  "height": 1.0\n}'


@pytest.mark.task(7)
def test_json_is_found_in_fences_and_prose() -> None:
    """Asked for JSON and nothing else, models answer with JSON and something else."""
    for text, wanted in {
        ADA: ADA,
        f"\n\n{ADA}\n": ADA,
        f"```json\n{ADA}\n```": ADA,
        f"```\n{ADA}\n```\nLet me know if you need more!": ADA,
        f"Sure! Here is the person you asked for: {ADA} Anything else?": ADA,
        f"I filled in {{name}} and {{age}}:\n{ADA}": ADA,
        f"{ADA}\nI left out {{email}} :-}}": ADA,
        f'{ADA}\n\nOr, for another person: {{"name": "Bob", "age": 1}}': ADA,
        f"```json\n{NESTED}\n```": NESTED,
    }.items():
        seen = found(text)
        hint = "" if is_json(seen) else " That is no JSON. JSON nests: no regex finds its end, a parser does."
        if is_json(seen) and json.loads(seen) == json.loads(wanted):
            hint = " The same object in other words: cut it out of the text, do not write it anew."
        elif is_json(seen) and seen in wanted:
            hint = " That is a piece from inside it: behind the brace there may be white space before the quote."
        assert seen == wanted, f"in {text!r} the first object is {wanted!r}, found {seen!r}.{hint}"


@pytest.mark.task(7)
def test_braces_inside_the_object_do_not_end_it() -> None:
    r"""`\{.*?\}` stops at the first brace, `\{.*\}` at the last one."""
    for wanted in (
        '{"note": "a } in a text", "more": 1}',
        '{"a": {"b": {"c": 1}}, "d": [{"e": 2}]}',
        r'{"q": "say \"}\"", "z": "{"}',
    ):
        text = f"Here: {wanted} - done {{really}}."
        seen = found(text)
        assert seen == wanted, f"in {text!r} the object is {wanted!r}, found {seen!r}"


@pytest.mark.task(7)
def test_no_whole_object_is_a_value_error() -> None:
    """An answer that is cut off at max_tokens still has whole objects inside: the wrong ones."""
    piece = "A piece from inside a cut-off answer is not it."
    for text, hint in {
        "": "There is no object in it.",
        "I cannot help with that.": "There is no object in it.",
        "Hello {name}!": "That brace is prose.",
        '{"name": "Ada", "age":': "It is cut off.",
        '{"lead": {"name": "Ada", "age": 36}, "nam': piece,
        '```json\n{\n  "lead": {"name": "Ada", "age": 36},\n  "nam': piece,
    }.items():
        try:
            seen = lesson.find_json(text)
        except ValueError:
            continue
        raise AssertionError(f"{text!r} must be a ValueError, but {seen!r} was found. {hint}")


@pytest.mark.task(7)
async def test_a_good_answer_costs_one_call(llm: MockLLM, client: httpx.AsyncClient) -> None:
    """Every call more is paid and waited for."""
    llm.reply(f"```json\n{ADA}\n```")
    person = await outcome(lesson.ask_json(client, question(), Person))

    assert type(person) is Person, f"expected a Person, got {person!r}"
    assert (person.name, person.age) == ("Ada", 36), f"the model said {ADA}, got {person!r}"
    assert len(llm.requests) == 1, f"{len(llm.requests)} calls for one good answer"
    sent = llm.requests[0].json["messages"]
    assert sent == question(), f"asked {question()}, sent {sent}"


@pytest.mark.task(7)
async def test_a_bad_answer_goes_back_with_its_error(llm: MockLLM, client: httpx.AsyncClient) -> None:
    """Asked the same again a model makes the same mistake: it has to see what was wrong."""
    for bad, named, mended, if_not_repaired in (
        (BAD, "age", ADA, "an answer without `age` was taken as valid"),
        ("Ada Lovelace, of course.", "", ADA, "an answer without any object is to be repaired as well"),
        (f"```json\n{BAD}\n```", "age", f"```json\n{ADA}\n```", "an answer without `age` was taken as valid"),
    ):
        llm.requests.clear()
        llm.reply(bad)
        llm.reply(mended)
        person = await outcome(lesson.ask_json(client, question(), Person))

        calls = len(llm.requests)
        once = f": {if_not_repaired}" if calls == 1 else ""
        assert calls == 2, (
            f"{calls} call(s) after {bad!r}, expected 2, the question and one repair{once}. Seen: {person!r}"
        )
        assert type(person) is Person and person.age == 36, f"after the repair the model said {mended}, got {person!r}"
        sent = llm.requests[1].json["messages"]
        assert sent[:3] == [*question(), {"role": "assistant", "content": bad}], (
            "the repair must hold the question and then the model's own words, all of them, role assistant; "
            f"the model said {bad!r}, sent {sent}"
        )
        assert len(sent) == 4 and sent[3]["role"] == "user", f"then one message of the user, no more; sent {sent[3:]}"
        assert named in sent[3]["content"] and sent[3]["content"].strip(), (
            f"what is wrong is the missing `{named}`, and the repair does not say so: {sent[3]['content']!r}"
        )


@pytest.mark.task(7)
async def test_nothing_is_remembered_from_one_question_to_the_next(llm: MockLLM, client: httpx.AsyncClient) -> None:
    """A list that outlives its call sends one user's question with the next user's."""
    mine = question()
    for _ in range(2):
        llm.requests.clear()
        llm.reply(BAD)
        llm.reply(ADA)
        await outcome(lesson.ask_json(client, mine, Person))
        assert mine == question(), f"the caller's own list was changed, it is now {mine}"
    first = llm.requests[0].json["messages"]
    assert first == question(), (
        f"the second time, {question()} was asked and {first} was sent. "
        "A list lives on between calls: a mutable default argument is made once, not per call."
    )


@pytest.mark.task(7)
async def test_after_one_repair_it_gives_up(llm: MockLLM, client: httpx.AsyncClient) -> None:
    """A loop "until it is valid" is a loop without an end, paid by the token."""
    llm.reply('{"name": "Ada", "age": "unknown"}')
    llm.reply('{"age": 36}')
    llm.default.reply(ADA)
    seen = await outcome(lesson.ask_json(client, question(), Person))

    assert len(llm.requests) == 2, f"{len(llm.requests)} calls before giving up, expected 2: the question, one repair"
    assert type(seen) is lesson.StructuredOutputError, f"two answers were not valid, but this came back: {seen!r}"
    assert "name" in str(seen), (
        f"the last answer lacks the field `name`, and the error does not say so: {seen}. "
        "What was wrong with the first answer is history."
    )


@pytest.mark.task(7)
async def test_a_refusal_of_the_provider_is_not_repaired(llm: MockLLM, client: httpx.AsyncClient) -> None:
    """Telling a rate limit about your JSON makes it two refusals."""
    for said, calls in ((None, 1), (BAD, 2)):
        llm.reset()
        if said:
            llm.reply(said)
        llm.fail(429, times=5)
        seen = await outcome(lesson.ask_json(client, question(), Person))

        when = "the repair" if said else "the question"
        assert len(llm.requests) == calls, (
            f"{len(llm.requests)} calls after a 429 to {when}, expected {calls}: no answer, nothing to repair"
        )
        assert isinstance(seen, httpx.HTTPStatusError), (
            f"the provider answered 429 to {when}, but this came back: {seen!r}"
        )
