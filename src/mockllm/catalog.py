"""The models of the fake, with what each can do. Invented names: real ones are retired within a year."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["chat", "embedding"]


@dataclass(frozen=True)
class Model:
    """One model and its limits, in tokens."""

    name: str
    kind: Kind = "chat"
    context_tokens: int = 200_000
    max_output_tokens: int = 64_000
    temperature: bool = True
    """Whether OpenAI's API takes any temperature but 1, and `max_tokens` by its old name."""
    dimensions: int = 0
    """Length of an embedding; 0 for a chat model."""


CATALOG: dict[str, Model] = {
    model.name: model
    for model in (
        Model("mock-large"),
        Model("mock-small", context_tokens=32_000, max_output_tokens=4_096),
        Model("mock-reason", temperature=False),
        Model("mock-embed", kind="embedding", context_tokens=8_192, max_output_tokens=0, dimensions=1_024),
    )
}
