"""An index that compares by distance. The three sections are shown on the page of lesson 05."""

from typing import Any

import faiss
import numpy as np
import pytest


def broken(vectors: Any) -> Any:
    # --8<-- [start:broken]
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    # --8<-- [end:broken]
    return index


def repaired(vectors: Any) -> Any:
    # --8<-- [start:repaired]
    units = vectors.copy()
    faiss.normalize_L2(units)  # in place, hence the copy
    index = faiss.IndexFlatIP(units.shape[1])  # the inner product of vectors of length 1 is their cosine
    index.add(units)
    # --8<-- [end:repaired]
    return index


def test_the_length_of_a_vector_decides() -> None:
    # --8<-- [start:seen]
    question = np.array([[1, 0]], dtype=np.float32)
    same_direction, another = [3, 0], [0.6, 0.8]
    index = broken(np.array([same_direction, another], dtype=np.float32))

    scores, rows = index.search(question, 2)
    assert rows[0].tolist() == [1, 0]  # what points elsewhere comes first, because it is short
    assert scores[0].tolist() == pytest.approx([0.8, 4.0])  # and the worse one has the higher "score"
    # --8<-- [end:seen]


def test_the_direction_decides() -> None:
    index = repaired(np.array([[3, 0], [0.6, 0.8]], dtype=np.float32))
    scores, rows = index.search(np.array([[1, 0]], dtype=np.float32), 2)
    assert rows[0].tolist() == [0, 1]
    assert scores[0].tolist() == pytest.approx([1.0, 0.6])
