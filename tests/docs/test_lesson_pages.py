"""The page of a lesson: idea and diagram, brief, traps, what interviewers listen for, where the capstone uses it."""

import re
from pathlib import Path

import pytest

from coach.lesson import lesson_folders, read_lesson
from tests.conftest import ROOT

LESSONS = [(folder, ROOT / "docs" / "lessons" / f"{folder.name}.md") for folder in lesson_folders(ROOT)]
PARTS = [
    "The idea",
    "The brief",
    "What the popular tutorial gets wrong",
    "What interviewers listen for",
    "Where the capstone uses it",
]
PIECES = ("broken", "seen", "repaired")
SERVICE = [*ROOT.glob("capstone/**/*.py"), *ROOT.glob("deploy/**/*.py"), ROOT / "solutions" / "09_capstone" / "app.py"]
CODE = "\n".join(path.read_text(encoding="utf-8") for path in SERVICE)

every = pytest.mark.parametrize(("folder", "page"), LESSONS, ids=[folder.name for folder, _ in LESSONS])


def part(page: Path, title: str) -> str:
    """What stands below a heading, to the next one of its level."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert found, f"{page.name} has no part {title!r}"
    return found[1]


@every
def test_a_page_has_its_parts_in_order(folder: Path, page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    assert [one for one in headings if one in PARTS] == PARTS
    assert set(headings) - set(PARTS) <= {"What it costs, measured", "What it finds, measured"}
    assert part(page, "The idea").count("```mermaid") == 1
    assert len(part(page, "The idea").split("```")[0].split()) >= 30, "words, before the diagram"
    assert f'--8<-- "lessons/{folder.name}/README.md:2"' in part(page, "The brief")


@every
def test_each_trap_is_shown_as_it_breaks_and_as_it_holds(folder: Path, page: Path) -> None:
    traps = part(page, "What the popular tutorial gets wrong").split("\n### ")[1:]
    assert traps[-1].startswith("And smaller ones\n\n| what stands there | what happens | instead |")
    assert len(traps) >= 5
    for trap in traps[:-1]:
        shown = re.findall(r'--8<-- "(tests/docs/traps/[\w/]+\.\w+):(\w+)"', trap)
        assert tuple(piece for _, piece in shown) == PIECES, trap.partition("\n")[0]
        assert len({file for file, _ in shown}) == 1, "all of a trap is one test"


@every
def test_interviewers_listen_for_something_to_each_question(folder: Path, page: Path) -> None:
    listens = part(page, "What interviewers listen for")
    questions = re.findall(r"^- \*(.+?)\*\n((?:  \S.*\n)+)", listens, flags=re.M)
    assert len(questions) == listens.count("\n- "), "a question in italics, and sentences below it"
    assert len(questions) >= 4


@every
def test_what_the_capstone_uses_is_used_there(folder: Path, page: Path) -> None:
    used = part(page, "Where the capstone uses it")
    exports = set(read_lesson(folder).exports)
    left = " ".join(line for line in used.splitlines() if re.search(r"\bstays? yours\b|\byours to use\b|ports", line))
    named = exports & set(re.findall(r"`(\w+)`", used)) - set(re.findall(r"`(\w+)`", left))
    assert named, "names of the lesson"
    assert {name for name in named if not re.search(rf"\.{name}\b", CODE)} == set()
    assert "GET /parts" in used
    assert re.search(r"^The systems behind .+\(\.\./systems/[\w-]+\.md\)", used, flags=re.M)
