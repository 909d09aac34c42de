"""What the cells about search measure with: pages, questions, chunks and scores."""

import numpy as np
import pytest

from tests.notebooks.running import at_home

with at_home():
    from pages import best, bm25, cut, holds, read_pages, read_questions, vectors_of

PAGES = read_pages()


def test_every_marked_passage_is_in_a_page() -> None:
    questions = read_questions()
    assert (len(PAGES), len(questions)) == (48, 95)
    assert all(PAGES[page].count(quote) == 1 for one in questions for page, quote in one.marks)
    assert {bool(one.marks) for one in questions if one.kind == "unanswerable"} == {False}


@pytest.mark.parametrize(("size", "overlap"), [(150, 30), (800, 200), (5_000, 0)])
def test_chunks_are_places_of_their_page_and_leave_nothing_out(size: int, overlap: int) -> None:
    chunks = cut(PAGES, size, overlap)
    assert all(chunk.text == PAGES[chunk.page][chunk.start : chunk.end] for chunk in chunks)
    assert all(0 < len(chunk.text) <= size for chunk in chunks)
    for page, text in PAGES.items():
        covered = {at for one in chunks if one.page == page for at in range(one.start, one.end)}
        assert not "".join(character for at, character in enumerate(text) if at not in covered).strip()


def test_vectors_have_length_one_and_near_texts_are_near() -> None:
    vectors = vectors_of(["a timeout of five seconds", "timeouts in seconds", "bananas and pears"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def test_a_rare_word_decides_by_bm25() -> None:
    chunks = cut(PAGES)
    first = chunks[best(bm25("what does E-4107 mean", chunks), k=1)[0]]
    assert "E-4107" in first.text
    assert holds(first, (first.page, "E-4107")) and not holds(first, ("other.md", "E-4107"))
    assert bm25("zyzzyva", chunks).max() == 0
