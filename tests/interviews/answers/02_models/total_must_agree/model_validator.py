# fails: 02.5
# says: a model validator cannot say which field it means
"""One validator over everything, after the fields."""

from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, Field, model_validator

MOST = 1_000_000
Count = Annotated[int, Field(strict=True, ge=0, le=MOST)]


class Bill(BaseModel):
    prompt_tokens: Count = Field(validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: Count = Field(validation_alias=AliasChoices("completion_tokens", "output_tokens"))
    cached_tokens: Count = 0
    total_tokens: int | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        total = self.prompt_tokens + self.completion_tokens
        if self.cached_tokens > self.prompt_tokens or self.total_tokens not in (None, total):
            raise ValueError("does not add up")
        self.total_tokens = total
        return self
