# fails: 02.5
# says: neither taken nor replaced in silence
"""As lesson 02 has it: the total is derived, whatever was sent."""

from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field, ValidationInfo, computed_field, field_validator

MOST = 1_000_000
Count = Annotated[int, Field(strict=True, ge=0, le=MOST)]


class Bill(BaseModel):
    prompt_tokens: Count = Field(validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: Count = Field(validation_alias=AliasChoices("completion_tokens", "output_tokens"))
    cached_tokens: Count = 0

    @field_validator("cached_tokens")
    @classmethod
    def _part(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("prompt_tokens", value):
            raise ValueError("too many")
        return value

    @computed_field
    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens
