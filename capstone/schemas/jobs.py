"""What goes in and out under /jobs."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Prompt = Annotated[str, Field(min_length=1, max_length=32_000)]


class JobOrder(BaseModel):
    """A batch of prompts, each answered by itself."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"prompts": ["Hello", "Good night"]}]})
    prompts: list[Prompt] = Field(min_length=1, max_length=1_000)
    model: str | None = Field(
        default=None, min_length=1, max_length=200, description="By default the first that there is."
    )
    max_tokens: int = Field(default=1_024, ge=1, le=64_000, description="Of each answer.")


class JobOut(BaseModel):
    """How a job stands."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    model: str
    prompts: int
    answered: int = Field(description="Prompts whose answer, or whose failure, is there.")
    created_at: float = Field(description="Seconds since 1970.")
    error: str = Field(default="", description="Why it failed; empty otherwise.")


class JobList(BaseModel):
    """The latest jobs."""

    items: list[JobOut]


class PromptAnswer(BaseModel):
    """The answer to one prompt: `text`, or `error`."""

    index: int = Field(description="Place of the prompt, from 0.")
    text: str | None
    error: str
    usage: dict[str, Any]


class JobResult(BaseModel):
    """What became of each prompt, in order. Prompts that were not asked before a cancel are missing."""

    id: str
    state: Literal["done", "failed", "cancelled"]
    answers: list[PromptAnswer]
