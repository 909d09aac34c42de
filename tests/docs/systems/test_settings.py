"""pydantic-settings: what is set from outside, and a list that has to be JSON. Shown on docs/systems/settings.md."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError


# --8<-- [start:example]
class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CHAT_",
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,
    )

    api_key: SecretStr  # no default: without it the service does not start
    timeout_s: float = 60.0


# --8<-- [end:example]


def broken() -> type[BaseSettings]:
    # --8<-- [start:broken]
    class Models(BaseSettings):
        models: list[str] = []

    # --8<-- [end:broken]
    return Models


def repaired() -> type[BaseSettings]:
    # --8<-- [start:repaired]
    class Models(BaseSettings):
        models: Annotated[list[str], NoDecode] = []  # as it is written, not as JSON

        @field_validator("models", mode="before")
        @classmethod
        def _split(cls, value: object) -> object:
            if not isinstance(value, str):
                return value
            return [word.strip() for word in value.split(",") if word.strip()]

    # --8<-- [end:repaired]
    return Models


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start where no `.env` lies."""
    monkeypatch.chdir(tmp_path)


def test_a_missing_key_stops_the_start_and_a_given_one_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="api_key"):
        Settings()  # pyright: ignore[reportCallIssue] - from the environment
    monkeypatch.setenv("CHAT_API_KEY", "sk-secret")
    settings = Settings()  # pyright: ignore[reportCallIssue]
    assert "sk-secret" not in repr(settings)
    assert settings.api_key.get_secret_value() == "sk-secret"


def test_two_names_are_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = broken()
    # --8<-- [start:seen]
    # as every other program takes it
    monkeypatch.setenv("MODELS", "mock-large,mock-small")
    with pytest.raises(SettingsError, match='parsing value for field "models"'):
        settings()

    monkeypatch.setenv("MODELS", "")  # as Compose passes on what nobody has set
    with pytest.raises(SettingsError):
        settings()
    # --8<-- [end:seen]


@pytest.mark.parametrize(
    ("said", "read"),
    [("mock-large,mock-small", ["mock-large", "mock-small"]), (" mock-large , ", ["mock-large"]), ("", [])],
)
def test_names_with_commas_are_a_list(monkeypatch: pytest.MonkeyPatch, said: str, read: list[str]) -> None:
    monkeypatch.setenv("MODELS", said)
    assert repaired()().models == read  # pyright: ignore[reportAttributeAccessIssue]
