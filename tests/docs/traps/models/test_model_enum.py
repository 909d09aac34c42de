"""Models as an enumeration in code. The three sections are shown on the page of lesson 02."""

# ruff: noqa: UP042 - the enumeration as it was written for years

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator


def broken() -> tuple[Any, Any]:
    # --8<-- [start:broken]
    class ModelName(str, Enum):
        SMALL = "mock-small"
        REASON = "mock-reason"

    class ChatRequest(BaseModel):
        model: ModelName = ModelName.SMALL
        temperature: float = Field(default=0.7, ge=0, le=2)
        max_tokens: int = Field(default=1_024, ge=1, le=4_096)

    # --8<-- [end:broken]
    return ModelName, ChatRequest


def repaired() -> Any:
    # --8<-- [start:repaired]
    @dataclass(frozen=True)
    class ModelCard:
        max_tokens: int
        takes_temperature: bool = True

    catalog = {
        "mock-small": ModelCard(max_tokens=4_096),
        "mock-reason": ModelCard(max_tokens=64_000, takes_temperature=False),
    }

    class ChatRequest(BaseModel):
        model: str
        temperature: float | None = Field(default=None, ge=0, le=2)

        @field_validator("model")
        @classmethod
        def is_served(cls, name: str) -> str:
            if name not in catalog:
                raise ValueError(f"must be one of {', '.join(catalog)}")
            return name

    # --8<-- [end:repaired]
    return ChatRequest


def test_the_enum_prints_its_python_name_and_every_model_gets_a_temperature() -> None:
    ModelName, ChatRequest = broken()
    # --8<-- [start:seen]
    assert f"asking {ModelName.SMALL}" == "asking ModelName.SMALL"

    # Nobody asked for a temperature, and this model refuses every one.
    request = ChatRequest(model="mock-reason")
    assert request.model_dump(mode="json")["temperature"] == 0.7
    # --8<-- [end:seen]


def test_a_catalog_names_what_is_served_and_invents_nothing() -> None:
    ChatRequest = repaired()
    assert ChatRequest(model="mock-reason").temperature is None
    with pytest.raises(ValidationError, match="must be one of mock-small, mock-reason"):
        ChatRequest(model="mock-gone")
