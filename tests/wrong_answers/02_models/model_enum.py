# fails: 02.2
# says: An Enum or Literal is made once

# >>> imports
from enum import StrEnum
# <<< imports

# >>> 02.3
def check_conversation(messages: list[Turn]) -> list[Turn]:
    """Return the messages, one or more, as they came; ValueError for a conversation no model should be paid for."""
    if any(turn.role == "system" for turn in messages[1:]):
        raise ValueError("only the first message may have the role system")
    if messages[-1].role != "user":
        raise ValueError("the last message must have the role user")
    if sum(len(text_of(turn)) for turn in messages) > MAX_REQUEST_CHARS:
        raise ValueError(f"the messages have more than {MAX_REQUEST_CHARS} characters together")
    return messages


Conversation = Annotated[Turns, AfterValidator(check_conversation)]


ModelName = StrEnum("ModelName", list(CATALOG))
# <<< 02.3

# >>> 02.2
model_config = ConfigDict(
    extra="forbid",
    json_schema_extra={"examples": [{"model": "mock-large", "messages": [{"role": "user", "content": "Why 42?"}]}]},
)
model: ModelName  # subtle: above the fields that are checked against it, or info.data does not have it yet
messages: Conversation
temperature: float | None = Field(default=None, ge=0, le=2)
max_tokens: int | None = Field(default=None, ge=1)
stream: bool = False

# Not a model validator: its errors would name no field.
@field_validator("model", "temperature", "max_tokens")
@classmethod
def _as_the_catalog_says(cls, value: Any, info: ValidationInfo) -> Any:
    card = CATALOG.get(value if info.field_name == "model" else info.data.get("model", ""))
    match info.field_name:
        case "model" if card is None:
            raise ValueError(f"must be one of {', '.join(CATALOG)}")
        case "temperature" if card and value is not None and not card.takes_temperature:
            raise ValueError("this model does not take a temperature")
        case "max_tokens" if card and value is not None and value > card.max_tokens:
            raise ValueError(f"this model writes at most {card.max_tokens} tokens")
    return value
# <<< 02.2
