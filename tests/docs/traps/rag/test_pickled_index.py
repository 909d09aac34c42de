"""An index whose texts are pickled. The three sections are shown on the page of lesson 05."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

Load = Callable[[Path], tuple[list[str], Any]]


def broken() -> Load:
    # --8<-- [start:broken]
    def load_index(folder: Path) -> tuple[list[str], Any]:
        index = faiss.read_index(str(folder / "index.faiss"))
        texts = pickle.loads((folder / "index.pkl").read_bytes())  # noqa: S301
        return texts, index

    # --8<-- [end:broken]
    return load_index


def repaired() -> Load:
    # --8<-- [start:repaired]
    def load_index(folder: Path) -> tuple[list[str], Any]:
        index = faiss.read_index(str(folder / "index.faiss"))
        texts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return texts, index

    # --8<-- [end:repaired]
    return load_index


def an_index_in(folder: Path) -> None:
    index = faiss.IndexFlatIP(2)
    index.add(np.eye(2, dtype=np.float32))
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "index.json").write_text('["one", "two"]', encoding="utf-8")


def test_whoever_writes_the_file_runs_code(tmp_path: Path) -> None:
    an_index_in(tmp_path)
    load_index, proof = broken(), tmp_path / "proof"

    # --8<-- [start:seen]
    class Texts:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return exec, (f"open({str(proof)!r}, 'w').close()",)  # or whatever else your service may do

    (tmp_path / "index.pkl").write_bytes(pickle.dumps(Texts()))
    load_index(tmp_path)
    assert proof.exists()
    # --8<-- [end:seen]


def test_json_can_only_be_data(tmp_path: Path) -> None:
    an_index_in(tmp_path)
    assert repaired()(tmp_path)[0] == ["one", "two"]
