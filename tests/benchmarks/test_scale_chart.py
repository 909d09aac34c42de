"""The chart of how the capstone's cost grows, and the page that tells it, follow from the figures beside them."""

import importlib
import json
from pathlib import Path

import pytest

from tools import docs_scale

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_chart_is_the_drawing_of_the_committed_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # scripts beside each other, run from their folder
    draw = importlib.import_module("scale_chart").draw
    found = json.loads((ROOT / "benchmarks" / "results" / "scale.json").read_text(encoding="utf-8"))
    assert draw(found).encode() == (ROOT / "docs" / "img" / "scale.svg").read_bytes(), (
        "Draw it again: python benchmarks/scale_chart.py < benchmarks/results/scale.json > docs/img/scale.svg"
    )


def test_the_page_says_what_was_measured() -> None:
    assert docs_scale.PAGE.read_text(encoding="utf-8") == docs_scale.render(), (
        "write it anew: python -m tools.docs_scale"
    )
