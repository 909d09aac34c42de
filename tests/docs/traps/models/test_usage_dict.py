"""Usage as a bare dict. The three sections are shown on the page of lesson 02."""

from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, Field, computed_field


def broken() -> Any:
    # --8<-- [start:broken]
    class ChatResponse(BaseModel):
        content: str
        usage: dict

    # --8<-- [end:broken]
    return ChatResponse


def repaired() -> Any:
    # --8<-- [start:repaired]
    class Usage(BaseModel):
        prompt_tokens: int = Field(ge=0, validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
        completion_tokens: int = Field(ge=0, validation_alias=AliasChoices("completion_tokens", "output_tokens"))

        @computed_field
        @property
        def total_tokens(self) -> int:
            return self.prompt_tokens + self.completion_tokens

    class ChatResponse(BaseModel):
        content: str
        usage: Usage

    # --8<-- [end:repaired]
    return ChatResponse


def test_any_dict_passes_and_the_bill_breaks_later() -> None:
    ChatResponse = broken()
    # --8<-- [start:seen]
    answer = ChatResponse(content="42", usage={"input_tokens": 3, "output_tokens": 5})
    with pytest.raises(KeyError):
        answer.usage["total_tokens"]
    # --8<-- [end:seen]


def test_a_typed_usage_reads_both_and_derives_the_total() -> None:
    ChatResponse = repaired()
    for usage in ({"input_tokens": 3, "output_tokens": 5}, {"prompt_tokens": 3, "completion_tokens": 5}):
        assert ChatResponse(content="42", usage=usage).usage.total_tokens == 8
