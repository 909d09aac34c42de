"""The chart of async against sync is the drawing of the figures beside it, and stands alone."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chart import draw

ROOT = Path(__file__).resolve().parents[2]
JSON = ROOT / "benchmarks" / "results" / "async_vs_sync.json"
SVG = ROOT / "docs" / "img" / "async_vs_sync.svg"
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.fixture
def found() -> dict[str, Any]:
    return json.loads(JSON.read_text(encoding="utf-8"))


@pytest.fixture
def svg() -> ET.Element:
    return ET.fromstring(SVG.read_text(encoding="utf-8"))  # noqa: S314 - our own file


def words_of(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_the_committed_chart_is_the_drawing_of_the_committed_figures(found: dict[str, Any]):
    assert draw(found).encode() == SVG.read_bytes(), (
        "Draw it again: python benchmarks/chart.py < benchmarks/results/async_vs_sync.json > docs/img/async_vs_sync.svg"
    )


def test_the_chart_is_named_and_described(svg: ET.Element):
    assert svg.tag == f"{{{NAMESPACE}}}svg"
    named = {child.get("id"): words_of(child) for child in svg if child.get("id") in ("title", "desc")}
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "title desc"
    assert len(named["title"]) > 20
    assert len(named["desc"]) > 200


def test_the_chart_asks_no_host_for_anything(svg: ET.Element):
    text = SVG.read_text(encoding="utf-8").replace(NAMESPACE, "")
    assert not re.findall(r"//|url\(|@import|@font-face|href|<script|<!DOCTYPE|<\?", text)
    assert not [name for element in svg.iter() for name in element.attrib if name.endswith(("href", "src"))]


def test_the_chart_follows_light_and_dark(svg: ET.Element):
    style = next(child.text or "" for child in svg if child.tag.endswith("style"))
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    used = {name for element in svg.iter() for name in element.get("class", "").split()} - {"title", "strong"}
    assert used >= {"card", "few", "some", "many"}
    for name in used:
        assert f".{name} {{" in light
        assert f".{name} {{" in dark


def test_every_case_is_drawn_with_its_name_and_every_figure(found: dict[str, Any], svg: ET.Element):
    groups = {group.get("id"): group for group in svg if group.tag.endswith("}g")}
    assert list(groups) == [case["id"] for case in found["cases"]]
    for case in found["cases"]:
        words = words_of(groups[case["id"]])
        bars = [one for one in groups[case["id"]] if one.tag.endswith("rect")]
        assert f"{case['framework']} {case['label']}" in words
        assert [run["users"] for run in case["runs"]] == [1, 10, 100]
        assert len(bars) == 3 * len(case["runs"])
        assert len([one for one in groups[case["id"]] if one.tag.endswith("text")]) == 1 + 4 * len(case["runs"])


def test_nothing_leaves_the_picture(svg: ET.Element):
    _, _, width, height = map(float, svg.get("viewBox", "").split())
    for element in svg.iter():
        assert 0 <= float(element.get("x", 0)) + float(element.get("width", 0)) <= width
        assert 0 <= float(element.get("y", 0)) <= height


def test_a_bound_and_errors_are_told_as_such(found: dict[str, Any]):
    run = found["cases"][0]["runs"][0]
    run.update(p99_ms=7250.0, p99_is_at_least=True, errors={"status 500": 2, "ServerDisconnectedError": 1})
    drawn = draw(found)
    assert "≥ 7.2 s" in drawn
    assert " 3 errors" in drawn


def test_a_server_without_an_answer_is_drawn_too(found: dict[str, Any]):
    run = found["cases"][0]["runs"][2]
    run.update(requests_per_s=0.0, p50_ms=None, p99_ms=None, cpu_ms_per_request=None, errors={"status 500": 9})
    assert "no answer" in draw(found)


def test_the_figures_name_no_place_of_the_machine_they_were_taken_on(found: dict[str, Any]):
    text = json.dumps(found) + SVG.read_text(encoding="utf-8")
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/", text)
    assert found["command"] == "python benchmarks/async_vs_sync.py"
