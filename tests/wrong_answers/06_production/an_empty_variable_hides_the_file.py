# fails: 06.1
# says: empty is as if it was not set, and then `.env` has it
"""Leaves empty values out, when the file has been read: the environment's empty one has already won."""

# >>> imports
from pydantic import model_validator
# <<< imports

# >>> 06.1
# An error shows its input otherwise, and the input is all the other keys.
model_config = SettingsConfigDict(env_file=".env", extra="ignore", hide_input_in_errors=True)
@model_validator(mode="before")
@classmethod
def drop_empty(cls, values: Any) -> Any:
    """Leave out what is empty."""
    return {key: value for key, value in values.items() if value != ""}

openai_api_key: SecretStr
openai_base_url: str = "https://api.openai.com/v1"
fallback_api_key: SecretStr | None = None
fallback_base_url: str | None = None
redis_url: SecretStr | None = None  # its password stands in it
requests_per_minute: int = Field(default=60, ge=1)
# <<< 06.1
