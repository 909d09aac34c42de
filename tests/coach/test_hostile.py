"""Submissions that try to cheat or to break the grader get no point, and the verdict says why."""

from pathlib import Path

import pytest

from coach import workspace
from coach.lesson import read_lesson
from coach.scorecard import finding_lines
from tests.tiny_course import TinyCourse

HOSTILE = Path(__file__).resolve().parents[1] / "hostile"
CASES = sorted(path for path in HOSTILE.iterdir() if path.suffix == ".py" or (path.is_dir() and path.name[0] != "_"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_hostile_submission_gets_no_point(case: Path, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COACH_PATIENCE_S", "1")
    source = case / "app.py" if case.is_dir() else case
    says = source.read_text().splitlines()[0].removeprefix("# says: ")

    slow = "still running" in says
    result = workspace.grade(read_lesson(tiny.lesson), case, time_limit_s=6 if slow else 60)

    told = [result.card.broken, *result.notes, *(line for line, _ in finding_lines(result.card))]
    assert says in " ".join(" ".join(told).split())
    assert result.card.points == 0
    assert not any(task.state == "done" for task in result.card.tasks)


def test_an_honest_answer_beside_them_gets_its_points(tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    result = workspace.grade(read_lesson(tiny.lesson), tiny.root)
    assert result.card.points == 7
    assert result.card.done
    assert result.notes == ()
