"""What a call used, told to everybody who wants to know: the usage records, the metrics, the trace."""

import itertools
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from capstone.parts import production
from capstone.services import tracing

Prices = dict[str, tuple[float, float]]  # model -> dollars for a million tokens read, and written
# Lesson 06 counts dollars by a table that is given there; what is set here goes into it.
PRICES: Prices = getattr(sys.modules[production.Metrics.__module__], "PRICES", {})
PROCESS, NUMBERS = uuid.uuid4().hex, itertools.count()  # together an id of their own for each record


class Queue(Protocol):
    """Where records go: `services.usage.UsageQueue`."""

    def put(self, record: Any, /) -> None:
        """Hand a record over."""
        ...


@dataclass(slots=True)
class Used:
    """One call of a model, as `store.tables.UsageRecord` keeps it. No row yet: those cost, and this is the hot path."""

    tenant: str
    principal_id: str
    kind: str  # "chat", "embedding", "rag", "job"
    model: str
    provider: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    outcome: Literal["done", "left", "failed"] = "failed"
    estimated: bool = False  # counted by us, because the provider did not say
    cost_usd: float = 0.0
    seconds: float = 0.0
    at: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: f"{PROCESS}-{next(NUMBERS):x}")
    request_id: str = field(default_factory=production.REQUEST_ID.get)
    # For the trace alone.
    said: Mapping[str, Any] | None = None  # the answer in OpenAI's shape, or the chunks that ended it
    first_s: float | None = None  # until a stream began
    trouble: str = ""  # a word for what went wrong

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prompt_tokens + self.completion_tokens

    def read(self, usage: Mapping[str, Any], *, prompt: int, pieces: int) -> None:
        """Take the counts from what the provider said, or else from what we know ourselves."""
        said = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
        if type(said[0]) is int and type(said[1]) is int:
            self.prompt_tokens, self.completion_tokens = max(said[0], 0), max(said[1], 0)
        else:
            self.prompt_tokens, self.completion_tokens, self.estimated = prompt, pieces, True


@dataclass
class Meter:
    """Tells what a call used."""

    metrics: Any
    queue: Queue

    def start(self, used: Used, body: Mapping[str, Any]) -> Any:
        """Begin a span, if anybody traces."""
        return tracing.start(used, body)

    def end(self, used: Used, span: Any) -> None:
        """Tell everybody. Nothing here waits, so it may stand in a `finally` that is being cancelled."""
        used.seconds = time.time() - used.at
        if price := PRICES.get(used.model):
            used.cost_usd = (used.prompt_tokens * price[0] + used.completion_tokens * price[1]) / 1_000_000
        self.queue.put(used)
        if used.tokens:
            self.metrics.count_usage(used.model, used.prompt_tokens, used.completion_tokens)
        tracing.end(span, used)
        used.said = None  # the record waits for its batch, and the answer need not wait with it

    def failed(self, provider: str, error: Any) -> None:
        """Count a provider's failure."""
        self.metrics.count_error(provider, error)
        tracing.failed(provider, error)
