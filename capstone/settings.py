"""Settings of the service, from the environment (`CAPSTONE_...`) or a file `.env`."""

from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be set from outside; every field has a default that works on a fresh clone."""

    model_config = SettingsConfigDict(env_prefix="CAPSTONE_", env_file=".env", extra="ignore")

    parts: Literal["auto", "yours", "reference"] = "auto"
    """Whose lessons serve: yours where they are finished, yours in any case, or the reference."""


settings = Settings()
