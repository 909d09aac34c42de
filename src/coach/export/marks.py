"""What the course has written into a file for its own use: markers, TODOs, stubs in comments."""

import re

from coach.stubs import MARK

TODO = re.compile(r"^\s*(?:#|//) TODO \d\d\.\d+\b")
COMMENT = re.compile(r"^\s*(?:#|//)")


def todo_lines(solution: str) -> set[str]:
    """Return the lines of all TODO comments of a reference, stripped: a learner's file has the same ones."""
    found: set[str] = set()
    inside = False
    for line in solution.splitlines():
        inside = bool(TODO.match(line)) or (inside and bool(COMMENT.match(line)) and not MARK.match(line))
        if inside:
            found.add(line.strip())
    return found


def unmarked(text: str, known: set[str]) -> str:
    """Return a file without markers, stub parts and the TODO comments in `known`; the rest letter by letter."""
    kept: list[str] = []
    in_stub = False
    for line in text.splitlines(keepends=True):
        if mark := MARK.match(line):
            in_stub = mark["kind"] == "---"
        elif not in_stub and not TODO.match(line) and line.strip() not in known:
            kept.append(line)
    return "".join(kept)
