"""The chart of what the capstone costs is the drawing of the figures beside it."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_chart_is_the_drawing_of_the_committed_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # scripts beside each other, run from their folder
    draw = importlib.import_module("service_chart").draw
    found = json.loads((ROOT / "benchmarks" / "results" / "service.json").read_text(encoding="utf-8"))
    assert draw(found).encode() == (ROOT / "docs" / "img" / "service.svg").read_bytes(), (
        "Draw it again: python benchmarks/service_chart.py < benchmarks/results/service.json > docs/img/service.svg"
    )
