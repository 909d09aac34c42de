"""Settings that print their keys. The three sections are shown on the page of lesson 06."""

import logging
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


def broken() -> type[BaseSettings]:
    # --8<-- [start:broken]
    class Settings(BaseSettings):
        openai_api_key: str
        anthropic_api_key: str
        redis_url: str = "redis://localhost:6379/0"
        rate_limit_per_minute: int = 60

        class Config:
            env_file = ".env"

    # --8<-- [end:broken]
    return Settings


def repaired() -> type[BaseSettings]:
    # --8<-- [start:repaired]
    class Settings(BaseSettings):
        model_config = SettingsConfigDict(
            env_file=".env",
            extra="ignore",  # other programs' lines
            env_ignore_empty=True,  # what compose makes of a variable that nobody set
            hide_input_in_errors=True,  # an error about one field shows the others
        )
        openai_api_key: SecretStr
        anthropic_api_key: SecretStr | None = None  # the second provider is a choice
        redis_url: SecretStr | None = None  # its password stands in it
        rate_limit_per_minute: int = 60

    # --8<-- [end:repaired]
    return Settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-live-4242")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@r:1/0")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)


@pytest.mark.filterwarnings("ignore:Support for class-based")
def test_a_log_line_and_an_error_show_them(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    Settings = broken()
    caplog.set_level(logging.INFO)
    # --8<-- [start:seen]
    with pytest.raises(ValidationError, match="anthropic_api_key") as failed:
        Settings()  # the other provider's key is not set, and nobody uses it
    assert "hunter2" in str(failed.value)

    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-1")
    logging.info("started with %s", Settings())
    assert "sk-live-4242" in caplog.text
    # --8<-- [end:seen]


@pytest.mark.filterwarnings("ignore:Support for class-based")
def test_a_foreign_line_in_the_file_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-1")
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=secret\n")
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        broken()()
    repaired()()


def test_the_repaired_ones_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "4242" not in f"{repaired()()!r}"
    assert "hunter2" not in f"{repaired()()!r}"
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ValidationError, match="openai_api_key") as failed:
        repaired()()
    assert "hunter2" not in str(failed.value)
