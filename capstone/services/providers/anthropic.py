"""Anthropic's API, by lessons 03 and 04, in OpenAI's shape. Text alone: what it cannot carry over, it refuses."""

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
from pydantic_core import to_json

from capstone.errors import ProviderError, refusal
from capstone.parts import calls, streams
from capstone.services.providers.openai import LIST_S, Completion, Deltas

KNOWN = {"model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options", "n"}
IGNORED = {"user", "safety_identifier", "metadata", "prompt_cache_key", "temperature"}  # none changes what is said
FINISH_REASONS = {"max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}


@dataclass(frozen=True)
class AnthropicProvider:
    """A provider that speaks Anthropic's Messages API."""

    http: httpx.AsyncClient
    url: str
    key: str = field(repr=False)
    first_s: float = 120.0
    next_s: float = 60.0
    default_tokens: int = 4_096  # an answer must have a limit here, and not every request names one
    name: str = "anthropic"

    def lacks(self, asked: Mapping[str, Any]) -> str | None:
        """Return the name of something in a request that it cannot do."""
        for name, value in asked.items():
            if (value is not None and name not in KNOWN | IGNORED) or (name == "n" and value not in (None, 1)):
                return name
        plain = all(isinstance(text_of(turn), str) and "tool_calls" not in turn for turn in asked.get("messages", ()))
        return None if plain else "messages"

    async def complete(self, asked: Mapping[str, Any]) -> Completion:
        """Answer a conversation."""
        llm = calls.AnthropicLLM(self.http, self._settings(asked["model"]))
        try:
            reply = await llm.generate(turns(asked), max_tokens=self._limit(asked))
        except calls.LLMError as error:  # its text is the provider's own, which may quote the prompt
            words = f"anthropic answered {error.status}" if error.status else "no answer from anthropic"  # type: ignore[attr-defined]
            raise ProviderError(words, error.status, error.retry_after_s) from None  # type: ignore[attr-defined]
        usage = {"prompt_tokens": reply.usage.prompt_tokens, "completion_tokens": reply.usage.completion_tokens}
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
        head = {"id": new_id(), "object": "chat.completion", "created": int(time.time()), "model": reply.model}
        said = {**head, "choices": [choice], "usage": with_total(usage)}
        return Completion(to_json(said), usage, said)

    async def stream(self, asked: Mapping[str, Any]) -> Deltas:
        """Open an answer that streams."""
        said = [one.model_dump() for one in turns(asked)]  # type: ignore[attr-defined]
        body: dict[str, Any] = {"model": asked["model"], "max_tokens": self._limit(asked), "stream": True}
        body["messages"] = [one for one in said if one["role"] != "system"]
        if system := "\n\n".join(one["content"] for one in said if one["role"] == "system"):
            body["system"] = system
        headers = {"authorization": f"Bearer {self.key}", "anthropic-version": "2026-10-21"}
        patience = httpx.Timeout(self.http.timeout.connect, read=self.first_s)
        request = self.http.build_request(
            "POST", f"{self.url}/v1/messages", headers=headers, json=body, timeout=patience
        )
        try:
            response = await self.http.send(request, stream=True)
        except httpx.RequestError as error:
            raise ProviderError(f"no answer: {error!r}") from error
        if response.status_code != 200:
            try:
                text = await response.aread()
            except httpx.RequestError:
                text = b""  # its status is enough
            finally:
                await response.aclose()
            raise refusal(self.name, response.status_code, text, calls.read_retry_after(response.headers))
        deltas = Deltas(response.aclose)
        parts = streams.anthropic_parts(streams.parse_events(response.aiter_bytes()))
        timed = streams.with_deadlines(parts, first_s=self.first_s, next_s=self.next_s)
        deltas.frames = frames(deltas, timed, asked["model"])
        return deltas

    async def embed(self, asked: Mapping[str, Any]) -> Completion:
        """Refuse: there is no such API."""
        raise ProviderError("anthropic makes no embeddings", 400)

    async def models(self) -> list[str]:
        """Return the names of the models that it has."""
        headers = {"x-api-key": self.key, "authorization": f"Bearer {self.key}", "anthropic-version": "2026-10-21"}
        try:
            response = await self.http.get(f"{self.url}/v1/models", headers=headers, timeout=LIST_S)
            return [one["id"] for one in response.raise_for_status().json()["data"]]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ProviderError(f"no list of models: {error!r}") from error

    def _settings(self, model: str) -> Any:
        return calls.Settings(anthropic_url=self.url, anthropic_key=self.key, model=model)

    def _limit(self, asked: Mapping[str, Any]) -> int:
        return asked.get("max_completion_tokens") or asked.get("max_tokens") or self.default_tokens


async def frames(deltas: Deltas, parts: AsyncIterator[Any], model: str) -> AsyncIterator[bytes]:
    """Yield OpenAI's chunks for the parts of an answer.

    Raises:
        ProviderError: the connection broke.
        UpstreamError: the provider reports an error, is silent for too long, or breaks off.
    """
    head = {"id": new_id(), "object": "chat.completion.chunk", "created": int(time.time()), "model": model}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return b"data: " + to_json({**head, "choices": [choice]}) + b"\n\n"

    yield chunk({"role": "assistant", "content": ""})
    try:
        async for part in parts:
            if isinstance(part, streams.Finish):
                deltas.usage = {"prompt_tokens": part.input_tokens, "completion_tokens": part.output_tokens or 0}
                reason = FINISH_REASONS.get(part.stop, "stop")
                deltas.said = {**head, "choices": [{"finish_reason": reason}]}
                yield chunk({}, reason)
                if deltas.tells_usage:
                    last = {**head, "choices": [], "usage": with_total(deltas.usage)}
                    yield b"data: " + to_json(last) + b"\n\n"
            else:
                deltas.pieces += 1
                yield chunk({"content": part})
    except httpx.RequestError as error:
        raise ProviderError(f"the answer broke off: {error!r}") from error


def turns(asked: Mapping[str, Any]) -> list[Any]:
    """Return the conversation as lesson 03 knows it."""
    names = {"developer": "system"}
    return [
        calls.Message(role=names.get(turn["role"], turn["role"]), content=text_of(turn)) for turn in asked["messages"]
    ]


def text_of(turn: Mapping[str, Any]) -> str | None:
    """Return what a turn says, None if that is not text alone."""
    content = turn.get("content")
    if isinstance(content, list):
        if all(isinstance(part, dict) and part.get("type") == "text" for part in content):
            return "".join(part["text"] for part in content)
        return None
    return content if turn.get("role") in ("system", "developer", "user", "assistant") else None


def with_total(usage: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts and their sum."""
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def new_id() -> str:
    """Make the id of an answer."""
    return f"chatcmpl-{uuid.uuid4().hex}"
