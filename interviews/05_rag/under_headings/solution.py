"""Interview - chunks that stay under their heading."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """Given: a chunk, `text[start:end]`, and the heading under which it stands."""

    heading: str
    start: int
    end: int


# Given: a sentence ends at .!? before a gap, at a blank line, or with the stretch.
GAP = re.compile(r"(?<=[.!?])\s+|\n\s*\n\s*|\Z")


def sentences(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """Given: yield where the sentences of `text[start:end]` stand; one above `longest` characters comes in pieces."""
    at, stop = start, end
    while at < stop and text[at].isspace():
        at += 1
    while stop > at and text[stop - 1].isspace():
        stop -= 1
    for gap in GAP.finditer(text, at, stop):
        while at < gap.start():
            piece_end = min(at + longest, gap.start())
            yield at, piece_end
            at = piece_end
        at = gap.end()


def split(text: str, *, size: int = 800, overlap: int = 200) -> list[Piece]:
    """Cut a text into chunks of whole sentences, none of which crosses a heading.

    Args:
        text: any text.
        size: the most characters of a chunk.
        overlap: the most characters that a chunk shares with the one before it, from 0 to below `size`.

    Raises:
        ValueError: `overlap` is below 0 or not below `size`.
    """
    # TODO 05.1: fill chunks with sentences, each under one heading; neighbors under one heading share some.
    # >>> solution
    if not 0 <= overlap < size:
        raise ValueError(f"overlap must be at least 0 and below size, got overlap={overlap}, size={size}")
    pieces: list[Piece] = []
    heading, start = "", 0
    for line in [*re.finditer(r"^#.*$", text, re.M), None]:
        held: list[tuple[int, int]] = []  # anew for each heading: nothing is shared across one
        for one in sentences(text, start, line.start() if line else len(text), size):
            if held and one[1] - held[0][0] > size:
                pieces.append(Piece(heading, held[0][0], held[-1][1]))
                # The next sentence counts too: a chunk that shares much and brings nothing new would never end.
                while held and (held[-1][1] - held[0][0] > overlap or one[1] - held[0][0] > size):
                    held.pop(0)
            held.append(one)
        if held:  # the tail of the section
            pieces.append(Piece(heading, held[0][0], held[-1][1]))
        if line:
            heading, start = line[0].lstrip("#").strip(), line.end()
    return pieces
    # <<< solution
