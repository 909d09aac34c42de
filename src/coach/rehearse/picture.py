"""What is due and what is strong, for a terminal and as an SVG."""

from collections.abc import Sequence
from datetime import timedelta
from xml.etree import ElementTree as ET

from coach.rehearse.quiz import DAYS, Standing

BAR, REST = "█", "░"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
INK, QUIET, FULL, EMPTY, DUE = "#1f2933", "#52606d", "#2e7d5b", "#e4e7eb", "#c9823f"


def standing_lines(standing: Standing, width: int) -> list[tuple[str, str]]:
    """Return the picture for a terminal, as lines of (text, style) within `width` columns."""
    width = max(40, min(width, 100))
    lines = [(f" {_headline(standing)}", "title"), ("", "")]
    lines.append((" When questions come back", "title"))
    room, most = width - 22, max(1, *standing.due_by_day)
    for day, count in enumerate(standing.due_by_day):
        bar = BAR * max(round(count / most * room), 1 if count else 0)
        lines.append((f" {_day_name(standing, day):<10} {count:>4} {bar}".rstrip(), "" if count else "dim"))
    lines += [("", ""), (" What you would know now", "title")]
    room = width - 36
    for one in standing.topics:
        full = round(one.strength * room)
        bar = BAR * full + REST * (room - full)
        share = f"{one.strength:>4.0%}"
        lines.append((f" {one.topic:<12} {share} {bar} {one.asked:>2} of {one.questions:>2} asked", ""))
    if standing.weakest:
        lines += [("", ""), (" Known least", "title")]
    for id, heading, recall in standing.weakest:
        room, title = width - 26, heading.replace("`", "")
        short = title if len(title) <= room else f"{title[: room - 1].rstrip()}…"
        lines.append((f" {id:<16} {recall:>4.0%}  {short}", ""))
    return lines


def draw(standing: Standing) -> str:
    """Return the same picture as an SVG."""
    top, row, left, wide = 96, 24, 150, 420
    height = top + DAYS * row + 56 + len(standing.topics) * row + 40
    width = left + wide + 150
    svg = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}", "role": "img",
         "font-family": "system-ui, sans-serif", "font-size": "13"},
    )  # fmt: skip
    ET.SubElement(svg, "title").text = _headline(standing)
    ET.SubElement(svg, "rect", {"width": str(width), "height": str(height), "fill": "#ffffff"})

    def write(x: float, y: float, text: str, **more: str) -> None:
        ET.SubElement(svg, "text", {"x": str(x), "y": str(y), "fill": INK, **more}).text = text

    def bar(y: float, share: float, fill: str, words: str) -> None:
        size = {"x": str(left), "y": str(y - 12), "height": "14", "rx": "2"}
        ET.SubElement(svg, "rect", {**size, "width": str(wide), "fill": EMPTY})
        if share:
            ET.SubElement(svg, "rect", {**size, "width": f"{max(share * wide, 2):.1f}", "fill": fill})
        write(left + wide + 12, y, words, fill=QUIET)

    write(20, 32, _headline(standing), **{"font-size": "17", "font-weight": "600"})
    write(20, top - 24, "When questions come back", **{"font-weight": "600"})
    most = max(1, *standing.due_by_day)
    for day, count in enumerate(standing.due_by_day):
        y = top + day * row
        write(left - 12, y, _day_name(standing, day), **{"text-anchor": "end"})
        bar(y, count / most, DUE, str(count))
    below = top + DAYS * row + 24
    write(20, below, "What you would know now", **{"font-weight": "600"})
    for n, one in enumerate(standing.topics, start=1):
        y = below + 4 + n * row
        write(left - 12, y, one.topic, **{"text-anchor": "end"})
        bar(y, one.strength, FULL, f"{one.strength:.0%}, {one.asked} of {one.questions} asked")
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def _headline(standing: Standing) -> str:
    return f"{standing.due_now} due, {standing.new} new, {standing.reviews} answers so far"


def _day_name(standing: Standing, day: int) -> str:
    names: Sequence[str] = ("today", "tomorrow")
    if day < len(names):
        return names[day]
    # Not by the locale: the words around it are English.
    date = standing.at.astimezone().date() + timedelta(days=day)
    return f"{WEEKDAYS[date.weekday()]} {date.day:>2}"
