"""The two forms of an error, for the documentation; `middleware.OneShape` makes them."""

from pydantic import BaseModel, Field

from capstone.parts import models


class ErrorResponse(models.ErrorResponse):  # type: ignore[misc, name-defined]
    """Lesson 02's error, and what to ask us about."""

    code: str | None = Field(default=None, description="What a program can look at.")
    request_id: str


class OpenAIError(BaseModel):
    """What went wrong, in OpenAI's words."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorResponse(BaseModel):
    """An error on /v1."""

    error: OpenAIError
    request_id: str
