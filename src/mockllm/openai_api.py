"""OpenAI's wire format: what `POST /v1/chat/completions` refuses, and how it answers.

Source: https://platform.openai.com/docs/api-reference/chat
"""

import json
from collections.abc import Iterator
from typing import Any

from .catalog import Model
from .chat import Chat, count_tokens, names, text_of
from .errors import ApiError
from .frames import Frame
from .script import Reply, split_json

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARAMETERS = names(
    """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages
    metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier
    stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
    web_search_options"""
)
CREATED = 1_700_000_000
"""A fixed time, in seconds since 1970, so that answers are the same in every run."""


def read_chat(body: dict[str, Any], model: Model) -> Chat:
    """Check a request as the API does, and parse it.

    Raises:
        ApiError: with the status and the words of the real API.
    """
    for name in body:
        if name not in _PARAMETERS:
            raise _refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    messages = _read_messages(body)
    _check_temperature(body, model)
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise _refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    stop = body.get("stop") or []
    chat = Chat(
        provider="openai",
        model=model.name,
        messages=tuple(messages),
        system="",
        stream=body.get("stream") is True,
        max_tokens=_read_max_tokens(body, model),
        tools=tuple(tool.get("function", {}).get("name", "") for tool in body.get("tools") or []),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )
    if chat.prompt_tokens > model.context_tokens:
        raise _refused(
            f"This model's maximum context length is {model.context_tokens} tokens. However, your messages resulted "
            f"in {chat.prompt_tokens} tokens. Please reduce the length of the messages.",
            "messages",
            "context_length_exceeded",
        )
    return chat


def _refused(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code=code)


def _read_messages(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "messages" not in body:
        raise _refused("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    messages = body["messages"]
    if not isinstance(messages, list):
        raise _wrong_type("messages", "an array of objects", messages)
    if not messages:
        words = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise _refused(words, "messages", "empty_array")
    return _read_each(messages)


def _read_each(messages: list[Any]) -> Iterator[tuple[str, str]]:
    asked_for_tool = False
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if not isinstance(message, dict):
            raise _wrong_type(where, "an object", message)
        role, content = message.get("role"), message.get("content")
        if role is None:
            raise _refused(
                f"Missing required parameter: '{where}.role'.", f"{where}.role", "missing_required_parameter"
            )
        if role not in ROLES:
            known = ", ".join(f"'{name}'" for name in ROLES[:-1])
            words = f"Invalid value: '{role}'. Supported values are: {known}, and '{ROLES[-1]}'."
            raise _refused(words, f"{where}.role", "invalid_value")
        if role == "tool" and not asked_for_tool:
            words = (
                "Invalid parameter: messages with role 'tool' must be a response to a "
                "preceeding message with 'tool_calls'."  # spelled so by the real API
            )
            raise _refused(words, f"{where}.role")
        if not isinstance(content, (str, list)) and not (role == "assistant" and content is None):
            if content is None:
                words = f"Invalid value for 'content': expected a string, got null. ({where}.content)"
                raise _refused(words, f"{where}.content")
            raise _wrong_type(f"{where}.content", "one of a string or array of objects", content)
        asked_for_tool = role in ("assistant", "tool") and (asked_for_tool or bool(message.get("tool_calls")))
        yield role, text_of(content)


def _wrong_type(where: str, wanted: str, got: Any) -> ApiError:
    names = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
    }
    name = names.get(type(got), "null")
    return _refused(f"Invalid type for '{where}': expected {wanted}, but got {name} instead.", where, "invalid_type")


def _check_temperature(body: dict[str, Any], model: Model) -> None:
    temperature = body.get("temperature")
    if temperature is None:
        return
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)):
        raise _wrong_type("temperature", "a decimal", temperature)
    if not 0 <= temperature <= 2:
        side, bound = ("above maximum", "<= 2") if temperature > 2 else ("below minimum", ">= 0")
        words = f"Invalid 'temperature': decimal {side} value. Expected a value {bound}, but got {temperature} instead."
        raise _refused(words, "temperature", f"decimal_{side.replace(' ', '_')[:9]}_value")
    if not model.temperature and temperature != 1:
        words = (
            f"Unsupported value: 'temperature' does not support {temperature} with this model. "
            "Only the default (1) value is supported."
        )
        raise _refused(words, "temperature", "unsupported_value")


def _read_max_tokens(body: dict[str, Any], model: Model) -> int | None:
    if not model.temperature and body.get("max_tokens") is not None:
        words = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise _refused(words, "max_tokens", "unsupported_parameter")
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    limit = body.get(name)
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise _wrong_type(name, "an integer", limit)
    if limit < 1:
        words = f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {limit} instead."
        raise _refused(words, name, "integer_below_min_value")
    if limit > model.max_output_tokens:
        words = (
            f"{name} is too large: {limit}. This model supports at most {model.max_output_tokens} completion tokens, "
            f"whereas you provided {limit}."
        )
        raise _refused(words, name, "invalid_value")
    return limit


def answer(chat: Chat, reply: Reply, number: int) -> dict[str, Any]:
    """The body of an answer that does not stream. `number` is the call's place in line, for its id."""
    refused = reply.stop == "refusal"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused or (reply.tools and not reply.text) else reply.text,
        "refusal": reply.text if refused else None,
    }
    if reply.tools:
        message["tool_calls"] = [
            {
                "id": f"call_mock{number}_{i}",
                "type": "function",
                "function": {"name": tool.name, "arguments": json.dumps(tool.args, ensure_ascii=False)},
            }
            for i, tool in enumerate(reply.tools)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    return {
        "id": f"chatcmpl-mock{number}",
        "object": "chat.completion",
        "created": CREATED,
        "model": chat.model,
        "choices": [choice],
        "usage": _usage(chat, reply),
    }


def frames(chat: Chat, reply: Reply, number: int) -> Iterator[Frame]:
    """The events of an answer that streams; a frame that carries a token says so."""

    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        head = {
            "id": f"chatcmpl-mock{number}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": chat.model,
        }
        # With include_usage every chunk has the field, null but for the last.
        usage = {"usage": None} if chat.include_usage else {}
        return event({**head, "choices": choices, **usage, **more})

    def delta(change: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": change, "logprobs": None, "finish_reason": finish_reason}])

    where = "refusal" if reply.stop == "refusal" else "content"
    yield Frame(delta({"role": "assistant", "content": None if reply.tools else "", "refusal": None}))
    for piece in reply.pieces:
        yield Frame(delta({where: piece}), tokens=1)
    for i, tool in enumerate(reply.tools):
        opening = {"name": tool.name, "arguments": ""}
        yield Frame(
            delta(
                {"tool_calls": [{"index": i, "id": f"call_mock{number}_{i}", "type": "function", "function": opening}]}
            )
        )
        for part in split_json(tool.args):
            yield Frame(delta({"tool_calls": [{"index": i, "function": {"arguments": part}}]}), tokens=1)
    yield Frame(delta({}, _finish_reason(reply)))
    if chat.include_usage:
        yield Frame(chunk([], usage=_usage(chat, reply)))
    yield Frame(b"data: [DONE]\n\n", ends="answered")


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event, as OpenAI sends them: without a name."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def error_frame(error: ApiError) -> bytes:
    """An error in mid-stream: the status line said 200 long ago."""
    return event(error.body("openai", ""))


PING = b": ping\n\n"
"""OpenAI sends no keep-alives, but proxies in between do, as comment lines."""


def _finish_reason(reply: Reply) -> str:
    return {"length": "length", "tools": "tool_calls"}.get(reply.stop, "stop")


def _usage(chat: Chat, reply: Reply) -> dict[str, int]:
    output = len(reply.pieces) + sum(count_tokens(part) for tool in reply.tools for part in split_json(tool.args))
    return {
        "prompt_tokens": chat.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": chat.prompt_tokens + output,
    }
