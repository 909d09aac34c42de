"""Documents, as they are kept: the truth about what a tenant has. The vector index is made from it and can be lost."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, extract, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from capstone.store.database import Database
from capstone.store.tables import Document, DocumentContent


class TooManyDocuments(Exception):
    """A tenant has as many documents as it may have."""


@dataclass(frozen=True)
class Documents:
    """The documents of all tenants. Whatever is asked for somebody is asked with their tenant."""

    database: Database

    async def put(
        self,
        tenant: str,
        name: str,
        *,
        content: bytes,
        media_type: str,
        digest: str,
        meta: Mapping[str, str],
        most: int = 10_000,
    ) -> tuple[Document, bool]:
        """Keep a document, in place of the tenant's one of this name. Return it, and whether anything is to be done.

        Raises:
            TooManyDocuments: it would be more than `most` of this tenant.
        """
        row: dict[str, Any] = {"media_type": media_type, "size": len(content), "digest": digest, "meta": dict(meta)}
        row |= {"state": "queued", "error": "", "changed_at": time.time(), "claimed_until": 0.0}
        named = (Document.tenant == tenant, Document.name == name)
        async with self.database.writing() as session:
            # Locked, where others write at the same time, but not against new chunks of it, which may take a while.
            # SQLite has one writer, who is us.
            mine = select(Document).where(*named).with_for_update(key_share=True)
            found = await session.scalar(mine)
            if found is None:
                await self._alone(session, tenant)  # or two at once would each find room for the last one
                held = await session.scalar(select(func.count()).where(Document.tenant == tenant))
                if (held or 0) >= most:
                    raise TooManyDocuments(tenant)
                new = {"id": f"doc_{secrets.token_urlsafe(16)}", "tenant": tenant, "name": name, **row}
                new |= {"created_at": row["changed_at"], "chunks": 0}
                await session.execute(self.database.insert_unless_there(Document), new)
                # Ours, or that of whoever was faster.
                found = (await session.scalars(mine)).one()
            elif found.digest == digest and found.state in ("queued", "ready"):
                return found, False
            for field, value in row.items():
                setattr(found, field, value)
            await session.merge(DocumentContent(document_id=found.id, content=content))
            return found, True

    async def _alone(self, session: AsyncSession, tenant: str) -> None:
        """Wait until nobody else adds a document of this tenant, until the end of the transaction."""
        if not self.database.embedded:
            await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(tenant, 0))))

    async def find(self, tenant: str, document_id: str) -> Document | None:
        """Return a document of a tenant; None if there is none, or it is somebody else's, or it is being deleted."""
        asked = select(Document).where(
            Document.id == document_id, Document.tenant == tenant, Document.state != "deleting"
        )
        async with self.database.reading() as session:
            return await session.scalar(asked)

    async def of_tenant(self, tenant: str, *, limit: int = 100, after: str = "") -> list[Document]:
        """Return the documents of a tenant by name, `limit` of those behind the name `after`."""
        asked = (
            select(Document)
            .where(Document.tenant == tenant, Document.state != "deleting", Document.name > after)
            .order_by(Document.name)
            .limit(limit)
        )
        async with self.database.reading() as session:
            return list(await session.scalars(asked))

    async def text_of(self, tenant: str, document_id: str) -> str | None:
        """Return the text of a tenant's document: what citations count characters in."""
        asked = (
            select(DocumentContent.text)
            .join(Document, Document.id == DocumentContent.document_id)
            .where(Document.id == document_id, Document.tenant == tenant, Document.state != "deleting")
        )
        async with self.database.reading() as session:
            return await session.scalar(asked)

    async def named(self, tenant: str, names: Sequence[str]) -> dict[str, Document]:
        """Return those of a tenant's documents that have these names, by name, without those that are being deleted."""
        asked = select(Document).where(
            Document.tenant == tenant, Document.name.in_(names), Document.state != "deleting"
        )
        async with self.database.reading() as session:
            return {one.name: one for one in await session.scalars(asked)}

    async def doom(self, tenant: str, document_id: str) -> bool:
        """Hide a tenant's document from everybody; whoever keeps the index takes it out of there and then off here."""
        asked = (
            update(Document)
            .where(Document.id == document_id, Document.tenant == tenant, Document.state != "deleting")
            .values(state="deleting", changed_at=time.time())
            .returning(Document.id)
        )
        async with self.database.writing() as session:
            return await session.scalar(asked) is not None

    # What follows is for the one that keeps the index, and knows no tenant.

    async def to_do(self, *, limit: int = 20, passing_over: Sequence[str] = ()) -> list[Document]:
        """Return documents that wait to be put into the index or taken out of it, those that wait longest first."""
        asked = (
            select(Document)
            .where(Document.state.in_(("queued", "deleting")), Document.id.not_in(passing_over))
            .order_by(Document.changed_at, Document.id)
            .limit(limit)
        )
        async with self.database.reading() as session:
            return list(await session.scalars(asked))

    async def claim(self, *, for_s: float, limit: int = 8, passing_over: Sequence[str] = ()) -> list[Document]:
        """Return what `to_do` returns, but nothing that another instance works on; for so long it is ours.

        Whoever dies gives its claims back by dying, when their time is over. By the clock of the database, since those
        of machines differ.
        """
        now = extract("epoch", func.clock_timestamp())
        free = (
            select(Document.id)
            .where(Document.state.in_(("queued", "deleting")), Document.claimed_until < now)
            .where(Document.id.not_in(passing_over))
            .order_by(Document.changed_at, Document.id)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
        async with self.database.writing() as session:
            mine = update(Document).where(Document.id.in_(free.scalar_subquery())).values(claimed_until=now + for_s)
            return list(await session.scalars(mine.returning(Document)))

    async def hold(self, document_ids: Sequence[str], *, for_s: float) -> None:
        """Claim for longer what is claimed and still to be done; for 0 seconds: give it back."""
        now = extract("epoch", func.clock_timestamp())
        ours = (Document.id.in_(document_ids), Document.state.in_(("queued", "deleting")))
        async with self.database.writing() as session:
            await session.execute(update(Document).where(*ours).values(claimed_until=now + for_s))

    async def every(self) -> list[Document]:
        """Return all documents there are."""
        async with self.database.reading() as session:
            return list(await session.scalars(select(Document)))

    async def content_of(self, document_id: str) -> bytes | None:
        """Return the bytes of a document."""
        async with self.database.reading() as session:
            return await session.scalar(
                select(DocumentContent.content).where(DocumentContent.document_id == document_id)
            )

    async def settle(self, document: Document, *, text: str | None = None, chunks: int = 0, error: str = "") -> bool:
        """Note that a document is in the index, or why it is not; False if it has changed meanwhile."""
        async with self.database.writing() as session:
            return await settle(session, document, text=text, chunks=chunks, error=error)

    async def forget(self, document_id: str) -> None:
        """Take a doomed document off: bytes, text and all."""
        async with self.database.writing() as session:
            await session.execute(delete(Document).where(Document.id == document_id, Document.state == "deleting"))

    async def again(self, document_ids: Sequence[str]) -> None:
        """Let documents be put into the index anew: it has lost them."""
        async with self.database.writing() as session:
            lost = (Document.id.in_(document_ids), Document.state == "ready")
            await session.execute(update(Document).where(*lost).values(state="queued"))


async def settle(
    session: AsyncSession, document: Document, *, text: str | None = None, chunks: int = 0, error: str = ""
) -> bool:
    """Note the same in somebody's transaction."""
    same = (Document.id == document.id, Document.digest == document.digest, Document.state == "queued")
    new = {"state": "failed" if error else "ready", "error": error, "chunks": chunks}
    if await session.scalar(update(Document).where(*same).values(**new).returning(Document.id)) is None:
        return False
    content = DocumentContent.document_id == document.id
    await session.execute(update(DocumentContent).where(content).values(text=text))
    return True
