"""OpenAI's API, and all that speaks it. What comes back is passed on, and looked at for what we have to know."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from capstone.errors import ProviderError, refusal
from capstone.parts import streams
from capstone.services import tracing
from capstone.services.providers.wire import Answer, Wire

LIST_S = 10.0  # for the list of models: the start waits for it


@dataclass(slots=True)
class Completion:
    """An answer in OpenAI's shape, as it goes out, and what it used."""

    body: bytes
    usage: Mapping[str, Any]  # "prompt_tokens", "completion_tokens"; empty if the provider did not say
    said: Mapping[str, Any]  # the answer itself


@dataclass
class Deltas:
    """An answer that streams. Iterate `frames` once; `usage` and `pieces` grow meanwhile."""

    frames: AsyncIterator[bytes] = field(init=False)
    close: Callable[[], Awaitable[None]]  # leaves; the provider sees it, unless all was read
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pieces: int = 0  # that carried text or part of a tool call
    tells_usage: bool = True  # whether the event that brings nothing else is passed on
    said: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the chunk that ended it; of several, as one


@dataclass(frozen=True)
class OpenAIProvider:
    """A provider that speaks OpenAI's API."""

    name: str
    wire: Wire
    url: str  # "https://api.openai.com/v1"
    headers: Mapping[str, str] = field(repr=False)
    whole_s: float = 300.0  # until an answer that does not stream
    first_s: float = 120.0  # until a stream begins
    next_s: float = 60.0  # between two pieces of it

    def lacks(self, asked: Mapping[str, Any]) -> str | None:
        """Return what of a request it cannot do: nothing, what it knows is its own business."""
        return None

    async def complete(self, asked: Mapping[str, Any]) -> Completion:
        """Answer a conversation."""
        body, said = await self._fetch("POST", "/chat/completions", asked, self.whole_s)
        if not isinstance(said.get("choices"), list) or not said["choices"]:
            raise ProviderError("an answer without choices")
        return Completion(body, said.get("usage") or {}, said)

    async def embed(self, asked: Mapping[str, Any]) -> Completion:
        """Turn texts into vectors."""
        body, said = await self._fetch("POST", "/embeddings", asked, self.whole_s)
        if not isinstance(said.get("data"), list):
            raise ProviderError("an answer without data")
        return Completion(body, said.get("usage") or {}, said)

    async def models(self) -> list[str]:
        """Return the names of the models that it has, the newest first."""
        _, said = await self._fetch("GET", "/models", None, LIST_S)
        try:
            found = sorted(said["data"], key=lambda one: -(one.get("created") or 0))
            return [one["id"] for one in found]
        except (KeyError, TypeError, AttributeError) as error:
            raise ProviderError("a list of models that is none") from error

    async def stream(self, asked: Mapping[str, Any]) -> Deltas:
        """Open an answer that streams; its status has come."""
        answer = await self._send("POST", "/chat/completions", asked, self.first_s)
        deltas = Deltas(answer.close)
        deltas.frames = frames(deltas, answer.chunks(self.first_s, self.next_s))
        return deltas

    async def _fetch(
        self, method: str, path: str, asked: Mapping[str, Any] | None, silence_s: float
    ) -> tuple[bytes, dict[str, Any]]:
        answer = await self._send(method, path, asked, silence_s)
        try:
            body = await answer.read()
        finally:
            await answer.close()
        try:
            said = from_json(body)
        except ValueError as error:
            raise ProviderError("an answer that is no JSON") from error
        if not isinstance(said, dict):
            raise ProviderError("an answer that is no JSON object")
        return body, said

    async def _send(self, method: str, path: str, asked: Mapping[str, Any] | None, silence_s: float) -> Answer:
        body = None if asked is None else to_json(asked)
        answer = await self.wire.send(method, self.url + path, tracing.passed_on(self.headers), body, silence_s)
        if answer.status == 200:
            return answer
        try:
            said = await answer.read()
        except ProviderError:
            said = b""  # its status is enough
        finally:
            await answer.close()
        raise refusal(self.name, answer.status, said, answer.retry_after_s)


async def frames(deltas: Deltas, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a provider's events as they go out, up to its end mark, which we write ourselves.

    Raises:
        ProviderError: it reports an error, sends what is no chunk, or ends without the mark.
    """
    async for event in streams.parse_events(chunks):
        data = event.data
        if data == "[DONE]":
            return
        try:
            chunk = from_json(data)
            choices, usage = chunk.get("choices"), chunk.get("usage")
        except (ValueError, AttributeError) as error:
            raise ProviderError("an event that is no JSON object") from error
        if choices is None or "error" in chunk:
            raise refusal("the stream of a provider", 200, data.encode(), None)
        if usage:
            deltas.usage = usage
            if not choices and not deltas.tells_usage:
                continue
        for choice in choices:
            delta = choice.get("delta") or {}
            deltas.pieces += bool(delta.get("content") or delta.get("tool_calls"))
            if choice.get("finish_reason"):
                deltas.said = {**chunk, "choices": [*deltas.said.get("choices", ()), choice]}
        yield b"data: " + data.encode() + b"\n\n"
    raise ProviderError("the stream ended without its end mark")
