"""The `coach` command, as a person meets it, on the tiny course."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from coach import cli, progress
from coach.lesson import read_lesson
from tests.tiny_course import SOLUTION, TinyCourse

Coach = Callable[..., tuple[int, str]]


@pytest.fixture
def coach(tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Coach:
    monkeypatch.chdir(tiny.root)
    (tiny.root / ".coach").mkdir()

    def run(*args: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["coach", *args])
        try:
            cli.main()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return run


def check(tiny: TinyCourse) -> None:
    """Run the lesson's suite as a learner does."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "lessons/03"], cwd=tiny.root, capture_output=True, check=False
    )


def test_status_shows_lessons_points_and_the_next_command(coach: Coach) -> None:
    code, text = coach("status")
    assert code == 0
    assert "03 tiny" in text
    assert "0/7" in text
    assert "pytest lessons/03" in text


def test_status_marks_what_was_edited_since_its_last_check(coach: Coach, tiny: TinyCourse) -> None:
    tiny.solve(1)
    check(tiny)
    assert "2/7*" not in coach("status")[1]
    tiny.solve(2)
    assert "2/7*" in coach("status")[1]


def test_start_grades_the_first_unfinished_lesson_and_exits_0(coach: Coach, tiny: TinyCourse) -> None:
    tiny.solve(1)
    code, text = coach("start")
    assert code == 0
    assert "03.1  done" in text
    assert "03.2  to do" in text
    assert "\x1b[" not in text


def test_hints_come_one_rung_at_a_time_and_are_remembered(coach: Coach) -> None:
    assert "What is half?" in coach("hint", "03.2")[1]
    second = coach("hint", "03.2")[1]
    assert "Look at `/`." in second
    assert "return n / 2" not in second
    assert "return n / 2" in coach("hint", "03.2")[1]
    assert "That was the last one" in coach("hint", "03.2")[1]


def test_all_hints_at_once(coach: Coach) -> None:
    text = coach("hint", "03.1", "--all")[1]
    assert "What is twice?" in text
    assert "return 2 * n" in text


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("hint", "03.9"), "There is no task 03.9. Lesson 03 has 03.1, 03.2, 03.3."),
        (("hint", "half"), "'half' is not the number of a task. Tasks are written like 03.4."),
        (("grade", "07", "."), "There is no lesson '07'. There are 03"),
        (("grade", "03"), "Name what to grade: coach grade 03 PATH"),
        (("grade", "03", "nowhere"), "There is nothing at nowhere."),
        (("grade", "03", ".coach"), "Nothing to grade at .coach: looked for app.py"),
        (("solution", "03"), "Lesson 03 stands at 0 of 7 points."),
    ],
)
def test_a_wrong_call_is_one_line_with_the_way_out(coach: Coach, args: tuple[str, ...], says: str) -> None:
    code, text = coach(*args)
    assert code == 2
    assert says in " ".join(text.split())
    assert "Traceback" not in text


def test_reset_of_a_lesson_keeps_a_dated_copy(coach: Coach, tiny: TinyCourse) -> None:
    stub = tiny.app.read_text()
    tiny.solve(1, 2, 3)
    mine = tiny.app.read_text()
    code, text = coach("reset", "03", "--yes")
    assert code == 0
    assert tiny.app.read_text() == stub
    (kept,) = (tiny.root / ".coach" / "backups").glob("03_tiny-*/app.py")
    assert kept.read_text() == mine
    assert ".coach/backups/03_tiny-" in text.replace("\n", "")


def test_reset_asks_and_no_changes_nothing(coach: Coach, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.solve(1)
    mine = tiny.app.read_text()
    monkeypatch.setattr("typer.confirm", lambda *args, **kwargs: False)
    code, text = coach("reset", "03.1")
    assert code == 1
    assert "Nothing was changed." in text
    assert tiny.app.read_text() == mine


def test_reset_of_one_task(coach: Coach, tiny: TinyCourse) -> None:
    tiny.solve(1, 2)
    assert coach("reset", "03.1", "-y")[0] == 0
    text = tiny.app.read_text()
    assert 'raise NotImplementedError("TODO 03.1")' in text
    assert "return n / 2" in text


def test_reset_of_what_is_untouched_says_so(coach: Coach) -> None:
    assert "at its TODOs already" in coach("reset", "03", "-y")[1]


def test_the_solution_is_shown_once_the_lesson_is_done(coach: Coach, tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    check(tiny)
    code, text = coach("solution", "03")
    assert code == 0
    assert "-    return double(double(n))" not in text
    assert 'f"n must not be negative' in text


def test_the_solution_is_shown_to_who_gives_up(coach: Coach) -> None:
    code, text = coach("solution", "03", "--give-up")
    assert code == 0
    assert "+    return 2 * n" in text
    assert ">>> solution" not in text


def test_grade_the_reference(coach: Coach) -> None:
    code, text = coach("grade", "03", "--reference")
    assert code == 0
    assert "7/7 points" in text


def test_grade_somebodys_file_under_any_name(coach: Coach, tiny: TinyCourse) -> None:
    tiny.solve(1, two="return n // 2")
    handed_in = tiny.root / "ada lovelace.py"
    handed_in.write_text(tiny.app.read_text())
    code, text = coach("grade", "03", str(handed_in))
    assert code == 1
    assert "half(3) is 1" in text
    assert "2/7 points" in text


def test_grade_takes_an_archive_as_cohort_does(coach: Coach, tiny: TinyCourse) -> None:
    with zipfile.ZipFile(tiny.root / "zoe.zip", "w") as archive:
        archive.writestr("zoe-main/app.py", SOLUTION)
    code, text = coach("grade", "03", "zoe.zip")
    assert code == 0 and "7/7 points" in text
    (tiny.root / "torn.zip").write_bytes(b"PK nothing")
    code, text = coach("grade", "03", "torn.zip")
    assert code == 2 and "torn.zip cannot be read as a zip archive" in text


def test_grade_writes_json_and_nothing_else_to_standard_output(coach: Coach, tiny: TinyCourse) -> None:
    code, text = coach("grade", "03", str(tiny.root), "--json", "-")
    data = json.loads(text)
    assert code == 1
    assert data["schema_version"] == 1
    assert data["lesson"] == "03_tiny"
    assert [task["state"] for task in data["tasks"]] == ["to do"] * 3
    assert len(data["suite_hash"]) == 64


def test_grading_leaves_progress_alone(coach: Coach, tiny: TinyCourse) -> None:
    coach("grade", "03", "--reference")
    assert progress.read(read_lesson(tiny.lesson)).points == 0


def test_stubs_are_written_and_checked(coach: Coach, tiny: TinyCourse) -> None:
    assert coach("stubs", "--check")[0] == 0
    tiny.app.write_text("edited\n")
    code, text = coach("stubs", "--check")
    assert code == 1
    assert "stale lessons/03_tiny/app.py" in text
    assert coach("stubs")[0] == 0
    assert coach("stubs", "--check")[0] == 0


def test_check_names_what_an_author_forgot(coach: Coach, tiny: TinyCourse) -> None:
    code, text = coach("check")
    assert code == 1
    text = text.replace("\n", " ")
    assert "no heading `## 03.1 … (2 points)`" in text
    assert "tests/wrong_answers/03_tiny has 0 answers" in text
    assert "task 03.3 has fewer than two tests" in text


def test_a_broken_lesson_toml_is_one_line(coach: Coach, tiny: TinyCourse) -> None:
    (tiny.lesson / "lesson.toml").write_text("title = \n")
    code, text = coach("status")
    assert code == 0
    assert "lessons/03_tiny/lesson.toml is not valid TOML" in text
    assert "line 1" in text
    assert "Traceback" not in text


def test_outside_a_course_the_commands_still_find_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["coach", "status"])
    cli.main()
    assert "01 basics" in capfd.readouterr().out


def test_every_command_has_help(coach: Coach) -> None:
    for command in (
        "start",
        "status",
        "watch",
        "hint",
        "reset",
        "solution",
        "run",
        "llm",
        "export",
        "grade",
        "stubs",
        "check",
        "doctor",
    ):
        code, text = coach(command, "--help")
        assert code == 0
        assert "Usage: coach" in text


def test_status_imports_neither_pytest_nor_fastapi() -> None:
    code = (
        "import sys; sys.argv = ['coach', 'status']\n"
        "from coach.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'pytest', 'fastapi', 'httpx2', 'openai', 'anthropic', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor_says_what_is_there_and_how_to_mend_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from coach.doctor import findings

    (tmp_path / "requirements.lock").write_text("pytest==0.1\nnot-there==1.0\nuvloop==9.9 ; sys_platform == 'plan9'\n")
    found = {finding.text: finding for finding in findings(tmp_path)}
    (wrong,) = [finding for finding in found.values() if finding.level == "wrong"]
    assert "2 packages differ from requirements.lock" in wrong.text
    assert "not-there is missing, locked is 1.0" in wrong.text
    assert wrong.mend == "make start"
    assert any(text.startswith("Python 3.") for text in found)
