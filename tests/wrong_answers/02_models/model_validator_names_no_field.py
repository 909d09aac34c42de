# fails: 02.2, 02.3
# says: An error without a name comes from a model validator

# >>> imports
from typing import Self

from pydantic import model_validator
# <<< imports

# >>> 02.2
model_config = ConfigDict(
    extra="forbid",
    json_schema_extra={"examples": [{"model": "mock-large", "messages": [{"role": "user", "content": "Why 42?"}]}]},
)
model: str  # subtle: above the fields that are checked against it, or info.data does not have it yet
messages: Turns
temperature: float | None = Field(default=None, ge=0, le=2)
max_tokens: int | None = Field(default=None, ge=1)
stream: bool = False

@model_validator(mode="after")
def check(self) -> Self:
    card = CATALOG.get(self.model)
    if card is None:
        raise ValueError(f"model must be one of {', '.join(CATALOG)}")
    if self.temperature is not None and not card.takes_temperature:
        raise ValueError("this model does not take a temperature")
    if self.max_tokens is not None and self.max_tokens > card.max_tokens:
        raise ValueError(f"this model writes at most {card.max_tokens} tokens")
    check_conversation(self.messages)
    return self
# <<< 02.2
