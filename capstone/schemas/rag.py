"""What goes in and out under /rag and /jobs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Meta = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=50)], Annotated[str, Field(max_length=200)]],
    Field(max_length=10, description="What a query may ask for: `where` must find all it says in here."),
]


class DocumentOut(BaseModel):
    """A document, as its tenant sees it."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    name: str
    media_type: str
    size: int = Field(description="Bytes, as uploaded.")
    meta: dict[str, str]
    state: Literal["queued", "ready", "failed"] = Field(description="`ready`: it can be found.")
    error: str = Field(description="Why it failed; empty otherwise.")
    chunks: int = Field(description="Parts that can be found, once it is ready.")
    created_at: float = Field(description="Seconds since 1970.")
    changed_at: float = Field(description="Seconds since 1970.")


class DocumentList(BaseModel):
    """One page of documents, by name."""

    items: list[DocumentOut]
    next: str | None = Field(description="`after` for the next page; null on the last.")


class Question(BaseModel):
    """What may be asked of a tenant's documents."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"question": "What is the default timeout of httpx2?"}]}
    )
    question: str = Field(min_length=1, max_length=2_000, pattern=r"\S")
    k: int = Field(default=5, ge=1, le=20, description="The most sources.")
    where: Meta = {}
    model: str | None = Field(
        default=None, min_length=1, max_length=200, description="By default the first that there is."
    )
    stream: bool = Field(default=False, description="Answer with events: `sources`, `delta`, then `done` or `error`.")


class Citation(BaseModel):
    """Where a statement comes from: `text` is the document's `text[start:end]`, counted in characters."""

    n: int = Field(description="As in the answer: [1].")
    document_id: str
    document: str = Field(description="Its name.")
    start: int
    end: int
    text: str
    score: float


class Answer(BaseModel):
    """An answer, and what it stands on."""

    answer: str
    citations: list[Citation]
    known: bool = Field(description="False: the documents do not answer this.")
