# fails: 02.2
# says: not that it may be left out

# >>> 02.2
model_config = ConfigDict(
    extra="forbid",
    json_schema_extra={"examples": [{"model": "mock-large", "messages": [{"role": "user", "content": "Why 42?"}]}]},
)
model: str  # subtle: above the fields that are checked against it, or info.data does not have it yet
messages: Conversation
temperature: Annotated[float, Field(ge=0, le=2)] | None
max_tokens: Annotated[int, Field(ge=1)] | None
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
