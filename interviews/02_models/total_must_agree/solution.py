"""Interview - a bill that must add up."""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field, ValidationInfo, field_validator

MOST = 1_000_000


class Bill(BaseModel):
    """Tokens that somebody pays for, as a provider reports them."""

    # TODO 02.5: four counts under the names of two providers, which agree with each other.
    # >>> solution
    prompt_tokens: Annotated[int, Field(strict=True, ge=0, le=MOST)] = Field(
        validation_alias=AliasChoices("prompt_tokens", "input_tokens")
    )
    completion_tokens: Annotated[int, Field(strict=True, ge=0, le=MOST)] = Field(
        validation_alias=AliasChoices("completion_tokens", "output_tokens")
    )
    # Subtle: below the fields they are checked against, and checked also where nothing was sent.
    cached_tokens: int = Field(default=0, strict=True, ge=0, le=MOST)
    total_tokens: int = Field(default=None, validate_default=True)  # pyright: ignore[reportAssignmentType]

    @field_validator("cached_tokens")
    @classmethod
    def _part_of_the_prompt(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("prompt_tokens", value):
            raise ValueError("more tokens came from the cache than were sent")
        return value

    @field_validator("total_tokens", mode="before")
    @classmethod
    def _adds_up(cls, value: Any, info: ValidationInfo) -> int:
        try:
            total = info.data["prompt_tokens"] + info.data["completion_tokens"]
        except KeyError:
            return 0  # a count was refused: there is nothing to compare with
        if value is not None and (type(value) is not int or value != total):
            raise ValueError("is not the sum of prompt and completion")
        return total

    # --- stub
    # def __init__(self, **data: object) -> None:
    #     raise NotImplementedError("TODO 02.5")
    # <<< solution
