"""What the fake remembers of a call."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from .chat import Chat, Provider

State = Literal["open", "answered", "abandoned", "broken"]


class Headers(dict[str, str]):
    """Header values by name, whatever the case of the name."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in pairs:
            key = name.lower()
            # Twice the same header is one header with both values: RFC 9110, section 5.3.
            self[key] = f"{super().__getitem__(key)}, {value}" if key in self else value

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header, `default` if it was not sent."""
        return super().get(name.lower(), default)


@dataclass
class Request:
    """One call as the provider saw it, and what became of it."""

    method: str
    url: str
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    at: float
    """Seconds on the clock of the caller's event loop (without one `time.monotonic()`) when it arrived."""
    provider: Provider | None = None
    chat: Chat | None = field(default=None, repr=False)
    """The parsed chat; None for another endpoint or a request that was rejected."""
    id: str = ""
    """The request id that the response carries."""
    status: int | None = None
    """The status of the answer; None while it waits for one."""
    streamed: bool = False
    """Whether the answer is an event stream."""
    tokens_sent: int = 0
    """Tokens that were handed to the client."""
    state: State = "open"
    """open, answered, abandoned (the client left first) or broken (the script broke it off)."""
    ended_at: float | None = None
    blocked_loop: bool = False
    """Whether a blocking client was called on the thread of a running event loop: it stands still meanwhile."""
    client: str = ""
    """Which way it came: over a socket the connection's address and port, through respx a number for the client
    object. Calls that share a connection or a client object have the same."""

    @cached_property
    def json(self) -> Any:
        """The body, parsed.

        Raises:
            json.JSONDecodeError: it is not JSON.
        """
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """What a script's condition is looked for in: the prompt of a chat, the inputs of an embedding."""
        if self.chat is not None:
            return self.chat.prompt
        inputs = self.json.get("input", "") if self.path == "/v1/embeddings" else ""
        return "\n".join(map(str, inputs)) if isinstance(inputs, list) else str(inputs)

    @property
    def key(self) -> str:
        """The API key that was sent, "" if none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else self.headers.get("x-api-key", "")
