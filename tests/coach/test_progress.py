"""Progress is written whole or not at all, and nothing of it is ever lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coach import progress
from coach.lesson import read_lesson
from tests.tiny_course import TinyCourse


@pytest.mark.parametrize("text", ["", "{", "[]", '{"states": {}}', '{"states": 3, "points": "x"}', "null"])
def test_a_broken_file_is_kept_and_named(tiny: TinyCourse, text: str) -> None:
    lesson = read_lesson(tiny.lesson)
    file = tiny.root / ".coach" / "03_tiny.json"
    file.parent.mkdir()
    file.write_text(text)
    known = progress.read(lesson)
    assert known.points == 0
    assert "03_tiny.json.broken-" in known.note
    (kept,) = file.parent.glob("03_tiny.json.broken-*")
    assert kept.read_text() == text


def test_hints_survive_a_new_result(tiny: TinyCourse) -> None:
    lesson = read_lesson(tiny.lesson)
    progress.next_rung(lesson, lesson.task(2))
    progress.next_rung(lesson, lesson.task(2))
    known = progress.read(lesson)
    progress.write(lesson, progress.Progress(states={"03.1": "done"}, points=2, hints=known.hints))
    assert progress.read(lesson).hints == {"03.2": 2}


def test_a_kill_in_mid_write_leaves_a_whole_file(tiny: TinyCourse, root: Path) -> None:
    lesson = read_lesson(tiny.lesson)
    progress.write(lesson, progress.Progress(points=1))
    code = (
        "import sys; from pathlib import Path\n"
        "from coach import progress; from coach.lesson import read_lesson\n"
        "lesson = read_lesson(Path(sys.argv[1])); n = 0\n"
        "print('writing', flush=True)\n"
        "while True:\n    n += 1\n"
        "    progress.write(lesson, progress.Progress(points=1, states={str(i): 'x' * 50 for i in range(2000)}))\n"
    )
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", code, str(tiny.lesson)], stdout=subprocess.PIPE)
        assert writer.stdout
        writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        known = progress.read(lesson)
        assert known.note == ""
        assert known.points == 1
