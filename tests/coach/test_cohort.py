"""Many submissions: one that is broken, hostile or empty is a row, and the others are graded."""

import csv
import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from coach import cohort, workspace
from coach.lesson import CourseError, Lesson, read_lesson
from tests.tiny_course import SOLUTION, TinyCourse

pytestmark = pytest.mark.timeout(120)
ENDS_THE_PARENT = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"


@pytest.fixture
def lesson(tiny: TinyCourse) -> Lesson:
    return read_lesson(tiny.lesson)


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    folder = tmp_path / "handed in"
    folder.mkdir()
    (folder / "ada.py").write_text(SOLUTION)
    (folder / "bob.py").write_text(SOLUTION.replace("return 2 * n", "return n * n"))
    (folder / "cid.py").write_text("def (")
    (folder / "empty").mkdir()
    clone = folder / "eve" / "lessons" / "03_tiny"
    clone.mkdir(parents=True)
    (clone / "app.py").write_text(SOLUTION)
    with zipfile.ZipFile(folder / "zoe.zip", "w") as archive:
        archive.writestr("zoe-main/lessons/03_tiny/app.py", SOLUTION)
        archive.writestr("../../conftest.py", "raise SystemExit")
    (folder / "torn.zip").write_bytes(b"PK nothing")
    (folder / ".DS_Store").write_text("")
    return folder


def graded(lesson: Lesson, folder: Path, jobs: int = 2) -> dict[str, cohort.Submission]:
    found = cohort.grade_all(lesson, cohort.submissions_in(folder), jobs=jobs)
    return {one.name: one for one in found}


def test_each_has_a_verdict_or_a_reason(lesson: Lesson, handed_in: Path) -> None:
    found = graded(lesson, handed_in)
    assert {name: one.points for name, one in found.items()} == {
        "ada": 7, "bob": 2, "cid": 0, "empty": 0, "eve": 7, "torn": 0, "zoe": 7
    }  # fmt: skip
    assert "Python cannot read it" in found["cid"].remark
    assert "looked for app.py" in found["empty"].remark
    assert "zip" in found["torn"].remark
    assert not (handed_in.parent / "conftest.py").exists()


def test_one_that_ends_the_process_beside_it_costs_nobody_else(lesson: Lesson, tmp_path: Path) -> None:
    folder = tmp_path / "three"
    folder.mkdir()
    for name in ("a", "c"):
        (folder / f"{name}.py").write_text(SOLUTION)
    (folder / "b.py").write_text(ENDS_THE_PARENT + SOLUTION)
    found = graded(lesson, folder, jobs=1)
    assert {name: one.points for name, one in found.items()} == {"a": 7, "b": 0, "c": 7}


def table(lesson: Lesson, found: Sequence[cohort.Submission]) -> dict[str, dict[str, str]]:
    return {row["submission"]: row for row in csv.DictReader(io.StringIO(cohort.as_csv(lesson, found)))}


def test_the_table_has_a_line_for_each_and_no_formula(lesson: Lesson, handed_in: Path) -> None:
    (handed_in / "=cmd.py").write_text(SOLUTION)
    rows = table(lesson, list(graded(lesson, handed_in).values()))
    assert rows["ada"]["points"] == "7" and rows["ada"]["03.1 state"] == "done"
    assert rows["bob"]["03.1 state"] == "not yet" and rows["bob"]["03.2 points"] == "2"
    assert rows["'=cmd"]["points"] == "7"


def test_gradescope_gets_a_test_for_each_task(lesson: Lesson, handed_in: Path) -> None:
    found = graded(lesson, handed_in)
    bob = json.loads(json.dumps(cohort.as_gradescope(lesson, found["bob"])))
    assert bob["score"] == 2
    assert [test["score"] for test in bob["tests"]] == [0, 2, 0]
    assert "Did you square it?" in bob["tests"][0]["output"]
    assert cohort.as_gradescope(lesson, found["empty"])["score"] == 0


def test_the_summary_says_what_failed_most_and_the_map_colors_it(lesson: Lesson, handed_in: Path) -> None:
    found = list(graded(lesson, handed_in).values())
    text = "\n".join(line for line, _ in cohort.summary_lines(lesson, found))
    assert "7 submissions, 3 done" in text
    assert "03.1 test_double_is_twice" in text
    drawn = cohort.heat_map(lesson, found)
    assert drawn.count(cohort.SHADES["done"]) == 1 + 3 * 3 + 1  # the legend, three people, and bob's second task


def test_a_folder_without_submissions_says_what_it_has_to_hold(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="one folder, "):
        cohort.submissions_in(tmp_path)
    with pytest.raises(CourseError, match="There is no folder"):
        cohort.submissions_in(tmp_path / "gone")


def test_the_command_writes_all_of_it(tiny: TinyCourse, handed_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from coach.cli import app

    monkeypatch.chdir(tiny.root)
    out = tiny.root / "out"
    out.mkdir()
    options = ["--csv", "out/all.csv", "--gradescope", "out/gs", "--json", "out/json", "--heat-map", "out/map.svg"]
    done = CliRunner().invoke(app, ["cohort", "03", os.fspath(handed_in), "--jobs", "2", *options])
    assert done.exit_code == 1, done.output  # the empty folder and the torn archive have no verdict
    assert "3 done" in done.output
    assert sorted(path.name for path in out.rglob("*") if path.is_file())[:3] == ["ada.json", "ada.json", "all.csv"]
    assert (out / "map.svg").read_text().startswith("<svg")


def test_a_reference_that_does_not_import_is_said_and_not_remembered(lesson: Lesson, tiny: TinyCourse) -> None:
    """Without its parameters a test would be missed in every grading that came after."""
    tiny.solution.write_text("import nothing_that_exists\n" + SOLUTION)
    with pytest.raises(CourseError, match=r"(?s)cannot be collected with the reference.*nothing_that_exists"):
        workspace.expected_items(lesson)
    tiny.solution.write_text(SOLUTION)
    assert "test_double_is_twice[0]" in workspace.expected_items(lesson)
