"""Vectors in PostgreSQL: found as lesson 05 finds them, and by nobody else."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from capstone.store import Store, vectors
from capstone.store.vectors import Vectors
from tests.capstone.test_store import put
from tests.scale.neighbors import Postgres
from tests.scale.stores import DIMENSIONS, chunks, eventually, turned

pytestmark = pytest.mark.timeout(60)
# Six thousand of one tenant, and fifty of each of forty others: one of whom nothing is known is taken for one of these.
MANY = """
INSERT INTO chunks (document_id, place, tenant, model, start_at, end_at, text, meta, embedding)
SELECT :id, n, CASE WHEN n > 2000 THEN 'a' ELSE 't' || n % 40 END, 'm/32', 0, 1, 'x', '{}',
    ARRAY(SELECT random() + n * 0 FROM generate_series(1, 32))::vector
FROM generate_series(1, 8000) n
"""


async def names(found: Awaitable[list[vectors.Found]]) -> list[str]:
    return [f"{one.name}:{one.text}" for one in await found]


@pytest.fixture(params=["all compared", "by the index"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Few chunks are compared one by one. Here an index is used for a few as well, so that its ways are tried."""
    if request.param == "by the index":
        monkeypatch.setattr(vectors, "EXACT_UP_TO", 1)
    return request.param


async def test_the_nearest_are_found_with_their_cosines_and_none_below_the_floor(store: Store, way: str) -> None:
    there = Vectors(store.database, "m")
    one = await put(store, "a", "x")
    await there.put(one, "text", chunks(turned(80), turned(10), [0.0] * DIMENSIONS, turned(30), turned(170)))
    if way == "by the index":
        assert await there.index_if_many(turned(0))
    found = await there.nearest("a", np.asarray(turned(0)) * 7, k=3, floor=0.15, where={})
    assert [one.text for one in found] == ["1", "3", "0"]
    assert [one.score for one in found] == pytest.approx(np.cos(np.radians([10, 30, 80])).tolist(), abs=1e-6)
    assert await names(there.nearest("a", turned(0), k=5, floor=0.9, where={})) == ["x:1"]
    assert await there.nearest("a", [0.0] * DIMENSIONS, k=5, floor=-1, where={}) == [], "nothing is near to nothing"


async def test_row_20_nobody_finds_anothers_and_a_few_of_ones_own_are_found_among_very_many(
    store: Store, way: str
) -> None:
    """Thrown out after the nearest are chosen, others' chunks would have taken the places."""
    there = Vectors(store.database, "m")
    rng = np.random.default_rng(7)
    crowd = rng.normal(0, 0.01, size=(3_000, DIMENSIONS)) + turned(0)
    await there.put(await put(store, "b", "crowd"), "text", chunks(*crowd))
    await there.put(await put(store, "a", "mine"), "text", chunks(turned(60), turned(61), turned(62)))
    if way == "by the index":
        assert await there.index_if_many(turned(0))
    assert await names(there.nearest("a", turned(0), k=3, floor=0, where={})) == ["mine:0", "mine:1", "mine:2"]
    assert {one.name for one in await there.nearest("b", turned(60), k=20, floor=0, where={})} == {"crowd"}
    assert await there.nearest("c", turned(0), k=3, floor=-1, where={}) == []


async def test_where_is_heeded_before_the_nearest_are_chosen(store: Store, way: str) -> None:
    there = Vectors(store.database, "m")
    known: dict[str, Any] = {"media_type": "text/plain", "content": b"x", "digest": "1"}
    near, _ = await store.documents.put("a", "near", meta={"team": "other"}, **known)
    far, _ = await store.documents.put("a", "far", meta={"team": "search", "nul": "\0"}, **known)
    await there.put(near, "text", chunks(*[turned(n / 10) for n in range(200)]))
    await there.put(far, "text", chunks(turned(70), turned(71)))
    if way == "by the index":
        assert await there.index_if_many(turned(0))
    for where in ({"team": "search"}, {"team": "search", "nul": "\0"}):
        assert await names(there.nearest("a", turned(0), k=2, floor=0, where=where)) == ["far:0", "far:1"]
    assert await there.nearest("a", turned(0), k=2, floor=-1, where={"team": "none"}) == []


async def test_the_index_is_made_once_and_again_where_it_was_left_half_made(
    store: Store, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Vectors(store.database, "it's 100% mine")
    await there.put(await put(store, "a", "x"), "text", chunks(*[turned(n) for n in range(9)]))
    assert not await there.index_if_many(turned(0)), "nine need none"
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 5)
    assert any(await asyncio.gather(*(there.index_if_many(turned(0)) for _ in range(3))))
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid::regclass::text LIKE 'ix_chunks_embedding%'"
    assert postgres.ask(valid, database) == [["t"]]
    postgres.ask(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text LIKE 'ix_chunks_emb%'", database
    )
    assert await there.index_if_many(turned(0))
    assert postgres.ask(valid, database) == [["t"]]


async def test_the_index_is_used_also_when_a_statement_is_an_old_acquaintance(
    store: Store, postgres: Postgres, database: str
) -> None:
    """From its sixth run on PostgreSQL plans a prepared statement for whatever may come, unless it is told not to."""
    document = await put(store, "a", "x")
    async with store.database.writing() as session:
        await session.execute(text(MANY), {"id": document.id})
    there = Vectors(store.database, "m")
    assert await there.index_if_many([1.0] * 32)
    used = "SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE indexrelname LIKE 'ix_chunks_embedding%'"
    for _ in range(12):
        assert len(await there.nearest("a", [1.0] * 32, k=10, floor=0, where={})) == 10
    await store.database._reading.dispose()  # a session tells what it did when it ends

    async def seen() -> bool:
        return postgres.ask(used, database) == [["12"]]

    await eventually(seen)


@pytest.mark.parametrize("numbers", [2_001, 4_001])
async def test_vectors_that_are_too_wide_for_an_index_are_found_too(
    store: Store, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 1)
    there = Vectors(store.database, "m")
    eye = np.eye(3, numbers)
    await there.put(await put(store, "a", "x"), "text", chunks(*eye))
    assert await there.index_if_many(eye[0])
    assert await names(there.nearest("a", eye[1], k=1, floor=0.9, where={})) == ["x:1"]
