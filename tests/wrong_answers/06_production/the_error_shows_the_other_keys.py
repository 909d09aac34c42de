# fails: 06.1
# says: the error shows the other secrets
"""SecretStr everywhere; but an error about one field shows the input, and the input is text."""

# >>> 06.1
# An error shows its input otherwise, and the input is all the other keys.
model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)
openai_api_key: SecretStr
openai_base_url: str = "https://api.openai.com/v1"
fallback_api_key: SecretStr | None = None
fallback_base_url: str | None = None
redis_url: SecretStr | None = None  # its password stands in it
requests_per_minute: int = Field(default=60, ge=1)
# <<< 06.1
