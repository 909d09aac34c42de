# fails: 02.5
# says: prompt_tokens='7' is no count
"""Plain int, as pydantic is by default."""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field, ValidationInfo, field_validator

MOST = 1_000_000
Count = Annotated[int, Field(ge=0, le=MOST)]


class Bill(BaseModel):
    prompt_tokens: Count = Field(validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: Count = Field(validation_alias=AliasChoices("completion_tokens", "output_tokens"))
    cached_tokens: Count = 0
    total_tokens: int = Field(default=None, validate_default=True)

    @field_validator("cached_tokens")
    @classmethod
    def _part(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("prompt_tokens", value):
            raise ValueError("too many")
        return value

    @field_validator("total_tokens", mode="before")
    @classmethod
    def _adds_up(cls, value: Any, info: ValidationInfo) -> int:
        try:
            total = info.data["prompt_tokens"] + info.data["completion_tokens"]
        except KeyError:
            return 0
        if value is not None and (type(value) is not int or value != total):
            raise ValueError("is not the sum")
        return total
