"""Draw the figures of service.py as an SVG that explains itself.

    python benchmarks/service_chart.py < benchmarks/results/service.json > docs/img/service.svg

By hand on the standard library, for the reasons that chart.py gives, and with its pen.
"""

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

from chart import MARGIN, WIDTH, begin, number, rule, write

BAR, PITCH, LABEL = 12, 22, 300
COLUMNS = (MARGIN, 370, 460, 560)  # of the table: what, floor, capstone, goal

Figures = dict[str, Any]
ROWS: list[tuple[str, Callable[[Figures], str], str]] = [
    ("an answer, at 50 requests a second", lambda f: f"{f['calm']['p50_ms']:.2f} ms", "2 ms over a direct one"),
    ("100 users on a call of 500 ms", lambda f: percent(f["users_100"]["share_of_possible"]), "at least 90 %"),
    ("400 users", lambda f: percent(f["users_400"]["share_of_possible"]), "at least 80 %"),
    ("500 streams of 20 tokens a second, delivered", lambda f: percent(f["streams_500"]["delivered"]), "at least 98 %"),
    ("CPU for each event", lambda f: f"{f['streams_500']['cpu_us_per_event']:.0f} µs", "at most 65 µs"),
    ("memory for each stream", lambda f: f"{f['streams_500']['kb_per_stream']:.0f} KB", "at most 70 KB"),
    ("1,000 streams, delivered", lambda f: percent(f["streams_1000"]["delivered"]), "at least 80 %"),
    ("memory that a request leaves behind", lambda f: f"{f['memory']['bytes_per_request']:.1f} B", "less than 10 B"),
    ("caller left while an answer was awaited: noticed", lambda f: f["cancel"]["whole_answer"], "5 of 5"),
    ("before the first token", lambda f: f["cancel"]["first_token"], "5 of 5"),
    ("in the middle of a stream", lambda f: f["cancel"]["mid_stream"], "5 of 5"),
]


def percent(share: float) -> str:
    """Return a share in words."""
    return f"{100 * share:.0f} %" if share > 0.995 or share < 0.9 else f"{100 * share:.1f} %"


def draw(found: Figures) -> str:
    """Return the chart of what service.py found."""
    cases = found["cases"]
    floor = cases[0]["busy"]["cpu_us_per_request"]
    deep = [case for case in cases if "memory" in case]
    table_top = 92 + PITCH * len(cases) + 30
    notes_top = table_top + 24 + 20 * len(ROWS) + 16
    notes = captions(found)
    height = notes_top + 16 * len(notes) + 8
    title = "What a request through the capstone costs"
    svg = begin(
        height,
        title,
        " ".join(f"{case['label']}: {in_words(case['busy']['cpu_us_per_request'], floor)}." for case in cases),
    )
    write(svg, MARGIN, 58, "CPU time per request, 32 connections, a provider that answers at once", "strong")
    write(svg, MARGIN, 74, "less is better", "quiet")
    longest = max(case["busy"]["cpu_us_per_request"] for case in cases)
    room = WIDTH - MARGIN - LABEL - 170
    for at, case in enumerate(cases):
        top = 92 + PITCH * at
        spent = case["busy"]["cpu_us_per_request"]
        length = max(1.0, room * spent / longest)
        write(svg, MARGIN, top + BAR - 2, case["label"], "strong" if case["id"] == "capstone" else "")
        shade = "many" if case["id"] == "capstone" else "few"
        bar = {"class": shade, "x": str(LABEL), "y": str(top), "width": number(length), "height": str(BAR)}
        ET.SubElement(svg, "rect", bar)
        write(svg, LABEL + length + 6, top + BAR - 2, in_words(spent, floor), "")
    draw_table(svg, deep, table_top)
    for at, note in enumerate(notes):
        write(svg, MARGIN, notes_top + 16 * at, note, "quiet")
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def draw_table(svg: ET.Element, cases: list[Figures], top: float) -> None:
    """Write what else was measured of the floor and the capstone, beside what was aimed at."""
    for left, words in zip(COLUMNS[1:], ("floor", "capstone", "aim"), strict=True):
        write(svg, left, top, words, "strong")
    by_id = {case["id"]: case for case in cases}
    for at, (what, words, aim) in enumerate(ROWS):
        line = top + 22 + 20 * at
        rule(svg, MARGIN, line - 14, WIDTH - MARGIN, line - 14, "line")
        write(svg, COLUMNS[0], line, what, "")
        for left, id in zip(COLUMNS[1:3], ("floor", "capstone"), strict=True):
            write(svg, left, line, words(by_id[id]) if id in by_id else "-", "")
        write(svg, COLUMNS[3], line, aim, "quiet")


def in_words(spent_us: float, floor_us: float) -> str:
    """Return microseconds, and how many times the floor they are."""
    spent = f"{spent_us:.0f} µs" if spent_us < 1000 else f"{spent_us / 1000:.1f} ms"
    return spent if spent_us == floor_us else f"{spent}, {spent_us / floor_us:.1f} × the floor"


def captions(found: Figures) -> list[str]:
    """Return the lines under the chart: what was held equal, where and when it was measured, how to repeat it."""
    machine, packages = found["machine"], found["packages"]
    others = f", LiteLLM {packages['litellm']}" if "litellm" in packages else ""
    shared = "server on one, provider and load on the other" if machine["pinned"] else "not pinned"
    return [
        "One worker process each, keep-alive, no access log of the server; CPU time as the operating system counts it.",
        f"FastAPI {packages['fastapi']}, Starlette {packages['starlette']}, uvicorn {packages['uvicorn']}, "
        f"pydantic {packages['pydantic']}, aiohttp {packages['aiohttp']}, httpx2 {packages['httpx2']}{others}.",
        f"{machine['cores']} shared cores, {shared}; {machine['system']} {machine['architecture']}, "
        f"Python {machine['python']}.",
        f"{found['date']}, load average {machine['load_average_before'][0]} before.",
        f"Made by: {found['command']}",
    ]


if __name__ == "__main__":
    sys.stdout.write(draw(json.load(sys.stdin)))
