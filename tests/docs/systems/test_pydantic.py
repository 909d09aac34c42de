"""Pydantic: a model of a request, and a copy that nobody checks. Shown on docs/systems/pydantic.md."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError


# --8<-- [start:example]
class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1, max_length=100_000)


class ChatRequest(BaseModel):
    # a misspelled field is an error, not a wish that is lost
    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[Message] = Field(min_length=1, max_length=100)
    max_tokens: int = Field(default=1_024, ge=1, le=4_096)


# --8<-- [end:example]
HELLO: dict[str, Any] = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}
Change = Callable[[ChatRequest, dict[str, Any]], ChatRequest]


def broken() -> Change:
    # --8<-- [start:broken]
    def for_tenant(chat: ChatRequest, rules: dict[str, Any]) -> ChatRequest:
        return chat.model_copy(update=rules)

    # --8<-- [end:broken]
    return for_tenant


def repaired() -> Change:
    # --8<-- [start:repaired]
    def for_tenant(chat: ChatRequest, rules: dict[str, Any]) -> ChatRequest:
        said = chat.model_dump(exclude_unset=True)
        return ChatRequest.model_validate({**said, **rules})

    # --8<-- [end:repaired]
    return for_tenant


def test_what_is_wrong_is_named() -> None:
    assert ChatRequest.model_validate(HELLO).max_tokens == 1_024
    with pytest.raises(ValidationError, match="max_token"):
        ChatRequest.model_validate({**HELLO, "max_token": 5})


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_copy_takes_anything() -> None:
    for_tenant = broken()
    # --8<-- [start:seen]
    chat = ChatRequest.model_validate(HELLO)
    changed = for_tenant(chat, {"max_tokens": "many", "max_token": 9})
    assert changed.max_tokens == "many"  # an int, says the type checker
    # and so the provider says 400
    assert changed.model_dump()["max_tokens"] == "many"
    # --8<-- [end:seen]


def test_the_other_ways_past_the_check() -> None:
    chat = ChatRequest.model_validate(HELLO)
    chat.max_tokens = "many"  # pyright: ignore[reportAttributeAccessIssue]
    made: Any = ChatRequest.model_construct(max_tokens="many")  # pyright: ignore[reportArgumentType]
    assert chat.max_tokens == made.max_tokens == "many"


def test_what_is_validated_again_is_checked() -> None:
    for_tenant, chat = repaired(), ChatRequest.model_validate(HELLO)
    assert for_tenant(chat, {"max_tokens": 9}).max_tokens == 9
    for rules in ({"max_tokens": "as many as you like"}, {"max_tokens": 9_999}, {"max_token": 9}):
        with pytest.raises(ValidationError, match=next(iter(rules))):
            for_tenant(chat, rules)
    assert for_tenant(chat, {}).model_fields_set == {"model", "messages"}, "and what was unsaid stays unsaid"
