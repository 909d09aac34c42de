"""Draw the figures of scale.py as an SVG that explains itself.

    python benchmarks/scale_chart.py < benchmarks/results/scale.json > docs/img/scale.svg

By hand on the standard library, for the reasons that chart.py gives, and with its pen.
"""

import json
import math
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chart import MARGIN, STYLE, WIDTH, number, rule, write

Figures = dict[str, Any]
TITLE = "How the capstone's cost grows"
BAR, PITCH, LABEL = 12, 22, 150
COLUMNS = (470, 550, 625, WIDTH - MARGIN)  # where numbers behind the bars end
PARTS = [("capstone", "many", "the instances"), ("redis", "some", "Redis"), ("postgres", "few", "PostgreSQL")]
ENGINES = {"faiss": ("some", "FAISS, a copy in every process"), "pgvector": ("many", "pgvector, shared")}
GAP, GUTTER = 36, 46  # between panels, and for the numbers left of each
PANEL = (WIDTH - 2 * MARGIN - GAP) / 2
HIGH = 110
COLORS = """
.stroke { fill: none; stroke-width: 2.5; }
.stroke.some { fill: none; stroke: #38a194; stroke-dasharray: 5 3; }
.stroke.many { fill: none; stroke: #00695c; }
@media (prefers-color-scheme: dark) {
  .stroke.some { stroke: #45a79b; }
  .stroke.many { stroke: #8ce0d4; }
}
"""


@dataclass(frozen=True)
class Panel:
    """One thing that is shown against the number of chunks."""

    heading: str
    key: str
    unit: str
    of: Callable[[Figures], float]


PANELS = [
    Panel("a search, half of all within", "p50", "ms", lambda row: row["p50_ms"]),
    Panel("one document more, until it is found", "one", "s", lambda row: row["one_more_s"]),
    Panel("all of them, from nothing", "all", "s", lambda row: row["total_s"]),
    Panel("memory in each instance that searches", "memory", "MB", lambda row: row["memory_mb"]),
]


def draw(found: Figures) -> str:
    """Return the chart of what scale.py found; of a part that was not measured nothing is drawn."""
    svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-labelledby": "title desc"})
    ET.SubElement(svg, "title", {"id": "title"}).text = TITLE
    ET.SubElement(svg, "desc", {"id": "desc"}).text = description(found)
    ET.SubElement(svg, "style").text = STYLE + COLORS
    card = ET.SubElement(svg, "rect", {"class": "card", "width": str(WIDTH), "rx": "8"})
    write(svg, MARGIN, 28, TITLE, "title")
    top = 58.0
    if "instances" in found:
        top = draw_instances(svg, found["instances"], top)
    if "documents" in found:
        top = draw_documents(svg, with_totals(found["documents"]), top)
    notes = captions(found)
    for at, note in enumerate(notes):
        write(svg, MARGIN, top + 16 * at, note, "quiet")
    height = number(top + 16 * len(notes))
    svg.set("viewBox", f"0 0 {WIDTH} {height}")
    card.set("height", height)
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def draw_instances(svg: ET.Element, found: Figures, top: float) -> float:
    """Draw a bar for each number of instances, in three parts; return where to go on."""
    group = ET.SubElement(svg, "g", {"id": "instances"})
    write(group, MARGIN, top, "CPU time for one request, wherever it is spent", "strong")
    left = float(LABEL)
    for _, shade, words in PARTS:
        swatch = {"class": shade, "x": number(left), "y": number(top + 9), "width": "10", "height": "10"}
        ET.SubElement(group, "rect", swatch)
        write(group, left + 14, top + 18, words, "quiet")
        left += 14 + 6.2 * len(words) + 14
    heads = ("in all", "a second", "p50", "p99")
    for right, words in zip(COLUMNS, heads, strict=True):
        write(group, right, top + 18, words, "quiet", end=True)
    longest = max(spent(case) for case in found["cases"])
    room = COLUMNS[0] - 60 - LABEL
    for at, case in enumerate(found["cases"]):
        line = top + 28 + PITCH * at
        write(group, MARGIN, line + BAR - 2, named(case), "")
        left = float(LABEL)
        for name, shade, _ in PARTS:
            length = room * case["busy"]["cpu_us"][name] / longest
            bar = {"class": shade, "x": number(left), "y": number(line), "width": number(length), "height": str(BAR)}
            ET.SubElement(group, "rect", bar)
            left += length
        busy, calm = case["busy"], case["calm"]
        told = (f"{spent(case):.0f} µs", f"{busy['requests_per_s']:,.0f}", ms(calm["p50_ms"]), ms(calm["p99_ms"]))
        for right, words in zip(COLUMNS, told, strict=True):
            write(group, right, line + BAR - 2, words, "", end=True)
    return top + 28 + PITCH * len(found["cases"]) + 30


def draw_documents(svg: ET.Element, found: Figures, top: float) -> float:
    """Draw four panels against the number of chunks; return where to go on."""
    group = ET.SubElement(svg, "g", {"id": "documents"})
    write(group, MARGIN, top, "Documents, by how many chunks there are", "strong")
    left = MARGIN + 290.0
    for shade, words in ENGINES.values():
        points = f"{number(left)},{number(top - 4)} {number(left + 22)},{number(top - 4)}"
        ET.SubElement(group, "polyline", {"class": f"stroke {shade}", "points": points})
        write(group, left + 28, top, words, "")
        left += 28 + 6 * len(words) + 20
    for at, panel in enumerate(PANELS):
        across, down = at % 2, at // 2
        draw_panel(group, panel, found["engines"], MARGIN + across * (PANEL + GAP), top + 32 + down * (HIGH + 62))
    return top + 32 + 2 * (HIGH + 62) - 6


def draw_panel(group: ET.Element, panel: Panel, engines: list[Figures], left: float, top: float) -> None:
    """Draw one line for each engine."""
    write(group, left, top, panel.heading, "")
    most = max(panel.of(row) for engine in engines for row in engine["rows"])
    ceiling, floor = nice(most), top + 14 + HIGH
    last = max(row["chunks"] for engine in engines for row in engine["rows"])
    begin, room = left + GUTTER, PANEL - GUTTER - 60

    def place(row: Figures) -> tuple[float, float]:
        return begin + room * row["chunks"] / last, floor - HIGH * panel.of(row) / ceiling

    for part in (0.0, 0.5, 1.0):
        height = floor - HIGH * part
        rule(group, begin, height, begin + room, height, "line")
        write(group, begin - 6, height + 4, f"{ceiling * part:g} {panel.unit}" if part else "0", "quiet", end=True)
    for row in engines[0]["rows"]:
        write(group, place(row)[0] + 8, floor + 15, f"{row['chunks'] // 1000}k", "quiet", end=True)
    ends: list[tuple[float, str]] = []
    for engine in engines:
        shade = ENGINES[engine["id"]][0]
        points = " ".join(f"{number(x)},{number(y)}" for x, y in map(place, engine["rows"]))
        ET.SubElement(group, "polyline", {"class": f"stroke {shade}", "points": points})
        ends.append((place(engine["rows"][-1])[1], f"{short(panel.of(engine['rows'][-1]))} {panel.unit}"))
    below = math.inf
    for height, words in sorted(ends, reverse=True):
        below = min(height + 4, below - 13)
        write(group, begin + room + 6, below, words, "")


def with_totals(found: Figures) -> Figures:
    """Return the figures of documents, with the seconds that all of them took up to each step."""
    engines = []
    for engine in found["engines"]:
        total, rows = 0.0, []
        for row in engine["rows"]:
            total += row["ingest_s"]
            rows.append({**row, "total_s": total})
        engines.append({**engine, "rows": rows})
    return {**found, "engines": engines}


def nice(most: float) -> float:
    """Return a round number that is not below another."""
    unit = 10.0 ** math.floor(math.log10(most)) if most > 0 else 1.0
    return next(unit * step for step in (1, 2, 4, 6, 8, 10) if unit * step >= most)


def short(value: float) -> str:
    """Return a number in three digits or fewer."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def ms(value: float) -> str:
    """Return milliseconds."""
    return f"{value:.1f} ms"


def spent(case: Figures) -> float:
    """Return the microseconds of all parts together."""
    return sum(case["busy"]["cpu_us"][name] for name, _, _ in PARTS)


def named(case: Figures) -> str:
    """Return which instances these are."""
    count = case["instances"]
    return f"{count} instance{'s' * (count > 1)}" if case["shares"] else "1, sharing nothing"


def description(found: Figures) -> str:
    """Return the chart in words, for those who hear it."""
    sentences = []
    for case in found.get("instances", {"cases": []})["cases"]:
        sentences.append(
            f"{named(case)}: {spent(case):.0f} microseconds of CPU a request, {case['busy']['requests_per_s']:.0f} "
            f"requests a second, half of them within {ms(case['calm']['p50_ms'])} where nobody waits for another."
        )
    if "documents" in found:
        for engine in with_totals(found["documents"])["engines"]:
            row = engine["rows"][-1]
            told = ", ".join(f"{panel.heading} {short(panel.of(row))} {panel.unit}" for panel in PANELS)
            sentences.append(f"{row['chunks']} chunks in {ENGINES[engine['id']][1]}: {told}.")
    return " ".join(sentences)


def captions(found: Figures) -> list[str]:
    """Return the lines under the chart: what was measured how, where and when, and how to repeat it."""
    machine, packages = found["machine"], found["packages"]
    notes = []
    if "instances" in found:
        one = found["instances"]
        notes += [
            f"Requests a second: {one['connections']} connections that are always busy; provider and load take their "
            f"part of the {machine['cores']} cores.",
            f"p50 and p99: at {one['rate']:g} requests a second for each instance, an instant provider.",
        ]
    if "documents" in found:
        one = found["documents"]
        recall = min(row["recall"] for engine in one["engines"] for row in engine["rows"] if "recall" in row)
        notes += [
            f"Documents of {one['per_document']} chunks, vectors of {one['dimensions']} numbers in clusters; embedding "
            "costs nothing here.",
            f"Of the 5 nearest, pgvector's index finds {100 * recall:.1f} % or more; FAISS compares all. PostgreSQL is "
            "set as it comes.",
        ]
    return [
        *notes,
        f"asyncpg {packages['asyncpg']}, pgvector {packages['pgvector']}, faiss-cpu "
        f"{packages['faiss-cpu']}, redis {packages['redis']}, FastAPI {packages['fastapi']}.",
        f"{machine['cores']} shared cores, nothing pinned; {machine['system']} {machine['architecture']}, Python "
        f"{machine['python']}. {found['date']}, load average {machine['load_average_before'][0]} before.",
        f"Made by: {found['command']}",
    ]


if __name__ == "__main__":
    sys.stdout.write(draw(json.load(sys.stdin)))
