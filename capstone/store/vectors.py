"""Chunks and their vectors in PostgreSQL, by pgvector: found by every instance, and all in one moment."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import DDL, Float, Select, bindparam, cast, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from capstone.store.database import Database
from capstone.store.documents import settle
from capstone.store.outage import INSUFFICIENT_PRIVILEGE, state_of
from capstone.store.tables import Chunk, Document

log = logging.getLogger("capstone.store")
EXACT_UP_TO = 5_000  # chunks of a tenant that are compared one by one, which is exact, and soon done
WIDEST, WIDEST_HALF = 2_000, 4_000  # numbers that an index of pgvector holds in 4 bytes each, and in 2
AT_ONCE = 500  # chunks of one statement
SEARCH = (
    ("hnsw.ef_search", "100"),
    # The index goes on looking until it has as many as are asked for that may be seen, or has seen very many.
    ("hnsw.iterative_scan", "strict_order"),
    # From its sixth run on a statement would be planned for any tenant and any number of rows, and without the index.
    ("plan_cache_mode", "force_custom_plan"),
)


@dataclass(frozen=True)
class Found:
    """A chunk near to a question."""

    document_id: str
    name: str
    start: int
    end: int
    text: str
    meta: Mapping[str, str]
    score: float  # cosine


@dataclass(slots=True)
class NewChunk:
    """A chunk that is to be found."""

    start: int
    end: int
    text: str
    vector: Any = ()  # (d,) numbers of any kind, and of any length


@dataclass(frozen=True)
class Vectors:
    """What one embedding model has made of the documents of all tenants."""

    database: Database
    model: str

    async def put(self, document: Document, content: str, chunks: Sequence[NewChunk]) -> bool:
        """Let a document be found by these chunks in place of those before; False if it has changed meanwhile."""
        named = {"document_id": document.id, "tenant": document.tenant, "meta": storable(document.meta)}
        rows = [
            {**named, "model": self._space(one.vector), "place": n, "start_at": one.start, "end_at": one.end}
            | {"text": one.text, "embedding": one.vector}
            for n, one in enumerate(chunks)
        ]
        async with self.database.writing(long=True) as session:
            await session.execute(delete(Chunk).where(Chunk.document_id == document.id))
            for at in range(0, len(rows), AT_ONCE):  # a statement of each part stays within our patience
                await session.execute(self.database.insert_unless_there(Chunk), rows[at : at + AT_ONCE])
            # Last, so that nobody who asks for the document or uploads it anew waits for the above.
            kept = await settle(session, document, text=content, chunks=len(rows))
            if not kept:
                await session.rollback()
        return kept

    async def remove(self, document_id: str) -> None:
        """Let nothing of a document be found."""
        async with self.database.writing() as session:
            await session.execute(delete(Chunk).where(Chunk.document_id == document_id))

    async def nearest(
        self, tenant: str, vector: Any, *, k: int, floor: float, where: Mapping[str, str], least: int | None = None
    ) -> list[Found]:
        """Return the k nearest chunks of a tenant whose `meta` says all of `where`, nearest first, none below `floor`.

        Where an approximate search brings fewer than `least`, as it may when few of a tenant's many chunks fit, all of
        them are compared; by default that is k.
        """
        space = self._space(vector)
        async with self.database.reading() as session:
            await session.execute(select(*(func.set_config(name, value, True) for name, value in SEARCH)))
            many = await _count(session, EXACT_UP_TO + 1, Chunk.model == space, Chunk.tenant == tenant) > EXACT_UP_TO
            asked = self._asked(tenant, vector, where).limit(k)
            rows = (await session.execute(_by_index(asked) if many else _by_all(asked))).all()
            if many and len(rows) < (least or k):
                rows = (await session.execute(_by_all(asked))).all()
        found = [Found(row[0], row[1], row[2], row[3], row[4], row[5], 1 - row[6]) for row in rows]
        return [one for one in found if one.score >= floor]  # a vector of length 0 has the score NaN, which is none

    def _asked(self, tenant: str, vector: Any, where: Mapping[str, str]) -> Select[*tuple[Any, ...]]:
        """Select what a tenant may see, and how far it is from a vector."""
        from pgvector.sqlalchemy import VECTOR

        # As it stands in the index: another type, or a parameter in place of the model, and it would not be used.
        near = cast(Chunk.embedding, _type(len(vector))).op("<=>", return_type=Float)
        distance = near(bindparam("vector", vector, VECTOR())).label("distance")
        columns = (Document.id, Document.name, Chunk.start_at, Chunk.end_at, Chunk.text, Chunk.meta, distance)
        asked = select(*columns).join(Document, Document.id == Chunk.document_id)
        space = bindparam("space", self._space(vector), literal_execute=True)
        asked = asked.where(Chunk.model == space, Chunk.tenant == tenant)
        # Not by the tenant of the document as well, which is the same: a planner without statistics would go through
        # all of a tenant's documents for each of its chunks.
        asked = asked.where(Document.state != "deleting")
        return asked.where(Chunk.meta.op("@>")(storable(where))) if where else asked

    def _space(self, vector: Any) -> str:
        """Return what vectors must have in common to be compared."""
        return f"{self.model}/{len(vector)}"

    async def find_lost(self) -> int:
        """Queue what is found by none of this model: another one embedded it. Return how many documents."""
        ours = Chunk.model.startswith(f"{self.model}/", autoescape=True)
        lost = ~select(Chunk.place).where(Chunk.document_id == Document.id, ours).exists()
        found = (Document.state == "ready", Document.chunks > 0, lost)
        again = update(Document).where(*found).values(state="queued", claimed_until=0.0)
        async with self.database.at_leisure() as connection:  # it looks at every document there is
            return (await connection.execute(again)).rowcount

    async def index_if_many(self, vector: Any) -> bool:
        """Make the index for vectors like this one, once there are so many that it is worth it; True if it is there.

        It is made beside whoever reads and writes, by one instance, and takes minutes where there are very many.
        """
        space, name = self._space(vector), index_of(self._space(vector))
        async with self.database.reading() as session:
            if await _count(session, EXACT_UP_TO + 1, Chunk.model == space) <= EXACT_UP_TO:
                return False
        if len(vector) > WIDEST_HALF:
            log.warning("vectors of %d numbers have no index in pgvector; all are compared", len(vector))
            return True
        kind = "vector" if len(vector) <= WIDEST else "halfvec"
        async with self.database.at_leisure() as connection:
            lock = {"lock": int(name[-15:], 16)}
            if not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), lock):
                return False  # another instance is at it; the lock ends with its connection
            valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
            there = await connection.scalar(text(valid), {"name": name})
            if there:
                return True
            quoted = space.replace("'", "''")
            make = (
                f"CREATE INDEX CONCURRENTLY {name} ON chunks USING hnsw "
                f"((embedding::{kind}({len(vector)})) {kind}_cosine_ops) WHERE model = '{quoted}'"
            )
            try:
                if there is False:  # half made by an instance that died
                    await connection.execute(DDL(f"DROP INDEX CONCURRENTLY {name}"))
                log.info("an index of the vectors of %s is made", space)
                await connection.execute(DDL(make.replace("%", "%%")))
                # Not in a minute, when the server does it by itself: until then it does not use the index.
                await connection.execute(DDL("ANALYZE chunks, documents"))
            except DBAPIError as error:
                if state_of(error) != INSUFFICIENT_PRIVILEGE:
                    raise
                log.warning("all vectors are compared, since we may not make an index. Let the owner run: %s", make)
        return True


async def _count(session: AsyncSession, most: int, *which: Any) -> int:
    return await session.scalar(select(func.count()).select_from(select(1).where(*which).limit(most).subquery())) or 0


def _type(numbers: int) -> Any:
    from pgvector.sqlalchemy import HALFVEC, VECTOR

    return HALFVEC(numbers) if WIDEST < numbers <= WIDEST_HALF else VECTOR(numbers)


def _by_index(asked: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Order by what the index knows."""
    return asked.order_by(asked.selected_columns.distance)


def _by_all(asked: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Order by what no index knows: then all that may be seen is compared."""
    return asked.order_by(asked.selected_columns.distance + 0)


def index_of(space: str) -> str:
    """Return the name of an index."""
    return f"ix_chunks_embedding_{hashlib.sha256(space.encode()).hexdigest()[:15]}"


def storable(meta: Mapping[str, str]) -> dict[str, str]:
    """Return what JSON in PostgreSQL takes: no NUL."""
    return {key.replace("\0", ""): value.replace("\0", "") for key, value in meta.items()}
