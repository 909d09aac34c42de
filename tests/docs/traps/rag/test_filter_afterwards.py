"""A filter behind the search. The three sections are shown on the page of lesson 05."""

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

Search = Callable[[Any, str, int], list[int]]


def broken(index: Any, owner: list[str]) -> Search:
    # --8<-- [start:broken]
    def search(vector: Any, tenant: str, k: int) -> list[int]:
        _, rows = index.search(vector, 4 * k)  # "fetch a few more, then filter"
        return [row for row in rows[0].tolist() if owner[row] == tenant][:k]

    # --8<-- [end:broken]
    return search


def repaired(index: Any, owner: list[str]) -> Search:
    # --8<-- [start:repaired]
    def search(vector: Any, tenant: str, k: int) -> list[int]:
        allowed = [row for row, name in enumerate(owner) if name == tenant]
        among = faiss.SearchParameters(sel=faiss.IDSelectorBatch(allowed))  # pyright: ignore - made by SWIG at import
        _, rows = index.search(vector, k, params=among)
        return [row for row in rows[0].tolist() if row >= 0]

    # --8<-- [end:repaired]
    return search


def many_of_one_and_three_of_another() -> tuple[Any, list[str]]:
    angles = np.radians([*np.linspace(0, 30, 100), 60, 70, 80])
    index = faiss.IndexFlatIP(2)
    index.add(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    return index, ["rival"] * 100 + ["acme"] * 3


def test_a_small_tenant_finds_nothing_or_somebody_elses() -> None:
    index, owner = many_of_one_and_three_of_another()
    search = broken(index, owner)
    # --8<-- [start:seen]
    east = np.array([[1, 0]], dtype=np.float32)
    assert search(east, "acme", 3) == []  # it has three pages; the rival's hundred are nearer

    _, rows = index.search(east, 200)
    assert rows[0][-1] == -1  # FAISS fills up with -1, and owner[-1] is whoever came last
    assert owner[rows[0][-1]] == "acme"
    # --8<-- [end:seen]


def test_chosen_before_the_search_all_three_are_found() -> None:
    index, owner = many_of_one_and_three_of_another()
    assert repaired(index, owner)(np.array([[1, 0]], dtype=np.float32), "acme", 5) == [100, 101, 102]
