"""Pictures for what is better seen than read, as SVG and in characters, the same at every run.

Jupyter shows the SVG once the cell was run on your machine; before that, and in a terminal, the characters are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

WIDTH = 760  # of the SVG, in pixels
MARGIN = 16
COLUMNS = 48  # of a row in characters
INK, FAINT, LINE = "#1f2328", "#656d76", "#d0d7de"
WAITS, WORKS, ALARM = "#c8d1da", "#0b7a75", "#d1491b"
SANS = "system-ui, -apple-system, 'Segoe UI', sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Picture:
    """A drawing, and the same in characters."""

    svg: str
    characters: str

    def __repr__(self) -> str:
        return self.characters

    def _repr_svg_(self) -> str:
        return self.svg


class Span(NamedTuple):
    """One call: seconds at which it came, got its turn and ended."""

    came: float
    began: float
    ended: float


def timeline(panels: Mapping[str, Sequence[Span]], *, until_s: float, title: str) -> Picture:
    """Draw the calls of each panel as lines: pale while they wait for a turn, dark while they are worked on.

    Args:
        panels: calls by what they show.
        until_s: where the time axis ends; what goes on longer says so.
        title: what all of it shows.
    """
    scale, height, gap = (WIDTH - 2 * MARGIN) / until_s, 78, 30
    parts, rows, y = [], [], 52
    for label, spans in panels.items():
        note = f"last answer after {max(span.ended for span in spans):g} s"
        parts += _heading(y, label, note)
        tall = height / len(spans)
        for n, span in enumerate(sorted(spans)):
            top = y + 16 + n * tall
            for start, end, color in ((span.came, span.began, WAITS), (span.began, span.ended, WORKS)):
                start, end = min(start, until_s), min(end, until_s)
                if end > start:
                    thick = tall * 0.8 if tall > 4 else tall
                    parts.append(_box(MARGIN + start * scale, top, (end - start) * scale, thick, color))
        y += 16 + height + gap
        middles = [(n + 0.5) * until_s / COLUMNS for n in range(COLUMNS)]
        served = [sum(one.began <= at < one.ended for one in spans) for at in middles]
        rows.append((label, _strip(served, len(spans)), note))
    parts += _axis(MARGIN, y - gap + 6, until_s, scale)
    return Picture(_svg(parts, y + 20, title), _characters(title, rows, f"{until_s:g} s"))


def arrivals(times: Mapping[str, Sequence[float]], *, until_s: float, title: str) -> Picture:
    """Draw one dot for everything that arrived, on one line for each row.

    Args:
        times: seconds of arrival, in order, by what they show.
        until_s: where the time axis ends.
        title: what all of it shows.
    """
    left = 200
    scale = (WIDTH - MARGIN - 10 - left) / until_s
    parts, rows, y = [], [], 64
    for label, came in times.items():
        parts.append(_text(MARGIN, y + 4, label))
        parts.append(f'<path d="M{left} {y}H{WIDTH - MARGIN}" stroke="{LINE}"/>')
        if not came:
            parts.append(_text(left + 8, y - 4, "never", color=ALARM))
        for at in came:
            if at <= until_s:
                x = _n(left + at * scale)
                parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{WORKS}" fill-opacity="0.55"/>')
        y += 34
        dots = "".join("●" if count else "·" for count in _counts(came, until_s, COLUMNS))
        when = " to ".join(dict.fromkeys(f"{at:g} s" for at in (came[0], came[-1]))) if came else "never"
        rows.append((label, dots, when))
    parts += _axis(left, y - 12, until_s, scale)
    return Picture(_svg(parts, y + 26, title), _characters(title, rows, f"{until_s:g} s"))


def crowds(times: Mapping[str, Sequence[float]], *, until_s: float, step_s: float, title: str) -> Picture:
    """Draw how many arrive in each step of time, as columns, one strip for each row.

    Args:
        times: seconds of arrival, by what they show.
        until_s: where the time axis ends.
        step_s: the width of a column.
        title: what all of it shows.
    """
    steps = round(until_s / step_s)
    counts = {label: _counts(came, until_s, steps) for label, came in times.items()}
    most = max(max(row) for row in counts.values())
    scale, height = (WIDTH - 2 * MARGIN) / until_s, 70
    parts, rows, y = [], [], 52
    for label, row in counts.items():
        note = f"at most {max(row)} in {step_s:g} s, the last after {max(times[label]):.0f} s"
        parts += _heading(y, label, note)
        base = y + 18 + height
        for n, count in enumerate(row):
            if count:
                tall, color = height * count / most, ALARM if count == most else WORKS
                parts.append(_box(MARGIN + n * step_s * scale, base - tall, step_s * scale - 0.5, tall, color))
        parts.append(f'<path d="M{MARGIN} {base}H{WIDTH - MARGIN}" stroke="{LINE}"/>')
        y = base + 24
        rows.append((label, _strip(_counts(times[label], until_s, COLUMNS), most), note))
    parts += _axis(MARGIN, y - 22, until_s, scale)
    return Picture(_svg(parts, y + 22, title), _characters(title, rows, f"{until_s:g} s"))


def bars(values: Mapping[str, float], *, unit: str, title: str) -> Picture:
    """Draw one bar for each value, the largest across the width."""
    left, most = 330, max(values.values())
    parts, rows, y = [], [], 52
    for label, value in values.items():
        long, note = max((WIDTH - left - 110) * value / most, 1), f"{value:,.4g} {unit}"
        parts.append(_text(left - 10, y + 13, label, anchor="end"))
        parts.append(_box(left, y, long, 18, WORKS))
        parts.append(_text(left + long + 8, y + 13, note, color=FAINT))
        y += 28
        rows.append((label, ("█" * round(COLUMNS * value / most) or "▏").ljust(COLUMNS), note))
    return Picture(_svg(parts, y + 4, title), _characters(title, rows))


def chunks(pieces: Sequence[bytes], *, title: str) -> Picture:
    """Draw every byte of a stream, one color for each chunk; bytes of a character that has several are marked.

    A line end is shown as a bent arrow; a byte that is no whole character by its number.
    """
    cell, tall = 26, 30
    per_row = (WIDTH - 2 * MARGIN) // cell
    owner = [n for n, piece in enumerate(pieces) for _ in piece]
    parts, y = [], 56
    for at, byte in enumerate(b"".join(pieces)):
        x, y = MARGIN + at % per_row * cell, 56 + at // per_row * (tall + 8)
        parts.append(_box(x, y, cell - 1, tall, "#e3f1f0" if owner[at] % 2 else "#fdf1e3"))
        if byte >= 0x80:
            parts.append(_box(x, y + tall - 4, cell - 1, 4, ALARM))
        color = FAINT if byte in b"\n " else ALARM if byte >= 0x80 else INK
        parts.append(_text(x + cell / 2, y + 19, _sign(byte), anchor="middle", color=color, font=MONO))
        if at and owner[at] != owner[at - 1]:
            edge = f"M{_n(x - 0.5)} {y - 4}V{y + tall + 4}"
            parts.append(f'<path d="{edge}" stroke="{ALARM}" stroke-width="2.5"/>')
    rows = [
        (f"chunk {n}", "".join(map(_sign, piece)), f"{len(piece)} bytes") for n, piece in enumerate(pieces, start=1)
    ]
    return Picture(_svg(parts, y + tall + 8, title), _characters(title, rows))


def _sign(byte: int) -> str:
    """One byte, so that it can be seen."""
    return {10: "↵", 32: "␣"}.get(byte) or (f"{byte:02x}" if byte >= 0x80 else chr(byte))


def _counts(times: Sequence[float], until_s: float, steps: int) -> list[int]:
    row = [0] * steps
    for time in times:
        if (at := int(time * steps / until_s + 1e-9)) < steps:
            row[at] += 1
    return row


def _strip(counts: Sequence[int], most: int) -> str:
    """Counts as columns of characters; whatever is there is seen."""
    return "".join(" ▁▂▃▄▅▆▇█"[min(8, max(1, round(8 * count / most))) if count else 0] for count in counts)


def _characters(title: str, rows: Sequence[tuple[str, str, str]], end: str = "") -> str:
    """Rows of a label, a drawing and a note, below a title and above a time axis."""
    wide = max(len(label) for label, _, _ in rows)
    lines = [title, *(f"  {label:{wide}}  {drawing}  {note}" for label, drawing, note in rows)]
    if end:
        lines.append(f"  {'':{wide}}  0{end:>{COLUMNS - 1}}")
    return "\n".join(line.rstrip() for line in lines)


def _heading(y: float, label: str, note: str) -> list[str]:
    return [_text(MARGIN, y + 8, label, bold=True), _text(WIDTH - MARGIN, y + 8, note, anchor="end", color=FAINT)]


def _axis(left: float, y: float, until_s: float, scale: float) -> list[str]:
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300) if until_s / step <= 12)
    parts = [_text(left + until_s * scale, y + 32, "seconds", anchor="end", color=FAINT)]
    for n in range(int(until_s / step) + 1):
        x = left + n * step * scale
        parts.append(f'<path d="M{_n(x)} {_n(y)}v5" stroke="{FAINT}"/>')
        parts.append(_text(x, y + 18, f"{n * step:g}", anchor="middle", color=FAINT))
    return parts


def _box(x: float, y: float, width: float, height: float, color: str) -> str:
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{color}"/>'


def _text(
    x: float, y: float, words: str, *, bold: bool = False, anchor: str = "start", color: str = INK, font: str = ""
) -> str:
    more = (' font-weight="600"' if bold else "") + (f' font-family="{font}"' if font else "")
    return f'<text x="{_n(x)}" y="{_n(y)}" fill="{color}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def _svg(parts: list[str], height: float, title: str) -> str:
    tall = _n(height + 8)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}" width="{WIDTH}" height="{tall}" '
        f'role="img" aria-label="{escape(title)}" font-family="{SANS}" font-size="13">',
        f"<title>{escape(title)}</title>",
        # A ground of its own, so that it reads on dark pages; colors as attributes, which sanitizers leave alone.
        f'<rect width="{WIDTH}" height="{tall}" rx="8" fill="#ffffff"/>',
        _text(MARGIN, 28, title, bold=True),
        *parts,
        "</svg>",
    ]
    return "\n".join(lines)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
