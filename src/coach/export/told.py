"""What the terminal says of a project that was written."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from coach.export.around import Placed
from coach.export.chosen import Chosen
from coach.export.project import Exported, shown

Line = tuple[str, str]  # a text, and its style


def told(done: Exported, here: Path, columns: int) -> list[Line]:
    """Return what was written, whose each part is, and the next three commands.

    Args:
        done: the project.
        here: the current folder, from which commands are typed.
        columns: of the terminal.
    """
    place = shown(done.target, here)
    room = max(40, min(columns, 100))
    lines: list[Line] = [(f" {place}: {done.files} files", "title"), ("", "")]
    width = max(len(one.name) for one in done.parts)
    for one in done.parts:
        lines += part_lines(one, width, room)
    for path, rules in done.left.items():
        words = f"ruff would change your {path} ({', '.join(rules)}); pyproject.toml lets it be."
        lines += [("", ""), *((f" {line}", "") for line in textwrap.wrap(words, room - 1))]
    install = "python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt"
    tests, serve = ".venv/bin/pytest", ".venv/bin/uvicorn app.main:app"
    commands = (install, tests, serve) if place == "." else (f"cd {place}", install, f"{tests} && {serve}")
    return [*lines, ("", ""), (" Next:", ""), *((f"   {command}", "title") for command in commands)]


def part_lines(one: Placed, width: int, room: int) -> Iterator[Line]:
    """Yield the lines of a part: its name, whose it is, and why not yours."""
    head = f" {one.name:<{width}}  {'yours' if one.chosen.yours else 'reference':<9}"
    if one.chosen.yours:
        yield head, "done"
        return
    why = textwrap.wrap(why_not(one.chosen), max(20, room - len(head) - 2)) or [""]
    yield f"{head}  {why[0]}".rstrip(), ""
    for line in why[1:]:
        yield " " * (len(head) + 2) + line, ""


def why_not(chosen: Chosen) -> str:
    """Return why a part is the reference's."""
    lesson = chosen.lesson
    if chosen.why_not == "to do: " + ", ".join(sorted(task.number for task in lesson.tasks)):
        return f"lesson {lesson.number} is not begun"
    return chosen.why_not
