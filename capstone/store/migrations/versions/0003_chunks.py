"""chunks in the database, and who works on a document. Adds only: the version before goes on serving."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    embedding: sa.types.TypeEngine[Any] = sa.LargeBinary()
    if op.get_bind().dialect.name == "postgresql":
        from pgvector.sqlalchemy import VECTOR

        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
        embedding = VECTOR()
    op.create_table(
        "chunks",
        sa.Column("document_id", sa.String(length=200), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("start_at", sa.Integer(), nullable=False),
        sa.Column("end_at", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("meta", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("embedding", embedding, nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_chunks_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "place", name=op.f("pk_chunks")),
    )
    with op.batch_alter_table("chunks", schema=None) as batch_op:
        batch_op.create_index("ix_chunks_tenant_model", ["tenant", "model"], unique=False)

    op.add_column("documents", sa.Column("claimed_until", sa.Float(precision=53), server_default="0", nullable=False))


def downgrade() -> None:
    """Go back to the one before."""
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_column("claimed_until")

    op.drop_table("chunks")
