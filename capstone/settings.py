"""Settings of the service, from the environment or a file `.env`; `docs/capstone/settings.md` is made of this."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]  # in the environment "a,b": a list of words, not JSON


class Settings(BaseSettings):
    """What can be set from outside; every field has a default that works on a fresh clone."""

    model_config = SettingsConfigDict(
        env_prefix="CAPSTONE_",
        env_file=".env",
        env_ignore_empty=True,  # compose sets what is unset to ""
        extra="ignore",
        hide_input_in_errors=True,  # an error shows its input otherwise, and the input holds the keys
        use_attribute_docstrings=True,
    )

    parts: Literal["auto", "yours", "reference"] = "auto"
    """Whose lessons serve: yours where they are finished, yours in any case, or the reference."""
    host: str = "127.0.0.1"
    """The address that callers reach the service by. On any other than loopback nothing that is well known lets in."""
    data: Path = Path("data")
    """Folder of the database, the index and the generated secret."""

    # What is kept.
    database_url: SecretStr | None = None
    """A PostgreSQL with pgvector, for all instances: postgresql://user:password@host/name. Unset: files in `data`."""
    database_pool: int = Field(default=5, ge=1)
    """Connections of a process to the database; a PostgreSQL takes 100 in all unless told otherwise."""
    database_patience_s: float = Field(default=10, gt=0)
    """Seconds that a request waits for the database, if need be, before it is 503."""
    corpus: Path | None = Path("lessons/05_rag/corpus")
    """Folder of texts that the tenant `demo` has from the start, where the key `demo` lets in."""
    rag_floor: float = Field(default=0.15, ge=-1, le=1)
    """The least cosine at which a text is near a question; each embedding model has its own."""
    documents_per_tenant: int = Field(default=10_000, ge=1)
    """Documents that one tenant may keep."""
    jobs_at_once: int = Field(default=2, ge=0)
    """Jobs that a process works on together; 0 leaves them to other processes."""
    job_calls: int = Field(default=4, ge=1)
    """Prompts of one job that are asked together."""
    job_lease_s: float = Field(default=30, ge=1)
    """Seconds without a sign of life after which another takes up a job, where instances share the database."""
    jobs_kept_days: float = Field(default=30, ge=0)
    """Days for which a job that is over is kept, with its prompts and answers; 0 keeps it for ever."""
    broker_url: SecretStr | None = None
    """Where jobs wait for `celery -A capstone.worker worker`: redis:// or sqs://. Unset: the service does them."""

    # Who may ask.
    secret: SecretStr | None = None
    """Signs tokens and peppers keys; 32 characters or more. Without it one is made and kept in the data folder."""
    demo: bool | None = None
    """Whether the key `demo` lets in, from this machine alone. By default if `host` is loopback and `secret` unset."""
    admin_password: SecretStr | None = None
    """Lets the user `admin` in at `/auth/token`, with every scope: where the first keys come from."""
    key_cache_s: float = Field(default=10.0, ge=0)
    """Seconds that a worker may go on believing in a key that another worker has revoked."""

    # How much.
    requests_per_minute: int = Field(default=600, ge=1)
    """Requests a key may make in any minute."""
    tokens_per_day: int = Field(default=1_000_000, ge=1)
    """Tokens a key may use in one day (UTC), unless it was issued with another number."""
    reserve_tokens: int = Field(default=1_024, ge=1)
    """Tokens set aside for an answer whose request names no limit."""
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    """The largest request body."""
    redis_url: SecretStr | None = None
    """Where instances share limits, quotas, cached answers and the end of keys; without it each is for itself."""
    cache_s: float = Field(default=0, ge=0)
    """Seconds that an answer of temperature 0 is kept for whoever asks the same with the same key; 0 keeps none."""

    # Who answers.
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """Key of OpenAI, or of whatever `OPENAI_BASE_URL` names."""
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    """Any service that speaks OpenAI's API: vLLM, Ollama, llama.cpp, a gateway."""
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    """Key of Anthropic."""
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    """Any service that speaks Anthropic's Messages API."""
    models: Names = ()
    """Models that may be asked; the first is the default. Unset: what the provider lists, the newest first."""
    anthropic_models: Names = ()
    """The same for Anthropic, where there are two providers."""
    embedding_model: str | None = None
    """Model that makes embeddings. By default the first whose name says so."""
    fallbacks: dict[str, tuple[str, ...]] = {}
    """Models to ask when one does not answer: `{"mock-large": ["mock-small"]}`. A key asks none that it may not ask."""
    prices: dict[str, tuple[float, float]] = {}
    """Dollars for a million tokens that a model reads, and writes: `{"mock-large": [3, 15]}`."""

    # How patiently.
    connect_s: float = Field(default=5, gt=0)
    """Seconds to reach a provider, waiting for a free connection among them."""
    whole_answer_s: float = Field(default=300, gt=0)
    """Seconds until an answer that does not stream is there."""
    first_token_s: float = Field(default=120, gt=0)
    """Seconds until a stream begins."""
    next_token_s: float = Field(default=60, gt=0)
    """Seconds between two pieces of a stream."""
    max_connections: int = Field(default=2_000, ge=1)
    """Connections to all providers together."""
    retries: int = Field(default=2, ge=0)
    """Calls after the first one, where a provider's failure may pass."""
    retry_budget_s: float = Field(default=10, ge=0)
    """Seconds that all waits between the calls of one request may take."""
    heartbeat_s: float = Field(default=15, gt=0)
    """Seconds of silence after which a stream says that it lives."""

    # How it ends.
    drain_notice_s: float = Field(default=0, ge=0)
    """Seconds between SIGTERM and the last new connection; behind a load balancer as long as its health check takes."""
    drain_deadline_s: float = Field(default=25, ge=0)
    """Seconds after SIGTERM at which streams are cut off in words."""

    # What is told.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """How lines are written: for programs, or for people; by itself for people in a terminal, and JSON elsewhere."""
    metrics_open: bool = False
    """Whether `/metrics` needs no key where the key `demo` is off."""

    @field_validator("openai_base_url", "anthropic_base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("has to begin with http:// or https://")
        return value

    @field_validator("models", "anthropic_models", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        return self.host in LOOPBACK

    @property
    def is_demo(self) -> bool:
        """Whether the key `demo` lets in."""
        return self.demo if self.demo is not None else self.on_loopback and self.secret is None


LOOPBACK = ("127.0.0.1", "::1", "localhost")
