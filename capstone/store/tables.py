"""The tables. What a row means stands here; who reads and writes it, in the file of its name.

Times are seconds since 1970, texts of any length are `Text`, lists and mappings are JSON: each works on SQLite and on
PostgreSQL. After a change here: `alembic -c capstone/store/alembic.ini revision --autogenerate -m "what changed"`.

Migrations only add. The version before serves on while one runs and after it, so a new column has a `server_default`,
and what is not used any more goes a release later, when nobody is left who reads it.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    Dialect,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Every row is a dataclass too. Constraints have names, because only what has a name can be dropped again."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {str: String(200), float: Float(53), dict[str, Any]: JSON(), list[str]: JSON()}  # noqa: RUF012


class Vector(TypeDecorator[Any]):
    """Numbers of any count. pgvector's type, which is imported where there is a PostgreSQL; bytes elsewhere."""

    impl, cache_ok = LargeBinary, True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the type of this database."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(LargeBinary())
        from pgvector.sqlalchemy import VECTOR

        return dialect.type_descriptor(VECTOR())


class Key(Base):
    """What is kept of an API key: enough to check it, not enough to make it."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(repr=False)
    tenant: Mapped[str] = mapped_column(index=True)
    principal_id: Mapped[str]
    scopes: Mapped[list[str]]
    token_limit: Mapped[int]
    created_at: Mapped[float]
    name: Mapped[str] = mapped_column(default="")
    ends_at: Mapped[float | None] = mapped_column(default=None)


class User(Base):
    """Somebody with a password."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(primary_key=True)
    password_hash: Mapped[str] = mapped_column(repr=False)
    tenant: Mapped[str]
    scopes: Mapped[list[str]]
    token_limit: Mapped[int]
    created_at: Mapped[float]


class UsageRecord(Base):
    """Tokens that somebody pays for: one row for each call of a model, also when it failed or its reader left."""

    __tablename__ = "usage_records"
    __table_args__ = (Index("ix_usage_records_tenant_at", "tenant", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)  # made by whoever writes, so that writing twice counts once
    at: Mapped[float]
    tenant: Mapped[str]
    principal_id: Mapped[str] = mapped_column(index=True)
    request_id: Mapped[str]
    kind: Mapped[str]  # "chat", "embedding", "rag", "job"
    provider: Mapped[str]
    model: Mapped[str]
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
    cost_usd: Mapped[float] = mapped_column(default=0.0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    outcome: Mapped[str] = mapped_column(default="done")  # "done", "left" (the reader did), "failed"
    estimated: Mapped[bool] = mapped_column(default=False)  # counted by us, because the provider did not say


class Document(Base):
    """What a tenant brought. The name is the tenant's, the id is ours and cannot be guessed."""

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]  # bytes, as uploaded
    digest: Mapped[str]  # of the content and of `meta`: what makes two versions differ
    meta: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(index=True)  # "queued", "ready", "failed", "deleting"
    created_at: Mapped[float]
    changed_at: Mapped[float]
    error: Mapped[str] = mapped_column(Text, default="")
    chunks: Mapped[int] = mapped_column(default=0)
    # Until when another instance leaves it alone: somebody works on it. By the clock of the database.
    claimed_until: Mapped[float] = mapped_column(default=0.0, server_default="0")


class DocumentContent(Base):
    """The bytes of a document and the text found in them: in a table of their own, since lists need neither."""

    __tablename__ = "document_contents"

    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary, repr=False)
    text: Mapped[str | None] = mapped_column(Text, default=None, repr=False)


class Chunk(Base):
    """A part of a document that can be found, where instances share PostgreSQL; else lesson 05's file has them."""

    __tablename__ = "chunks"
    __table_args__ = (Index("ix_chunks_tenant_model", "tenant", "model"),)

    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)  # in the document, from 0
    tenant: Mapped[str]
    model: Mapped[str]  # that made the vector; those of two models have nothing to say to each other
    start_at: Mapped[int]  # the text of the document, from this character
    end_at: Mapped[int]  # to before this one
    text: Mapped[str] = mapped_column(Text, repr=False)
    meta: Mapped[dict[str, Any]] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))
    embedding: Mapped[Any] = mapped_column(Vector, repr=False)


class Job(Base):
    """Whose job this is. How it stands is known by the queue that hands it out, which is lesson 07's."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_tenant_created_at", "tenant", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    principal_id: Mapped[str]
    model: Mapped[str]
    prompts: Mapped[int]  # how many
    created_at: Mapped[float]
    finished_at: Mapped[float | None] = mapped_column(default=None)  # when it was first seen to be over


class QueuedJob(Base):
    """A job as all instances see it that share a database; one machine by itself has lesson 07's table, in a file.

    Whoever works on it says so again and again: `held_until` passes when the worker has died.
    """

    __tablename__ = "queued_jobs"
    __table_args__ = (Index("ix_queued_jobs_state_due_at", "state", "due_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)  # the same from whoever asks twice
    payload: Mapped[str] = mapped_column(Text, repr=False)
    due_at: Mapped[float]  # when a worker is to be told of it, or to be told again
    state: Mapped[str] = mapped_column(default="queued")  # "queued", "running", "done", "failed"
    told: Mapped[int] = mapped_column(default=0)  # how often a worker was
    tries: Mapped[int] = mapped_column(default=0)  # workers that have begun it and did not give it back
    holder: Mapped[str] = mapped_column(default="")  # who works on it
    held_until: Mapped[float] = mapped_column(default=0.0)
    result: Mapped[str | None] = mapped_column(Text, default=None)


class JobAnswer(Base):
    """The answer to one prompt of a job, kept as soon as it is there: nobody pays for it twice."""

    __tablename__ = "job_answers"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)  # of the prompt, from 0
    text: Mapped[str | None] = mapped_column(Text, default=None)  # None: it failed
    error: Mapped[str] = mapped_column(Text, default="")
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
