"""FAISS: nearest vectors, and the page that nobody found. Shown on docs/systems/faiss.md."""

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

Search = Callable[[Any, int], list[str]]


def example(vectors: Any) -> Any:
    # --8<-- [start:example]
    # (n, d), a copy: the next line works in place
    rows = np.array(vectors, dtype=np.float32)
    faiss.normalize_L2(rows)  # then the inner product is the cosine
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    # --8<-- [end:example]
    return index


def broken(index: Any, pages: list[str]) -> Search:
    # --8<-- [start:broken]
    def search(vector: Any, k: int) -> list[str]:
        _, rows = index.search(vector, k)
        return [pages[row] for row in rows[0]]

    # --8<-- [end:broken]
    return search


def repaired(index: Any, pages: list[str]) -> Search:
    # --8<-- [start:repaired]
    def search(vector: Any, k: int) -> list[str]:
        _, rows = index.search(vector, min(k, index.ntotal) or 1)
        return [pages[row] for row in rows[0] if row >= 0]

    # --8<-- [end:repaired]
    return search


PAGES = ["opening hours", "refunds", "salaries of the board"]
EAST = np.array([[1, 0]], dtype=np.float32)


def test_the_nearest_comes_first_and_its_score_is_the_cosine() -> None:
    scores, rows = example([[0, 2], [3, 0], [1, 1]]).search(EAST, 2)
    assert rows.tolist() == [[1, 2]]
    assert np.allclose(scores, [[1, 0.5**0.5]])


def test_what_was_not_found_is_the_last_page() -> None:
    index = example([[1, 0], [0.9, 0.1]])  # the third page was taken out of the index, and not out of the list
    search = broken(index, PAGES)
    # --8<-- [start:seen]
    # -1: there is nothing more
    assert index.search(EAST, 4)[1].tolist() == [[0, 1, -1, -1]]
    assert search(EAST, 4)[2:] == ["salaries of the board"] * 2
    # --8<-- [end:seen]


def test_what_was_not_found_is_left_out() -> None:
    assert repaired(example([[1, 0], [0.9, 0.1]]), PAGES)(EAST, 4) == ["opening hours", "refunds"]
    assert repaired(faiss.IndexFlatIP(2), PAGES)(EAST, 4) == []
