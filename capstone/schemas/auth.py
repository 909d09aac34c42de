"""What goes in and out under /auth and /usage."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(max_length=100)]


class NewKey(BaseModel):
    """What a key is to be good for."""

    model_config = ConfigDict(extra="forbid")
    name: Name = ""
    scopes: list[Name] | None = Field(default=None, max_length=20, description="By default all that you have.")
    models: list[Name] | None = Field(default=None, max_length=50, description="By default all that you may ask.")
    tokens_per_day: int | None = Field(default=None, ge=1, le=10**15)
    tenant: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = Field(
        default=None, description="By default yours; another one takes the scope `tenants`."
    )


class KeyOut(BaseModel):
    """A key without what makes it one."""

    id: str
    name: str
    tenant: str
    scopes: list[str]
    models: list[str] | None = Field(description="The only ones that it may ask; null for all.")
    tokens_per_day: int
    created_at: float = Field(description="Seconds since 1970.")
    ends_at: float | None = Field(description="Seconds since 1970; null while nobody has ended it.")


class IssuedKey(KeyOut):
    """A new key. Its text is shown here and nowhere else."""

    key: str


class KeyList(BaseModel):
    """Keys, the oldest first."""

    items: list[KeyOut]


class TokenOut(BaseModel):
    """A token, as OAuth 2 has it."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - its kind
    expires_in: int = Field(description="Seconds.")
    scope: str


class DayOut(BaseModel):
    """What a tenant used of one model on one day."""

    model_config = ConfigDict(from_attributes=True)
    day: int = Field(description="Seconds since 1970 at which the day began, in UTC.")
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


class UsageOut(BaseModel):
    """What your tenant used, and what your key may still use today."""

    tokens_today: int
    tokens_per_day: int
    days: list[DayOut]
