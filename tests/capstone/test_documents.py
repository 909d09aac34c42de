"""Documents from upload to index: what is accepted is found, what is deleted is not, and nobody waits meanwhile."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from capstone.errors import ApiError, ProviderError
from capstone.parts import rag
from capstone.schemas.chat import Asked
from capstone.services.documents import Shelf
from capstone.services.door import Call
from capstone.services.embedding import EMBEDDING, Hashing, open_embed
from capstone.services.extract import Unreadable, media_type_of, text_of
from capstone.services.indexing import GIVEN_UP, REFUSED, Keeper
from capstone.services.turns import take_turn
from capstone.services.work import bring, indexer
from capstone.store import Store, open_store
from tests.capstone.pdfs import bomb, locked, make_pdf
from tests.capstone.test_store import Wanted


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Wanted(tmp_path)) as store:
        yield store


@pytest.fixture
async def embed() -> AsyncIterator[Any]:
    async with open_embed(rag, Hashing(), "hashing") as embed:
        yield embed


@pytest.fixture
async def shelf(store: Store, tmp_path: Path, embed: Any) -> AsyncIterator[Shelf]:
    async for one in kept(Shelf(rag, store.documents, tmp_path / "index", embed)):
        yield one


async def kept(shelf: Shelf, *, pause_s: float = 0.02) -> AsyncIterator[Shelf]:
    """Let somebody keep the shelf."""
    await shelf.open()
    keeper = asyncio.create_task(Keeper(shelf, indexer, pause_s=pause_s, tries=3).keep())
    yield shelf
    keeper.cancel()
    await asyncio.wait({keeper})
    if not keeper.cancelled():
        raise keeper.exception() or AssertionError("it ended")


async def eventually(ready: Callable[[], Awaitable[Any]]) -> Any:
    """Return what `ready` says as soon as it says something."""
    async with asyncio.timeout(15):
        while not (said := await ready()):  # noqa: ASYNC110 - it is a database that is asked, and rings no bell
            await asyncio.sleep(0.01)
    return said


async def settled(shelf: Shelf, tenant: str, document_id: str) -> Any:
    """Wait until a document is in the index, or is known not to be."""

    async def there() -> Any:
        found = await shelf.documents.find(tenant, document_id)
        return found if found and found.state != "queued" else None

    return await eventually(there)


async def indexed(shelf: Shelf) -> set[tuple[str, str]]:
    return {(chunk.tenant, chunk.doc) for chunk in shelf.library.snapshot.chunks}


async def holds(shelf: Shelf, *names: str) -> None:
    """Wait until the index holds these documents of tenant `a`, and no others."""

    async def so() -> bool:
        return await indexed(shelf) == {("a", name) for name in names}

    await eventually(so)


# What is in a file.


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", b"plain", "text/plain"),
        ("a.MD", "\ufeff# Überschrift".encode(), "text/markdown"),
        ("a.txt", make_pdf("x"), "application/pdf"),  # whatever it calls itself
    ],
)
def test_what_a_file_is_shows_in_its_bytes(name: str, content: bytes, kind: str) -> None:
    assert media_type_of(name, content) == kind


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"PK\x03\x04\x00\x00", "Grüße".encode("latin-1"), b"a\0b"])
def test_what_is_neither_text_nor_pdf_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable, match="neither a PDF nor UTF-8 text"):
        media_type_of("notes.txt", content)


async def test_a_pdf_is_read_page_by_page_in_a_process_of_its_own() -> None:
    assert (
        await text_of(make_pdf("The first page.", "The second."), "application/pdf") == "The first page.\n\nThe second."
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7 and then nothing of the kind", "damaged"),
        (make_pdf("x")[:200], "damaged"),
        (locked(make_pdf("x")), "password"),
        (make_pdf(""), "no text"),
        (bomb(300), "damaged|too much memory"),
    ],
    ids=["nonsense", "cut off", "password", "a scan", "a bomb of 300 MB"],
)
async def test_a_pdf_that_cannot_be_read_is_refused_in_words(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        await text_of(content, "application/pdf")


async def test_reading_a_pdf_ends_with_who_waits_for_it() -> None:
    """Its process is not left behind: cancelled uploads would fill the machine."""
    task = asyncio.create_task(text_of(make_pdf("x"), "application/pdf"))

    async def reading() -> set[str]:
        return readers()

    children = await eventually(reading)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not readers() & children


def readers() -> set[str]:
    """The processes of ours that read PDFs."""
    found: set[str] = set()
    for one in Path("/proc").glob("[0-9]*/stat"):
        try:
            if one.read_text().rsplit(")", 1)[1].split()[1] == str(os.getpid()):
                found |= (
                    {one.parent.name} if b"capstone/services/pdf.py" in (one.parent / "cmdline").read_bytes() else set()
                )
        except OSError:
            continue  # it has just ended
    return found


# From the upload to the index.


async def test_what_is_accepted_is_found_and_its_citations_count_in_its_text(shelf: Shelf) -> None:
    text = "\ufeff# Timeouts\n\nThe default is five seconds.\n"
    document, new = await shelf.accept("a", "timeouts.md", text.encode(), {"team": "search"})
    assert new
    document = await settled(shelf, "a", document.id)
    assert (document.state, document.chunks, document.error) == ("ready", 1, "")
    (chunk,) = shelf.library.snapshot.chunks
    kept = await shelf.documents.text_of("a", document.id)
    assert kept
    assert kept[chunk.start : chunk.end] == chunk.text
    assert chunk.meta == {"team": "search"}


async def test_the_same_upload_again_embeds_nothing(shelf: Shelf) -> None:
    first, _ = await shelf.accept("a", "x.txt", b"One sentence.", {})
    await settled(shelf, "a", first.id)
    again, new = await shelf.accept("a", "x.txt", b"One sentence.", {})
    assert (again.id, new, again.state) == (first.id, False, "ready")


async def test_a_new_version_replaces_the_old_one_and_other_meta_is_a_new_version(shelf: Shelf) -> None:
    first, _ = await shelf.accept("a", "x.txt", b"The old one.", {})
    await settled(shelf, "a", first.id)
    second, new = await shelf.accept("a", "x.txt", b"The new one.", {})
    assert (second.id, new) == (first.id, True)
    await settled(shelf, "a", first.id)
    assert [chunk.text for chunk in shelf.library.snapshot.chunks] == ["The new one."]
    _, new = await shelf.accept("a", "x.txt", b"The new one.", {"team": "search"})
    assert new
    await settled(shelf, "a", first.id)
    assert [chunk.meta for chunk in shelf.library.snapshot.chunks] == [{"team": "search"}]


async def test_what_is_deleted_leaves_the_index_and_the_store(shelf: Shelf) -> None:
    document, _ = await shelf.accept("a", "x.txt", b"One sentence.", {})
    await settled(shelf, "a", document.id)
    assert not await shelf.delete("b", document.id)
    assert await shelf.delete("a", document.id)
    assert await shelf.documents.find("a", document.id) is None
    await holds(shelf)

    async def forgotten() -> bool:
        return await shelf.documents.content_of(document.id) is None

    await eventually(forgotten)


async def test_one_that_cannot_be_read_fails_in_words_and_holds_up_nobody(shelf: Shelf) -> None:
    bad, _ = await shelf.accept("a", "bad.pdf", b"%PDF-1.7 nothing", {})
    good, _ = await shelf.accept("a", "good.pdf", make_pdf("A sentence."), {})
    assert (await settled(shelf, "a", good.id)).state == "ready"
    bad = await settled(shelf, "a", bad.id)
    assert (bad.state, bad.error) == ("failed", "it is damaged")


class Choosy:
    """Embeds as `Hashing` does, but for texts with poison in them."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = [*errors]  # the last one for ever
        self.asked = 0

    async def embed(self, principal: Any, asked: Asked, /) -> bytes:
        self.asked += 1
        if any("poison" in text for text in asked.body["input"]):
            raise self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
        return await Hashing().embed(principal, asked)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ApiError(400, "The provider refused this request."), REFUSED),
        (RuntimeError("sk-secret: a bug"), GIVEN_UP),
    ],
)
async def test_one_that_cannot_be_embedded_is_given_up_in_words_and_the_others_are_there(
    store: Store, tmp_path: Path, error: Exception, why: str
) -> None:
    async with open_embed(rag, Choosy(error), "hashing") as embed:
        async for shelf in kept(Shelf(rag, store.documents, tmp_path / "index", embed), pause_s=0.001):
            bad, _ = await shelf.accept("a", "bad.txt", b"This was fine.", {})
            assert (await settled(shelf, "a", bad.id)).state == "ready"
            await shelf.accept("a", "bad.txt", b"This is poison.", {})
            good, _ = await shelf.accept("a", "good.txt", b"This is fine.", {})
            assert (await settled(shelf, "a", good.id)).state == "ready"
            bad = await settled(shelf, "a", bad.id)
            assert (bad.state, bad.error) == ("failed", why)
            await holds(shelf, "good.txt")
            again, new = await shelf.accept("a", "bad.txt", b"This is poison.", {})
            assert (again.state, new) == ("queued", True), "who uploads it again wants it to be tried again"


async def test_while_the_provider_is_away_documents_wait_and_none_is_given_up(store: Store, tmp_path: Path) -> None:
    away = [ProviderError("no answer") for _ in range(10)]
    model = Choosy(*away, RuntimeError("never reached"))
    async with open_embed(rag, model, "hashing") as embed:
        async for shelf in kept(Shelf(rag, store.documents, tmp_path / "index", embed), pause_s=0.00001):
            document, _ = await shelf.accept("a", "x.txt", b"This is poison.", {})
            other, _ = await shelf.accept("b", "y.txt", b"This is fine.", {})
            assert (await settled(shelf, "b", other.id)).state == "ready"

            async def tried() -> bool:
                return len(model.errors) <= 2

            await eventually(tried)
            assert (await shelf.documents.find("a", document.id)).state == "queued"  # type: ignore[union-attr]


async def test_the_bundled_texts_come_once(shelf: Shelf, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.md").write_text("One sentence.")
    await bring(shelf, corpus, tmp_path / "there")
    (document,) = await shelf.documents.of_tenant("demo")
    await shelf.delete("demo", document.id)
    await bring(shelf, corpus, tmp_path / "there")
    assert await shelf.documents.of_tenant("demo") == []


# Nothing of this holds up the event loop (row 22): the work waits for the loop to do something, so on it it would hang.


def handshake(loop: asyncio.AbstractEventLoop) -> None:
    """Return once the loop has done something for us."""
    done = threading.Event()
    loop.call_soon_threadsafe(done.set)
    if not done.wait(10):
        raise AssertionError("the event loop is held up by this work")


async def test_row_22_cutting_and_indexing_are_off_the_loop(store: Store, tmp_path: Path, embed: Any) -> None:
    loop = asyncio.get_running_loop()

    def cut(text: str) -> list[tuple[int, int]]:
        handshake(loop)
        return [(0, len(text))]

    held = SimpleNamespace(
        Document=rag.store.Document, Library=lambda folder, embed: rag.store.Library(folder, embed, cut)
    )
    part: Any = SimpleNamespace(store=held)
    async for shelf in kept(Shelf(part, store.documents, tmp_path / "index", embed)):
        document, _ = await shelf.accept("a", "x.txt", b"One sentence.", {})
        assert (await settled(shelf, "a", document.id)).state == "ready"


async def test_row_22_vectors_made_in_this_process_are_made_off_the_loop() -> None:
    """The loop goes round while they are made. Made on it, it would go round twice: before the first, after all."""
    texts = ["The quick brown fox jumps over the lazy dog, again and again. " * 10] * 64
    rounds = 0

    async def go_round() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    going = asyncio.create_task(go_round())
    await Hashing().embed(None, Asked({"input": texts}, "hashing", False, False, None, 0))
    going.cancel()
    assert rounds > 10, f"the event loop went round {rounds} times while 64 texts were embedded"


async def test_row_22_an_upload_is_looked_at_off_the_loop(shelf: Shelf) -> None:
    loop = asyncio.get_running_loop()

    class Meta(dict[str, str]):
        """Is read where the bytes are hashed, first of all."""

        read = False

        def keys(self) -> Any:
            if not self.read:
                self.read = True
                handshake(loop)
            return super().keys()

        __iter__ = None  # type: ignore[assignment] - so that dict() asks for the keys

    meta = Meta()
    await shelf.accept("a", "x.txt", b"A sentence.", meta)
    assert meta.read


# What lies beside the index, and what becomes of it.


class Planted:
    """What a pickle may do when it is opened."""

    def __reduce__(self) -> Any:
        return os.mkdir, (str(Path(os.environ["PLANTED"]) / "opened"),)


async def test_row_21_a_planted_pickle_is_never_opened(
    store: Store, tmp_path: Path, embed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    monkeypatch.setenv("PLANTED", str(tmp_path))
    folder = tmp_path / "index"
    async for shelf in kept(Shelf(rag, store.documents, folder, embed)):
        document, _ = await shelf.accept("a", "x.txt", b"One sentence.", {})
        await settled(shelf, "a", document.id)
    for name in ("index.pkl", "x.pickle", "index.json", *[one.name for one in folder.iterdir()]):
        (folder / name).write_bytes(pickle.dumps(Planted()))
    async for shelf in kept(Shelf(rag, store.documents, folder, embed)):
        await holds(shelf, "x.txt")
    assert not (tmp_path / "opened").exists()


async def test_an_index_that_is_lost_or_broken_is_made_again(store: Store, tmp_path: Path, embed: Any) -> None:
    folder = tmp_path / "index"
    async for shelf in kept(Shelf(rag, store.documents, folder, embed)):
        document, _ = await shelf.accept("a", "x.txt", b"One sentence.", {})
        await settled(shelf, "a", document.id)
    for one in folder.iterdir():
        one.write_bytes(b"nonsense" * 100)
    async for shelf in kept(Shelf(rag, store.documents, folder, embed)):
        await holds(shelf, "x.txt")
    assert [name for name in os.listdir(tmp_path) if name.startswith("index.broken-")], (
        "what was broken is kept for whoever wants to know why"
    )
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()
    async for shelf in kept(Shelf(rag, store.documents, folder, embed)):
        await holds(shelf, "x.txt")


async def test_what_the_store_does_not_know_leaves_the_index(store: Store, tmp_path: Path, embed: Any) -> None:
    EMBEDDING.set(Call(None, "embedding"))
    stray = rag.store.Library(tmp_path / "index", embed)
    await stray.put(rag.store.Document("stray.txt", "Whose is this?", "a", {}))
    async for shelf in kept(Shelf(rag, store.documents, tmp_path / "index", embed)):
        await holds(shelf)


async def test_another_process_sees_what_the_one_that_keeps_the_index_wrote(
    shelf: Shelf, store: Store, tmp_path: Path, embed: Any
) -> None:
    reader = Shelf(rag, store.documents, tmp_path / "index", embed)
    await reader.open()
    document, _ = await shelf.accept("a", "x.txt", b"One sentence.", {})
    await settled(shelf, "a", document.id)
    assert await indexed(reader) == set()
    await reader.refresh()
    assert await indexed(reader) == {("a", "x.txt")}
    before = reader.library
    await reader.refresh()
    assert reader.library is before, "it is read again although nothing has changed"


async def test_a_turn_is_one_at_a_time_and_counts_up(tmp_path: Path) -> None:
    order: list[str] = []
    first_in, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with take_turn(tmp_path / "turn", every_s=0.005) as number:
            order.append(f"in {number}")
            first_in.set()
            await leave.wait()
            order.append(f"out {number}")

    one = asyncio.create_task(hold())
    await first_in.wait()
    two = asyncio.create_task(hold())
    await asyncio.sleep(0.05)
    leave.set()
    await asyncio.gather(one, two)
    assert order == ["in 1", "out 1", "in 2", "out 2"]
