# fails: 06.1
# says: A key is a SecretStr
"""The settings of every tutorial: keys as str, class Config."""

# >>> 06.1
openai_api_key: str
openai_base_url: str = "https://api.openai.com/v1"
fallback_api_key: str | None = None
fallback_base_url: str | None = None
redis_url: str | None = None
requests_per_minute: int = 60


class Config:
    env_file = ".env"
# <<< 06.1
