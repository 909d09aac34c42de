"""Anthropic's wire format: what `POST /v1/messages` refuses, and how it answers.

Source: https://docs.claude.com/en/api/messages and /en/api/messages-streaming
"""

import json
from collections.abc import Iterator
from typing import Any

from .catalog import Model
from .chat import Chat, count_tokens, names, text_of
from .errors import ApiError
from .frames import Frame
from .requests import Headers
from .script import Reply, split_json

VERSIONS = ("2023-06-01", "2026-10-21")
NO_SAMPLING_SINCE = "2026-10-21"
"""The first version without `temperature`, `top_p` and `top_k`."""
_SAMPLING = ("temperature", "top_k", "top_p")
_PARAMETERS = names(
    """cache_control container diagnostics inference_geo max_tokens messages metadata model output_config prefill
    service_tier speed stop_sequences stream system thinking tool_choice tools user_profile_id workspace_id"""
)


def check_version(headers: Headers) -> str:
    """The API version that was asked for.

    Raises:
        ApiError: the header is missing or names no version.
    """
    version = headers.get("anthropic-version")
    if version is None:
        raise ApiError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{version}" is not a valid version')
    return version


def read_chat(body: dict[str, Any], model: Model, version: str, *, counting: bool = False) -> Chat:
    """Check a request as the API does, and parse it. `counting`: for `count_tokens`, which wants no `max_tokens`.

    Raises:
        ApiError: with the status and the words of the real API.
    """
    sampling = () if version >= NO_SAMPLING_SINCE else _SAMPLING
    for name in body:
        if name not in _PARAMETERS and name not in sampling:
            raise ApiError(400, f"{name}: Extra inputs are not permitted")
    max_tokens = None if counting else _read_max_tokens(body, model)
    messages = tuple(_read_messages(body))
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise ApiError(400, "temperature: range: 0..1")
    system = body.get("system", "")
    if not isinstance(system, (str, list)):
        raise ApiError(400, "system: Input should be a valid string")
    chat = Chat(
        provider="anthropic",
        model=model.name,
        messages=messages,
        system=text_of(system),
        stream=body.get("stream") is True,
        max_tokens=max_tokens,
        tools=tuple(tool.get("name", "") for tool in body.get("tools") or []),
        stop=tuple(body.get("stop_sequences") or ()),
    )
    if chat.prompt_tokens > model.context_tokens:
        raise ApiError(400, f"prompt is too long: {chat.prompt_tokens} tokens > {model.context_tokens} maximum")
    return chat


def _read_max_tokens(body: dict[str, Any], model: Model) -> int:
    if "max_tokens" not in body:
        raise ApiError(400, "max_tokens: Field required")
    limit = body["max_tokens"]
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise ApiError(400, "max_tokens: Input should be a valid integer")
    if limit < 0:  # 0 is allowed: it fills the prompt cache and answers nothing
        raise ApiError(400, "max_tokens: Input should be greater than or equal to 0")
    if limit > model.max_output_tokens:
        raise ApiError(
            400,
            f"max_tokens: {limit} > {model.max_output_tokens}, "
            f"which is the maximum allowed number of output tokens for {model.name}",
        )
    return limit


def _read_messages(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "messages" not in body:
        raise ApiError(400, "messages: Field required")
    messages = body["messages"]
    if not isinstance(messages, list):
        raise ApiError(400, "messages: Input should be a valid list")
    if not messages:
        raise ApiError(400, "messages: at least one message is required")
    for i, message in enumerate(messages):
        if not isinstance(message, dict):
            raise ApiError(400, f"messages.{i}: Input should be a valid dictionary")
        role, content = message.get("role"), message.get("content")
        if role is None:
            raise ApiError(400, f"messages.{i}.role: Field required")
        if role == "system":
            raise ApiError(
                400,
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
                'not "system" as an input message role.',
            )
        if role not in ("user", "assistant"):
            raise ApiError(400, f"messages.{i}.role: Input should be 'user' or 'assistant'")
        if content is None:
            raise ApiError(400, f"messages.{i}.content: Field required")
        if not isinstance(content, (str, list)):
            raise ApiError(400, f"messages.{i}.content: Input should be a valid string or list")
        if not content:
            raise ApiError(400, f"messages.{i}: {role} messages must have non-empty content")
        if isinstance(content, list) and any(_is_empty_text(part) for part in content):
            raise ApiError(400, "messages: text content blocks must be non-empty")
        yield role, text_of(content)


def _is_empty_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and not part.get("text")


def answer(chat: Chat, reply: Reply, number: int) -> dict[str, Any]:
    """The body of an answer that does not stream. `number` is the call's place in line, for its id."""
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    content += [
        {"type": "tool_use", "id": f"toolu_mock{number}_{i}", "name": tool.name, "input": tool.args}
        for i, tool in enumerate(reply.tools)
    ]
    return {
        **_message(chat, number),
        "content": content,
        **_stop(reply),
        "usage": {"input_tokens": chat.prompt_tokens, "output_tokens": _output_tokens(reply)},
    }


def frames(chat: Chat, reply: Reply, number: int) -> Iterator[Frame]:
    """The events of an answer that streams; a frame that carries a token says so."""
    usage = {"input_tokens": chat.prompt_tokens, "output_tokens": 1}
    opening = {**_message(chat, number), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield Frame(event("message_start", message=opening))
    index = 0
    if reply.pieces or not reply.tools:
        yield Frame(event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
        yield Frame(PING)
        for piece in reply.pieces:
            yield Frame(event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}), tokens=1)
        yield Frame(event("content_block_stop", index=0))
        index = 1
    for i, tool in enumerate(reply.tools):
        block = {"type": "tool_use", "id": f"toolu_mock{number}_{i}", "name": tool.name, "input": {}}
        yield Frame(event("content_block_start", index=index + i, content_block=block))
        for part in split_json(tool.args):
            change = {"type": "input_json_delta", "partial_json": part}
            yield Frame(event("content_block_delta", index=index + i, delta=change), tokens=1)
        yield Frame(event("content_block_stop", index=index + i))
    yield Frame(event("message_delta", delta=_stop(reply), usage={"output_tokens": _output_tokens(reply)}))
    yield Frame(event("message_stop"), ends="answered")


def event(kind: str, **data: Any) -> bytes:
    """One server-sent event with its name: Anthropic's clients ignore an event that has none."""
    body = json.dumps({"type": kind, **data}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {body}\n\n".encode()


def error_frame(error: ApiError) -> bytes:
    """An error in mid-stream: the status line said 200 long ago."""
    return event("error", error={"type": error.type, "message": error.message})


PING = event("ping")


def _message(chat: Chat, number: int) -> dict[str, Any]:
    return {"id": f"msg_mock{number}", "type": "message", "role": "assistant", "model": chat.model}


def _stop(reply: Reply) -> dict[str, Any]:
    reasons = {"length": "max_tokens", "tools": "tool_use", "refusal": "refusal", "sequence": "stop_sequence"}
    return {"stop_reason": reasons.get(reply.stop, "end_turn"), "stop_sequence": reply.stop_sequence}


def _output_tokens(reply: Reply) -> int:
    return len(reply.pieces) + sum(count_tokens(part) for tool in reply.tools for part in split_json(tool.args))
