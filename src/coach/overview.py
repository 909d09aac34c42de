"""The whole course in a few lines: lessons, points, and what to do next. Pure: prints nothing."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from coach.lesson import Lesson


@dataclass(frozen=True)
class Standing:
    """How one lesson stands."""

    lesson: Lesson
    points: int
    edited: bool  # since it was last checked

    @property
    def done(self) -> bool:
        """Tell whether it has every point."""
        return self.points == self.lesson.points


def course_lines(standings: Sequence[Standing], width: int) -> list[tuple[str, str]]:
    """Return the table of lessons and the points so far, as lines of (text, style) within `width` columns."""
    width = max(40, min(width, 100))
    room = width - 32 if width >= 60 else 0  # a narrow window shows what counts: names and points
    lines = [(f" {'lesson':<14} {'what you build' if room else '':<{room}} {'min':>4} {'points':>8}", "title")]
    for one in standings:
        name = f"{one.lesson.number} {one.lesson.name}"
        points = f"{one.points}/{one.lesson.points}{'*' if one.edited else ' '}"
        style = "done" if one.done else "" if one.points else "dim"
        builds = textwrap.wrap(one.lesson.builds, room) if room else [""]
        lines.append((f" {name:<14} {builds[0]:<{room}} {one.lesson.minutes:>4} {points:>8}".rstrip(), style))
        lines += [(f" {'':<14} {more}", style) for more in builds[1:]]
    earned = sum(one.points for one in standings)
    total = sum(one.lesson.points for one in standings)
    note = "  (* edited since it was last checked)" if any(one.edited for one in standings) else ""
    return [*lines, ("", ""), (f" {earned} of {total} points so far.{note}", "")]


def tip_lines(lesson: Lesson | None, *, activated: bool) -> list[tuple[str, str]]:
    """Return the commands that come next.

    Args:
        lesson: the first lesson that is not finished, None if all are.
        activated: the environment's commands are on PATH.
    """
    if lesson is None:
        return [(" Every lesson is done. See them as one service: uvicorn capstone.main:app", "title")]
    prefix = "" if activated else ". .venv/bin/activate && "
    return [
        (f" Read   lessons/{lesson.folder}/README.md", ""),
        (f" Edit   lessons/{lesson.folder}/app.py", ""),
        (f" Check  {prefix}pytest lessons/{lesson.number}", "title"),
        (f"        or at every save: coach watch {lesson.number}", "dim"),
    ]
