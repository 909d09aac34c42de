"""Pictures for what is better seen than read, as SVG that is the same at every run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

WIDTH = 760
MARGIN = 16
INK, FAINT, LINE = "#1f2328", "#656d76", "#d0d7de"
WAITS, WORKS, ALARM = "#c8d1da", "#0b7a75", "#d1491b"
SANS = "system-ui, -apple-system, 'Segoe UI', sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Picture:
    """A drawing and the sentence that says the same. Jupyter shows the first, a terminal the second."""

    svg: str
    words: str

    def __repr__(self) -> str:
        return self.words

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
    left, height, gap = MARGIN, 78, 30
    scale = (WIDTH - 2 * MARGIN) / until_s
    parts, said, y = [], [], 52
    for label, spans in panels.items():
        last = max(span.ended for span in spans)
        said.append(f"{label}: the last of {len(spans)} after {last:g} s")
        parts.append(_text(left, y + 8, label, bold=True))
        parts.append(_text(WIDTH - MARGIN, y + 8, f"last answer after {last:g} s", anchor="end", color=FAINT))
        row = height / len(spans)
        for n, span in enumerate(sorted(spans)):
            top = y + 16 + n * row
            for start, end, color in (
                (span.came, span.began, WAITS),
                (span.began, span.ended, WORKS),
            ):
                start, end = min(start, until_s), min(end, until_s)
                if end > start:
                    tall = row * (0.8 if row > 4 else 1)
                    parts.append(_box(left + start * scale, top, (end - start) * scale, tall, color))
        y += 16 + height + gap
    parts += _axis(left, y - gap + 6, until_s, scale)
    return _picture(parts, y + 20, title, said)


def arrivals(rows: Mapping[str, Sequence[float]], *, until_s: float, title: str) -> Picture:
    """Draw one dot for everything that arrived, on one line for each row.

    Args:
        rows: seconds of arrival, by what they show.
        until_s: where the time axis ends.
        title: what all of it shows.
    """
    left = 200
    scale = (WIDTH - MARGIN - 10 - left) / until_s
    parts, said, y = [], [], 64
    for label, times in rows.items():
        said.append(f"{label}: {f'{times[0]:g} s to {times[-1]:g} s' if times else 'never'}")
        parts.append(_text(MARGIN, y + 4, label))
        parts.append(f'<path d="M{left} {y}H{WIDTH - MARGIN}" stroke="{LINE}"/>')
        if not times:
            parts.append(_text(left + 8, y - 4, "never", color=ALARM))
        parts += [
            f'<circle cx="{_n(left + time * scale)}" cy="{y}" r="4" fill="{WORKS}" fill-opacity="0.55"/>'
            for time in times
            if time <= until_s
        ]
        y += 34
    parts += _axis(left, y - 12, until_s, scale)
    return _picture(parts, y + 26, title, said)


def crowds(rows: Mapping[str, Sequence[float]], *, until_s: float, step_s: float, title: str) -> Picture:
    """Draw how many arrive in each step of time, as columns, one strip for each row.

    Args:
        rows: seconds of arrival, by what they show.
        until_s: where the time axis ends.
        step_s: the width of a column.
        title: what all of it shows.
    """
    counts = {label: _counts(times, until_s, step_s) for label, times in rows.items()}
    most = max(max(row) for row in counts.values())
    scale = (WIDTH - 2 * MARGIN) / until_s
    height, parts, said, y = 70, [], [], 52
    for label, row in counts.items():
        note = f"at most {max(row)} in {step_s:g} s, the last after {max(rows[label]):.0f} s"
        said.append(f"{label}: {note}")
        parts.append(_text(MARGIN, y + 8, label, bold=True))
        parts.append(_text(WIDTH - MARGIN, y + 8, note, anchor="end", color=FAINT))
        base = y + 18 + height
        for n, count in enumerate(row):
            if count:
                tall = height * count / most
                color = ALARM if count == most else WORKS
                parts.append(_box(MARGIN + n * step_s * scale, base - tall, step_s * scale - 0.5, tall, color))
        parts.append(f'<path d="M{MARGIN} {base}H{WIDTH - MARGIN}" stroke="{LINE}"/>')
        y = base + 24
    parts += _axis(MARGIN, y - 22, until_s, scale)
    return _picture(parts, y + 22, title, said)


def bars(values: Mapping[str, float], *, unit: str, title: str) -> Picture:
    """Draw one bar for each value, the largest across the width."""
    left, most, parts, y = 330, max(values.values()), [], 52
    for label, value in values.items():
        parts.append(_text(left - 10, y + 13, label, anchor="end"))
        long = max((WIDTH - left - 110) * value / most, 1)
        parts.append(_box(left, y, long, 18, WORKS))
        parts.append(_text(left + long + 8, y + 13, f"{value:,.4g} {unit}", color=FAINT))
        y += 28
    said = [f"{label}: {value:,.4g} {unit}" for label, value in values.items()]
    return _picture(parts, y + 4, title, said)


def chunks(pieces: Sequence[bytes], *, title: str) -> Picture:
    """Draw every byte of a stream, one color for each chunk; bytes of a character that has several are marked.

    A line end is shown as a bent arrow; a byte that is no whole character by its number.
    """
    cell, tall, per_row = 26, 30, (WIDTH - 2 * MARGIN) // 26
    data = b"".join(pieces)
    owner = [n for n, piece in enumerate(pieces) for _ in piece]
    parts = []
    for at, byte in enumerate(data):
        x, y = MARGIN + at % per_row * cell, 56 + at // per_row * (tall + 8)
        wide = byte >= 0x80
        fill = "#e3f1f0" if owner[at] % 2 else "#fdf1e3"
        parts.append(_box(x, y, cell - 1, tall, fill))
        if wide:
            parts.append(_box(x, y + tall - 4, cell - 1, 4, ALARM))
        sign = "↵" if byte == 10 else "␣" if byte == 32 else f"{byte:02x}" if wide else chr(byte)
        color = FAINT if byte in (10, 32) else ALARM if wide else INK
        parts.append(_text(x + cell / 2, y + 19, sign, anchor="middle", color=color, font=MONO))
        if at and owner[at] != owner[at - 1]:
            parts.append(f'<path d="M{_n(x - 0.5)} {y - 4}V{y + tall + 4}" stroke="{ALARM}" stroke-width="2.5"/>')
    rows = -(-len(data) // per_row)
    said = [f"{len(data)} bytes in {len(pieces)} chunks: {', '.join(map(repr, pieces))}"]
    return _picture(parts, 56 + rows * (tall + 8) + 8, title, said)


def _counts(times: Sequence[float], until_s: float, step_s: float) -> list[int]:
    row = [0] * round(until_s / step_s)
    for time in times:
        if (at := int(time / step_s + 1e-9)) < len(row):
            row[at] += 1
    return row


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
    x: float,
    y: float,
    words: str,
    *,
    bold: bool = False,
    anchor: str = "start",
    color: str = INK,
    font: str = "",
) -> str:
    more = (' font-weight="600"' if bold else "") + (f' font-family="{font}"' if font else "")
    return f'<text x="{_n(x)}" y="{_n(y)}" fill="{color}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def _picture(parts: list[str], height: float, title: str, said: list[str]) -> Picture:
    # A ground of its own, so that it reads on dark pages too.
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {_n(height + 8)}" width="{WIDTH}" '
        f'height="{_n(height + 8)}" role="img" aria-label="{escape(title)}" font-family="{SANS}" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{_n(height + 8)}" rx="8" fill="#ffffff"/>',
        _text(MARGIN, 28, title, bold=True),
        *parts,
        "</svg>",
    ]
    return Picture("\n".join(svg), f"{title}. {'; '.join(said)}.")


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
