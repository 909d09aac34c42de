"""What one answer does: its content, and everything that goes wrong with it.

llm.reply("Hello")                                      # content
llm.tokens(["Hel", "lo"]).slow(cadence_s=1).cut(after=1)  # content, then faults
llm.fail(429, retry_after=2, times=3)                   # an error for the next three calls
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from .bell import Bell
from .catalog import Kind
from .chat import Chat, split_tokens
from .gate import Gate
from .requests import Request

Stop = Literal["end", "length", "tools", "refusal", "sequence"]
Split = Literal["bytes", "utf8", "crlf", "frames", "whole"] | int | Sequence[int]


@dataclass(frozen=True)
class Failure:
    """An error that the provider answers with. What is None gets the real API's words for that status."""

    status: int
    retry_after: float | None = None
    message: str | None = None
    type: str | None = None
    code: str | None = None
    after: int | None = None
    """Tokens that are streamed first; None fails instead of answering."""


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants called, with its arguments as a JSON object."""

    name: str
    args: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the model says, before a wire format is chosen."""

    pieces: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    stop: Stop = "end"
    stop_sequence: str | None = None

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)


@dataclass
class Script:
    """One scripted answer. Every method returns the script, so that calls chain; `step` returns its gate."""

    bell: Bell = field(default_factory=Bell, repr=False)
    pieces: list[str] | None = None
    tools: list[ToolCall] = field(default_factory=list)
    stop: Stop = "end"
    failure: Failure | None = None
    html_status: int | None = None
    first_token_s: float = 0.0
    cadence_s: float = 0.0
    hang_after: int | None = None
    cut_after: int | None = None
    cut_reset: bool = False
    cut_inside: bool = False
    disconnects: bool = False
    garble_after: int | None = None
    split_how: Split | None = None
    pings: int = 0
    token_gate: Gate | None = None
    uses: int | None = 1
    """How many more calls it answers; None is without end."""
    matches: Callable[[Request], bool] | None = None
    kind: Kind | None = None

    def reply(self, text: str) -> Self:
        """Say `text`, a word per token."""
        return self.tokens(split_tokens(text))

    def tokens(self, pieces: Sequence[str]) -> Self:
        """Say exactly these tokens, in a stream one event each."""
        self.pieces = list(pieces)
        return self

    def tool_call(self, name: str, args: dict[str, Any] | None = None) -> Self:
        """Ask for a tool. Call it again for a second tool in the same answer."""
        self.tools.append(ToolCall(name, args or {}))
        self.stop = "tools"
        self.pieces = self.pieces or []
        return self

    def refuse(self, text: str = "I can't help with that.") -> Self:
        """Refuse: OpenAI puts `text` into `refusal` and None into `content`, Anthropic stops for `refusal`."""
        self.stop = "refusal"
        return self.reply(text)

    def truncate(self, text: str) -> Self:
        """Say `text` and stop there because `max_tokens` is reached."""
        self.stop = "length"
        return self.reply(text)

    def fail(
        self,
        status: int,
        *,
        retry_after: float | None = None,
        times: int | None = None,
        after: int | None = None,
        message: str | None = None,
        type: str | None = None,
        code: str | None = None,
    ) -> Self:
        """Answer with an error in the provider's own form.

        Args:
            status: 400, 401, 403, 404, 413, 429, 500, 503, 529 have the real API's words; any other works too.
            retry_after: seconds, sent as the header `retry-after`.
            times: fail this many calls.
            after: answer 200 and stream this many tokens first, then send the error inside the stream.
            message: in place of the usual words.
            type: in place of the usual `error.type`.
            code: in place of the usual `error.code`, which only OpenAI has.
        """
        self.failure = Failure(status, retry_after, message, type, code, after)
        return self if times is None else self.times(times)

    def html(self, status: int = 502) -> Self:
        """Answer with the HTML page of a proxy in between, as load balancers do."""
        self.html_status = status
        return self

    def slow(self, *, first_token_s: float = 0.0, cadence_s: float = 0.0) -> Self:
        """Take `first_token_s` seconds of loop time for the first token and `cadence_s` for each further one."""
        self.first_token_s, self.cadence_s = first_token_s, cadence_s
        return self

    def hang(self, after: int = 0) -> Self:
        """Fall silent for good: before the status line, or in a stream `after` tokens."""
        self.hang_after = after
        return self

    def cut(self, after: int = 0, *, reset: bool = False, inside: bool = False) -> Self:
        """Break off `after` tokens: no end marker.

        Args:
            after: tokens that still arrive.
            reset: the connection is reset; otherwise the body ends as if all were well.
            inside: half of the next event still arrives.
        """
        self.cut_after, self.cut_reset, self.cut_inside = after, reset, inside
        return self

    def disconnect(self) -> Self:
        """Reset the connection before the status line: the client has no answer at all."""
        self.disconnects = True
        return self

    def garble(self, after: int = 0) -> Self:
        """Send broken JSON in place of the event that follows `after` tokens, or as the body if nothing streams."""
        self.garble_after = after
        return self

    def split(self, how: Split) -> Self:
        """Choose where the body is cut into chunks.

        Args:
            how: "bytes" one byte each; "utf8" inside every character of more than one byte; "crlf" lines end in
                CRLF and every pair is cut in the middle; "frames" from the middle of one event to the middle of the
                next; "whole" all that is ready at once; an int, chunks of so many bytes; a list of ints, cuts at these
                offsets in bytes.
        """
        self.split_how = how
        return self

    def ping(self, times: int = 1) -> Self:
        """Send `times` keep-alives before every token: Anthropic's `ping` event, for OpenAI a comment line."""
        self.pings = times
        return self

    def step(self) -> Gate:
        """Hold every token until the test releases it. In a call that does not stream, hold the answer."""
        self.token_gate = Gate(self.bell, "tokens")
        return self.token_gate

    def times(self, n: int | None) -> Self:
        """Answer `n` calls this way; None is every call from now on."""
        self.uses = n
        return self

    def only(self, kind: Kind) -> Self:
        """Answer only calls to chat ("chat") or only those to embeddings ("embedding")."""
        self.kind = kind
        return self

    def fits(self, request: Request) -> bool:
        """Whether this script answers `request`: words are no answer to a call for embeddings."""
        kind = "chat" if request.chat is not None else "embedding"
        speaks = self.pieces is not None or self.tools
        if kind != (self.kind or ("chat" if speaks else kind)):
            return False
        return self.matches is None or self.matches(request)

    def reply_to(self, chat: Chat, default: Callable[[Chat], str]) -> Reply:
        """What is said to `chat`: held to its `max_tokens` and its stop sequences, as the real model is."""
        pieces = split_tokens(default(chat)) if self.pieces is None else list(self.pieces)
        stop, sequence = self.stop, None
        text = "".join(pieces)
        found = [(text.index(word), word) for word in chat.stop if word and word in text]
        if found:
            at, sequence = min(found)
            pieces, stop = _first_characters(pieces, at), "sequence"
        if chat.max_tokens is not None and len(pieces) > chat.max_tokens:
            pieces, stop, sequence = pieces[: chat.max_tokens], "length", None
        return Reply(tuple(pieces), tuple(self.tools), stop, sequence)


def _first_characters(pieces: list[str], n: int) -> list[str]:
    kept: list[str] = []
    for piece in pieces:
        if n <= 0:
            break
        kept.append(piece[:n])
        n -= len(piece)
    return kept


def split_json(args: dict[str, Any]) -> list[str]:
    """The JSON of a tool's arguments, in the pieces in which a stream sends it."""
    text = json.dumps(args, ensure_ascii=False)
    return [text[i : i + 8] for i in range(0, len(text), 8)]
