"""Whose code runs: right answers of another style serve as well, and untouched stubs leave the reference to serve."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from coach.lesson import Lesson, lesson_folders, read_lesson
from coach.samples import sample_files, samples
from coach.stubs import stub_files
from tests.conftest import ROOT

LESSONS = [read_lesson(folder) for folder in lesson_folders(ROOT)]
NUMBERS = [lesson.number for lesson in LESSONS]
STYLES = 4


def answer(lesson: Lesson, style: int) -> Mapping[str, bytes]:
    """A right answer in another style."""
    found = samples(ROOT, "right_answers", lesson)
    files = sample_files(lesson, found[style % len(found)])
    # A learner's file has no stub in it: what the reference keeps for that would read as an open TODO.
    return {name: re.sub(rb"(?ms)^ *// --- stub\n.*?(?=^ *// <<<)", b"", content) for name, content in files.items()}


def course(folder: Path, answers: Mapping[str, Mapping[str, bytes]]) -> Path:
    """A course in which these lessons are done, and the others untouched."""
    for lesson in LESSONS:
        stub = {name: text.encode() for name, text in stub_files(lesson).items()}
        for name, content in (answers.get(lesson.number) or stub).items():
            target = folder / "lessons" / lesson.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        shutil.copy(lesson.path / "lesson.toml", folder / "lessons" / lesson.folder)
    for copied in ("solutions", "capstone"):
        shutil.copytree(ROOT / copied, folder / copied, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def tried(*courses: Path) -> list[dict[str, dict[str, str]]]:
    """What each of them says of its parts, and what of it does not work."""
    program = Path(__file__).with_name("swapped.py")
    known = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", program, *courses], capture_output=True, text=True, env=known, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"parts"')]


def whose(*yours: str) -> dict[str, str]:
    return {number: "yours" if number in yours else "reference" for number in NUMBERS}


@pytest.mark.timeout(180)
def test_with_untouched_stubs_the_reference_serves_and_with_all_right_answers_they_do(tmp_path: Path) -> None:
    courses = [course(tmp_path / "untouched", {})]
    for style in range(STYLES):
        answers = {lesson.number: answer(lesson, style) for lesson in LESSONS if lesson.number in NUMBERS}
        courses.append(course(tmp_path / f"style-{style}", answers))
    untouched, *others = tried(*courses)
    assert untouched == {"parts": whose(), "failures": {}}
    for style, said in enumerate(others):
        assert said == {"parts": whose(*NUMBERS), "failures": {}}, f"style {style}"


@pytest.mark.timeout(180)
def test_each_part_alone_is_swapped_for_a_right_answer_of_another_style(tmp_path: Path) -> None:
    wanted = [lesson for lesson in LESSONS if lesson.number in NUMBERS]
    courses = [
        course(tmp_path / lesson.number, {lesson.number: answer(lesson, style)}) for style, lesson in enumerate(wanted)
    ]
    for lesson, said in zip(wanted, tried(*courses), strict=True):
        assert said == {"parts": whose(lesson.number), "failures": {}}, lesson.folder


def used_names() -> set[str]:
    """Every attribute that the service, its composition and its deployment look up on a part."""
    known = ("basics", "models", "calls", "streams", "rag", "part", "production", "deployment", "auth")
    known += ("composition", "queue", "store", "retrieval", "ways")  # by these names parts are handed on
    files = [
        *(ROOT / "capstone").rglob("*.py"),
        *(ROOT / "deploy").rglob("*.py"),
        ROOT / "solutions/09_capstone/app.py",
    ]
    trees = [ast.parse(file.read_text()) for file in files if file != ROOT / "capstone/ports.py"]
    looked_up = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in looked_up if ast.unparse(node.value).rsplit(".", 1)[-1] in known}


def test_every_port_is_used_member_by_member() -> None:
    ports = [
        node for node in ast.parse((ROOT / "capstone/ports.py").read_text()).body if isinstance(node, ast.ClassDef)
    ]
    members: set[str] = set()
    for port in ports:
        members |= {
            one.target.id for one in port.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        }
        members |= {one.name for one in port.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert len(members) > 40
    assert members - used_names() == set()


def test_the_page_says_of_each_lesson_what_is_used_and_no_more() -> None:
    rows = re.findall(r"^\| (0\d) \| (.+?) \| .+ \|$", (ROOT / "docs/capstone/index.md").read_text(), flags=re.M)
    assert [number for number, _ in rows] == NUMBERS
    named = {name for _, takes in rows for name in re.findall(r"`(\w+)`", takes)}
    assert named - used_names() == set()
