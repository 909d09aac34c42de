"""Documents, and all else that is kept, where several instances write to one PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from capstone.parts import rag
from capstone.services.door import Call
from capstone.services.embedding import EMBEDDING, Hashing, open_embed
from capstone.services.indexing import Keeper
from capstone.services.vectors import SharedShelf
from capstone.services.work import indexer
from capstone.store import Store, open_store, vectors
from capstone.store.documents import TooManyDocuments
from capstone.store.move import move
from capstone.store.outage import Unstorable
from capstone.store.tables import Key
from capstone.store.vectors import Vectors
from tests.capstone.test_store import Wanted, put, record
from tests.scale.neighbors import Postgres
from tests.scale.stores import chunks, eventually, opened, turned

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def shelves(store: Store) -> AsyncIterator[Callable[..., SharedShelf]]:
    """Make shelves over one store, as instances have them: `shelves()`, or `shelves(model)`."""
    async with AsyncExitStack() as stack:
        embed = await stack.enter_async_context(open_embed(rag, Hashing(), "hashing"))
        yield lambda model="m", embed=embed, **more: SharedShelf(
            rag, store.documents, Vectors(store.database, model), embed, **more
        )


@asynccontextmanager
async def keeping(*shelves: SharedShelf) -> AsyncIterator[None]:
    keepers = [asyncio.create_task(Keeper(one, indexer, pause_s=0.02).keep()) for one in shelves]
    yield
    for one in keepers:
        one.cancel()
    await asyncio.wait(keepers)
    for one in keepers:
        if not one.cancelled():
            raise one.exception() or AssertionError("it ended")


async def settled(store: Store, tenant: str, document_id: str) -> Any:
    async def there() -> Any:
        found = await store.documents.find(tenant, document_id)
        return found if found and found.state != "queued" else None

    return await eventually(there)


async def test_every_instance_finds_what_any_was_given_and_loses_it_at_once(shelves: Any, store: Store) -> None:
    one, other = shelves(), shelves()
    async with keeping(one, other):
        documents = [(await one.accept("a", f"{n}.txt", f"Sentence number {n}.".encode(), {}))[0] for n in range(30)]
        for document in documents:
            assert (await settled(store, "a", document.id)).state == "ready"
        EMBEDDING.set(Call(indexer("a"), "rag"))
        query = rag.retrieval.Query("Sentence number 7.", "a", k=30, floor=0.0)
        for shelf in (one, other):
            hits = await shelf.search(query)
            assert (hits[0].chunk.doc, hits[0].chunk.text) == ("7.txt", "Sentence number 7.")
            assert len(hits) == 30, "each once"
    # Nobody keeps the index now: it is the search that leaves out what is deleted.
    assert await other.delete("a", documents[7].id)
    assert "7.txt" not in {hit.chunk.doc for hit in await one.search(query)}


async def test_among_the_nearest_words_in_common_count(shelves: Any, store: Store) -> None:
    """What an embedding does not tell apart: numbers, names, codes."""

    async def alike(texts: Any) -> Any:
        return [turned(1 + len(text) / 100) for text in texts]

    shelf = shelves(embed=alike)
    for n in range(9):
        await shelf.accept("a", f"{n}.txt", f"The error E{4711 + n} means {'very ' * n}little.".encode(), {})
    async with keeping(shelf):
        query = rag.retrieval.Query("What does E4718 mean?", "a", k=3)
        hits = await eventually(lambda: _all_of(shelf, query, 3))
    assert hits[0].chunk.doc == "7.txt"


async def test_a_document_is_worked_on_by_one_instance_and_by_another_when_that_one_dies(
    shelves: Any, store: Store
) -> None:
    dead, alive = shelves(lease_s=0.5), shelves()
    document, _ = await dead.accept("a", "x.txt", b"One sentence.", {})
    claimed = await store.documents.claim(for_s=0.5)
    assert [one.id for one in claimed] == [document.id]
    assert await store.documents.claim(for_s=0.5) == [], "it is worked on"
    async with keeping(alive):  # and the first never comes back
        assert (await settled(store, "a", document.id)).state == "ready"


async def test_who_is_still_at_work_keeps_its_claim_and_gives_it_back_at_the_end(shelves: Any, store: Store) -> None:
    one = shelves(lease_s=0.3)
    document, _ = await one.accept("a", "x.txt", b"One sentence.", {})
    async with one.tasks([]) as tasks:
        assert [task.id for task in tasks] == [document.id]
        await asyncio.sleep(0.8)
        assert await store.documents.claim(for_s=0.1) == [], "the lease was not renewed"
    assert [task.id for task in await store.documents.claim(for_s=0.1)] == [document.id]


async def test_of_two_that_worked_on_one_document_the_later_changes_nothing(store: Store) -> None:
    there = Vectors(store.database, "m")
    document = await put(store, "a", "x")
    assert await asyncio.gather(
        there.put(document, "text", chunks(turned(0), turned(1))), there.put(document, "text", chunks(turned(0)))
    ) in ([True, False], [False, True])
    found = await there.nearest("a", turned(0), k=9, floor=0, where={})
    ready = await store.documents.find("a", document.id)
    assert ready is not None
    assert len(found) == ready.chunks


async def test_until_a_new_version_is_indexed_the_old_one_is_found_and_a_stale_one_never_is(store: Store) -> None:
    there = Vectors(store.database, "m")
    old = await put(store, "a", "x", digest="1")
    assert await there.put(old, "old", chunks(turned(0)))
    new = await put(store, "a", "x", digest="2")
    assert len(await there.nearest("a", turned(0), k=9, floor=0, where={})) == 1
    assert not await there.put(old, "old", chunks(turned(5), turned(6))), "it has changed meanwhile"
    assert await there.put(new, "new", chunks(turned(1), turned(2)))
    assert len(await there.nearest("a", turned(0), k=9, floor=0, where={})) == 2


async def test_while_a_large_document_is_put_into_the_index_it_can_be_replaced_and_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of its transaction, and not after it: that takes a while."""
    middle, go_on = asyncio.Event(), asyncio.Event()
    settle = vectors.settle

    async def late(*args: Any, **kwargs: Any) -> bool:
        middle.set()
        await go_on.wait()
        return await settle(*args, **kwargs)

    monkeypatch.setattr(vectors, "settle", late)
    there = Vectors(store.database, "m")
    document = await put(store, "a", "x")
    task = asyncio.create_task(there.put(document, "text", chunks(turned(0))))
    await middle.wait()
    assert (await put(store, "a", "x", digest="2")).state == "queued"
    assert await store.documents.doom("a", document.id)
    go_on.set()
    assert not await task


async def test_another_model_embeds_everything_anew_and_nothing_is_compared_across(shelves: Any, store: Store) -> None:
    one, other = shelves("m"), shelves("n")
    EMBEDDING.set(Call(indexer("a"), "rag"))
    query = rag.retrieval.Query("One sentence.", "a", floor=0.0)
    async with keeping(one):
        document, _ = await one.accept("a", "x.txt", b"One sentence.", {})
        await settled(store, "a", document.id)
    assert len(await one.search(query)) == 1
    assert await other.search(query) == []
    async with keeping(other):
        assert len(await eventually(lambda: other.search(query))) == 1


# What nobody can keep must not stop what others keep.


async def test_a_text_with_a_nul_is_kept_and_looked_for_without_it(store: Store) -> None:
    one = await put(store, "a\0", "x\0.txt")
    assert await store.documents.find("a", f"{one.id}\0") is not None
    assert await store.documents.find("a", "\0") is None


async def test_a_value_that_no_column_holds_is_said_to_be_one_and_is_no_outage(store: Store) -> None:
    """And it is not shown: errors of databases quote what somebody has written."""
    document = await put(store, "a", "x")
    for trying in (put(store, "a", "secret" * 40), store.documents.settle(document, chunks=2**31)):
        with pytest.raises(Unstorable) as refused:
            await trying
        assert "secret" not in f"{refused.value!r} {refused.value.__cause__!r}"
    assert await store.documents.find("a", document.id) is not None


async def test_usage_with_what_no_column_holds_is_written_all_the_same(store: Store) -> None:
    """A provider says what it likes, and the queue would be stuck behind its record for ever."""
    await store.usage.add([record(1, model="m\0" * 300, prompt_tokens=10**12), record(2)])
    assert [one.completion_tokens for one in await store.usage.latest("a")] == [4, 4]


async def test_of_many_uploads_at_once_as_many_are_kept_as_there_is_room_for(
    postgres: Postgres, database: str, tmp_path: Path
) -> None:
    async with opened(postgres, database, tmp_path) as one, opened(postgres, database, tmp_path) as other:
        done = await asyncio.gather(
            *(put(store, "a", f"{n}{i}") for n in range(10) for i, store in enumerate((one, other))),
            return_exceptions=True,
        )
        assert sum(not isinstance(one, BaseException) for one in done) == 3
        assert all(isinstance(one, TooManyDocuments) for one in done if isinstance(one, BaseException))


# From one machine to several.


async def test_what_one_machine_has_kept_is_moved_and_a_second_time_changes_nothing(
    store: Store, tmp_path: Path, shelves: Any
) -> None:
    async with open_store(Wanted(tmp_path / "one")) as one:
        await one.keys.add(
            Key(id="k", digest="d", tenant="a", principal_id="key:k", scopes=["chat"], token_limit=5, created_at=0.0)
        )
        await one.usage.add([record(number) for number in range(450)])
        ready = await put(one, "a", "x.txt", b"One sentence.")
        await one.documents.settle(ready, text="One sentence.", chunks=1)
        await put(one, "a", "waits.txt", b"Another sentence.")
        await put(one, "b", "taken.txt", b"Of one machine.")
        mine = await put(store, "b", "taken.txt", b"Of the server.")
        copied = await move(one.database, store.database)
        assert copied == {"keys": 1, "users": 0, "usage_records": 450, "documents": 2, "document_contents": 2}
        assert set((await move(one.database, store.database)).values()) == {0}
    assert await store.keys.find("k") is not None
    assert await store.usage.tokens_of("key:1") == 450 * 7
    assert await store.documents.content_of(mine.id) == b"Of the server."
    async with keeping(shelf := shelves()):
        EMBEDDING.set(Call(indexer("a"), "rag"))
        query = rag.retrieval.Query("One sentence.", "a", floor=0.0)
        found = await eventually(lambda: _all_of(shelf, query, 2))
    assert {hit.chunk.doc for hit in found} == {"x.txt", "waits.txt"}


async def _all_of(shelf: SharedShelf, query: Any, count: int) -> list[Any] | None:
    hits = await shelf.search(query)
    return hits if len(hits) == count and not await shelf.documents.to_do() else None
