"""The lines of the table "and smaller ones" on the page of lesson 02."""

import json
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from anthropic.types import ModelParam
from openai.types.chat import ChatCompletionMessageParam, completion_create_params
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.warnings import PydanticDeprecatedSince20


class Message(BaseModel):
    content: str = Field(min_length=1)


def test_a_misspelled_field_is_dropped_in_silence() -> None:
    assert Message.model_validate({"content": "hi", "max_token": 5}).model_dump() == {"content": "hi"}


def test_forbid_names_the_misspelled_field() -> None:
    class Strict(Message):
        model_config = ConfigDict(extra="forbid")

    with pytest.raises(ValidationError, match="max_token"):
        Strict.model_validate({"content": "hi", "max_token": 5})


def test_a_space_is_long_enough_for_min_length() -> None:
    assert Message(content=" ").content == " "


def test_optional_without_a_default_is_required() -> None:
    class Request(BaseModel):
        system: str | None

    with pytest.raises(ValidationError, match="Field required"):
        Request.model_validate({})


def test_class_config_is_deprecated() -> None:
    with pytest.warns(PydanticDeprecatedSince20, match="class-based `config` is deprecated"):

        class Request(BaseModel):
            class Config:
                extra = "forbid"


def test_a_dollar_of_re_lets_one_newline_through() -> None:
    assert re.match(r"^(user|assistant)$", "user\n")
    assert not re.fullmatch(r"user|assistant", "user\n")


def test_a_model_is_not_json() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"messages": [Message(content="hi")]})


def test_the_official_client_knows_more_roles_than_three() -> None:
    roles = {get_args(get_type_hints(one)["role"])[0] for one in get_args(ChatCompletionMessageParam)}
    assert {"developer", "system", "user", "assistant", "tool"} <= roles


def test_max_tokens_has_a_successor() -> None:
    words = Path(completion_create_params.__file__).read_text(encoding="utf-8").partition("    max_tokens:")[2]
    assert "deprecated in favor of `max_completion_tokens`" in words.partition("    metadata:")[0]


def test_a_name_in_an_enumeration_need_not_be_one_of_the_api() -> None:
    names, _ = get_args(ModelParam)
    assert "claude-3-sonnet" not in get_args(names)
    assert not any("llama" in name for name in get_args(names))
