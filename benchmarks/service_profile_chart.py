"""Draw the figures of service_profile.py as an SVG that explains itself.

    python benchmarks/service_profile_chart.py < benchmarks/results/service_profile.json > docs/img/service_profile.svg

By hand on the standard library, for the reasons that chart.py gives, and with its pen.
"""

import json
import sys
import xml.etree.ElementTree as ET
from typing import Any

from chart import MARGIN, WIDTH, begin, number, write

BAR, PITCH, LABEL = 12, 22, 370


def draw(found: dict[str, Any]) -> str:
    """Return the chart of what service_profile.py found."""
    table, notes = found["rows"], captions(found)
    notes_top = 92 + PITCH * len(table) + 18
    height = notes_top + 16 * len(notes) + 8
    title = f"Where {found['cpu_us_per_request']:.0f} µs of a request go"
    svg = begin(height, title, " ".join(f"{one['part']}: {in_words(one)}." for one in table))
    write(svg, MARGIN, 58, "CPU time by part, 32 connections, a provider that answers at once", "strong")
    write(svg, MARGIN, 74, "in brackets, the lessons that the part is from", "quiet")
    room = WIDTH - MARGIN - LABEL - 110
    for at, one in enumerate(table):
        top = 92 + PITCH * at
        length = max(1.0, room * one["us"] / table[0]["us"])
        write(svg, MARGIN, top + BAR - 2, one["part"], "")
        bar = {"class": "many", "x": str(LABEL), "y": str(top), "width": number(length), "height": str(BAR)}
        ET.SubElement(svg, "rect", bar)
        write(svg, LABEL + length + 6, top + BAR - 2, in_words(one), "")
    for at, note in enumerate(notes):
        write(svg, MARGIN, notes_top + 16 * at, note, "quiet")
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def in_words(row: dict[str, Any]) -> str:
    """Return microseconds and a share."""
    return f"{row['us']:.0f} µs, {100 * row['share']:.0f} %"


def captions(found: dict[str, Any]) -> list[str]:
    """Return the lines under the chart: how it was looked at, where and when, how to repeat it."""
    machine, packages = found["machine"], found["packages"]
    shared = "server on one, provider and load on the other" if machine["pinned"] else "not pinned"
    return [
        f"{found['looks']:,} looks of py-spy {packages['py-spy']}; each counts for the innermost line of a part.",
        f"FastAPI {packages['fastapi']}, Starlette {packages['starlette']}, uvicorn {packages['uvicorn']}, "
        f"pydantic {packages['pydantic']}, aiohttp {packages['aiohttp']}.",
        f"{machine['cores']} shared cores, {shared}; {machine['system']} {machine['architecture']}, "
        f"Python {machine['python']}.",
        f"{found['date']}, load average {machine['load_average_before'][0]} before.",
        f"Made by: {found['command']}",
    ]


if __name__ == "__main__":
    sys.stdout.write(draw(json.load(sys.stdin)))
