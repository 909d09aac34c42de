"""Draw the figures of async_vs_sync.py as an SVG that explains itself.

    python benchmarks/chart.py < benchmarks/results/async_vs_sync.json > docs/img/async_vs_sync.svg

Written by hand on the standard library, and not by a drawing library: the same figures give the same bytes on every
machine, words stay text that can be searched and read aloud, colors follow the reader's light or dark mode, and nothing
has to be installed to draw it again.
"""

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WIDTH = 720
MARGIN = 16
GUTTER = 40  # numbers of users, left of the bars
PANEL = (WIDTH - 2 * MARGIN - GUTTER) / 3
BAR_ROOM = PANEL - 64  # the rest of a panel is for the number behind the longest bar
BAR = 10
PITCH = 13
HEADING = 17  # the line that names a case
GAP = 9
TOP = 92

STYLE = """
text {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-size: 11.5px;
  fill: #1f2933;
  stroke: #ffffff;
  stroke-width: 3px;
  paint-order: stroke;
}
.title { font-size: 17px; font-weight: 600; }
.strong { font-weight: 600; }
.quiet { fill: #55616b; }
.error { fill: #b3261e; }
.card { fill: #ffffff; }
.line { stroke: #c9d1d8; stroke-width: 1; }
.possible { stroke: #55616b; stroke-width: 1; stroke-dasharray: 2 3; }
.few { fill: #9bd3cb; }
.some { fill: #38a194; }
.many { fill: #00695c; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9ed; stroke: #1e2029; }
  .quiet { fill: #a9b3bd; }
  .error { fill: #ff8a80; }
  .card { fill: #1e2029; }
  .line { stroke: #3d434e; }
  .possible { stroke: #a9b3bd; }
  .few { fill: #2f6f68; }
  .some { fill: #45a79b; }
  .many { fill: #8ce0d4; }
}
"""
SHADES = ["few", "some", "many"]


def rate(value: float) -> str:
    """Return requests per second in three digits or fewer."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def within(run: dict[str, Any]) -> str:
    """Return the latency that 99 of 100 requests keep."""
    if run["p99_ms"] is None:
        return "no answer"
    words = f"{run['p99_ms']:.0f} ms" if run["p99_ms"] < 1000 else f"{run['p99_ms'] / 1000:.1f} s"
    return f"≥ {words}" if run["p99_is_at_least"] else words


def spent(run: dict[str, Any]) -> str:
    """Return the processor time of a request."""
    return "-" if run["cpu_ms_per_request"] is None else f"{run['cpu_ms_per_request']:.1f} ms"


@dataclass(frozen=True)
class Panel:
    """One of the three things that are shown of every run."""

    heading: str
    better: str
    key: str
    words: Callable[[dict[str, Any]], str]


PANELS = [
    Panel(
        "requests per second",
        "of {possible} possible; more is better",
        "requests_per_s",
        lambda run: rate(run["requests_per_s"]),
    ),
    Panel("99 % answered within", "less is better", "p99_ms", within),
    Panel("CPU time per request", "less is better", "cpu_ms_per_request", spent),
]


def begin(height: float, title: str, description: str, style: str = STYLE) -> ET.Element:
    """Return an empty chart of this height in pixels, with its title written and its description for readers aloud."""
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {number(height)}",
            "role": "img",
            "aria-labelledby": "title desc",
        },
    )
    ET.SubElement(svg, "title", {"id": "title"}).text = title
    ET.SubElement(svg, "desc", {"id": "desc"}).text = description
    ET.SubElement(svg, "style").text = style
    ET.SubElement(svg, "rect", {"class": "card", "width": str(WIDTH), "height": number(height), "rx": "8"})
    write(svg, MARGIN, 28, title, "title")
    return svg


def draw(found: dict[str, Any]) -> str:
    """Return the chart of what async_vs_sync.py found."""
    cases = found["cases"]
    rows = [HEADING + PITCH * len(case["runs"]) + GAP for case in cases]
    breaks = 6 * (len({case["framework"] for case in cases}) - 1)
    foot = TOP + sum(rows) + breaks
    notes = captions(found)
    height = foot + 16 * len(notes) + 14
    title = f"One model call of {found['upstream_ms']} ms: what the users of one worker process get"
    svg = begin(height, title, description(found))
    draw_headings(svg, found)
    top = float(TOP)
    for at, (case, row) in enumerate(zip(cases, rows, strict=True)):
        if at and case["framework"] != cases[at - 1]["framework"]:
            rule(svg, MARGIN, top, WIDTH - MARGIN, top, "line")
            top += 6
        draw_case(svg, case, top, found)
        top += row
    for at, note in enumerate(notes):
        write(svg, MARGIN, foot + 16 * (at + 1), note, "quiet")
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def draw_headings(svg: ET.Element, found: dict[str, Any]) -> None:
    """Name the panels, and say which way is better."""
    write(svg, MARGIN, 74, "users", "quiet")
    for at, panel in enumerate(PANELS):
        better = panel.better.format(possible=rate(possible(found)))
        write(svg, panel_left(at), 58, panel.heading, "strong")
        write(svg, panel_left(at), 74, better, "quiet")


def draw_case(svg: ET.Element, case: dict[str, Any], top: float, found: dict[str, Any]) -> None:
    """Draw one server: its name, and under it a line for each number of users."""
    group = ET.SubElement(svg, "g", {"id": case["id"]})
    heading = write(group, MARGIN, top + 12, "", "")
    ET.SubElement(heading, "tspan", {"class": "strong"}).text = case["framework"]
    heading[0].tail = " " + case["label"]
    limit = panel_left(0) + BAR_ROOM * possible(found) / most(found, PANELS[0])
    rule(group, limit, top + HEADING - 2, limit, top + HEADING + PITCH * len(case["runs"]), "possible")
    for at, run in enumerate(case["runs"]):
        upper = top + HEADING + PITCH * at
        write(group, MARGIN + GUTTER - 8, upper + BAR - 1, str(run["users"]), "quiet", end=True)
        for place, panel in enumerate(PANELS):
            left = panel_left(place)
            length = max(1.0, BAR_ROOM * (run[panel.key] or 0) / most(found, panel))
            shade = SHADES[min(at, len(SHADES) - 1)]
            bar = {"class": shade, "x": number(left), "y": number(upper), "width": number(length), "height": str(BAR)}
            ET.SubElement(group, "rect", bar)
            words = write(group, left + length + 4, upper + BAR - 1, panel.words(run), "")
            failed = sum(run["errors"].values())
            if place == 0 and failed:
                ET.SubElement(words, "tspan", {"class": "error"}).text = f" {failed} error{'s' * (failed > 1)}"


def description(found: dict[str, Any]) -> str:
    """Return the chart in words, for those who hear it."""
    most_users = max(run["users"] for case in found["cases"] for run in case["runs"])
    sentences = [f"With {most_users} users, of {rate(possible(found))} possible requests per second:"]
    for case in found["cases"]:
        run = max(case["runs"], key=lambda run: run["users"])
        sentences.append(
            f"{case['framework']} {case['label']}: {rate(run['requests_per_s'])} a second, "
            f"99 % within {within(run)}, {spent(run)} of CPU each."
        )
    return " ".join(sentences)


def captions(found: dict[str, Any]) -> list[str]:
    """Return the lines under the chart: what was held equal, where and when it was measured, how to repeat it."""
    machine, packages = found["machine"], found["packages"]
    shared = "server on one, load on the other" if machine["pinned"] else "not pinned"
    before = machine["load_average_before"][0]
    return [
        "One worker process each, the same prompt, fake model, warm-up and load; keep-alive, no access log.",
        f"Threads share one pool of urllib3 {packages['urllib3']}. ≥: some users still waited at the end.",
        f"FastAPI {packages['fastapi']}, Flask {packages['flask']}, Django {packages['django']}; "
        f"async def and FastAPI on uvicorn {packages['uvicorn']}, the rest on gunicorn {packages['gunicorn']}.",
        f"{machine['cores']} shared cores, {shared}; {machine['system']} {machine['architecture']}, "
        f"Python {machine['python']}. {found['date']}, load average {before} before.",
        f"Made by: {found['command']}",
    ]


def possible(found: dict[str, Any]) -> float:
    """Return the requests per second that the most users could have, were the model the only thing to wait for."""
    return max(run["users"] for case in found["cases"] for run in case["runs"]) * 1000 / found["upstream_ms"]


def most(found: dict[str, Any], panel: Panel) -> float:
    """Return the value of a panel's longest bar."""
    values = [run[panel.key] or 0 for case in found["cases"] for run in case["runs"]]
    return max([*values, possible(found)]) if panel.key == "requests_per_s" else max(values) or 1.0


def panel_left(at: int) -> float:
    """Return where the bars of a panel begin."""
    return MARGIN + GUTTER + PANEL * at


def write(parent: ET.Element, left: float, baseline: float, words: str, kind: str, *, end: bool = False) -> ET.Element:
    """Add a line of text and return it."""
    attributes = {"x": number(left), "y": number(baseline)}
    if kind:
        attributes["class"] = kind
    if end:
        attributes["text-anchor"] = "end"
    text = ET.SubElement(parent, "text", attributes)
    text.text = words
    return text


def rule(parent: ET.Element, left: float, top: float, right: float, bottom: float, kind: str) -> None:
    """Add a straight line."""
    ends = {"x1": number(left), "y1": number(top), "x2": number(right), "y2": number(bottom)}
    ET.SubElement(parent, "line", {"class": kind, **ends})


def number(value: float) -> str:
    """Return a coordinate, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")


if __name__ == "__main__":
    sys.stdout.write(draw(json.load(sys.stdin)))
