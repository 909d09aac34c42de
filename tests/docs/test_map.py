"""The map leads to places that are there."""

import re

import pytest

from coach.lesson import find_task, lesson_folders, read_lesson
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
ROWS = [row.split(" | ") for row in re.findall(r"^\| (.+) \|$", PAGE, flags=re.M) if row.count(" | ") == 3][1:]


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`([\w./-]+[/.][\w./-]*)`", PAGE))))
def test_a_place_is_there(place: str) -> None:
    assert (ROOT / place).exists()


def test_every_task_is_on_the_map_and_no_other() -> None:
    named: set[str] = set()
    for _, taught, *_ in ROWS:
        for first, last in re.findall(r"(\d\d\.\d)(?: to (\d\d\.\d))?", taught):
            lesson, _ = find_task(ROOT, first)
            named |= {task.number for task in lesson.tasks if first <= task.number <= (last or first)}
    there = {task.number for folder in lesson_folders(ROOT) for task in read_lesson(folder).tasks}
    assert named == there, f"not on the map: {sorted(there - named)}"


def test_every_system_is_on_the_map() -> None:
    pages = {path.name for path in (ROOT / "docs" / "systems").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"systems/{name}" not in PAGE} == set()
