"""The coding task of an interview: what is handed out, and how what is handed in is graded."""

import re
import tempfile
from pathlib import Path

from coach import workspace
from coach.explain import Finding
from coach.interview.state import Coding, Interview, Judged, Submission
from coach.interview.variants import SUITE, write_lesson
from coach.lesson import CourseError
from coach.progress import write_whole
from coach.scorecard import Scorecard

HOME = "my-interviews"
READ_ME = """\
{brief}

---

Edit `app.py` in this folder; `README.md` and `{suite}` are what you were told and what is looked at.
Try it with `pytest {folder}`; hand it in with Enter where `coach interview` waits, or with `coach interview submit`.
It is graded with the suite as it was handed out, so a changed `{suite}` changes nothing.
"""


def hand_out(root: Path, interview: Interview) -> Path:
    """Write what the candidate works on, once, and return the folder. A file that is there is left as it is.

    Raises:
        CourseError: it cannot be written.
    """
    coding = interview.coding
    coding.folder = coding.folder or f"{HOME}/{interview.stamp}"
    folder = root / coding.folder
    texts = {
        "app.py": coding.stub,
        SUITE: coding.suite,
        "README.md": READ_ME.format(brief=coding.brief.strip(), suite=SUITE, folder=coding.folder),
    }
    for name, text in texts.items():
        if not (folder / name).exists():
            try:
                write_whole(folder / name, text)
            except OSError as error:
                raise CourseError(f"{coding.folder}/{name} cannot be written: {error}.") from None
    return folder


def grade(root: Path, interview: Interview) -> Submission:
    """Grade what stands in the candidate's folder now, as a submission of a lesson with this one task is graded.

    Raises:
        CourseError: there is nothing to grade; the text says what to do.
    """
    coding = interview.coding
    answer = root / coding.folder / "app.py"
    if not answer.is_file():
        raise CourseError(f"{coding.folder}/app.py is missing. `coach interview next` writes the file you began with.")
    with tempfile.TemporaryDirectory(prefix="coach-interview-") as temporary:
        lesson = write_lesson(Path(temporary), coding.task, coding.title, coding.suite, coding.solution)
        files, _ = workspace.submitted_files(lesson, answer)
        card = workspace.grade_files(lesson, files, expected=lesson.expected_tests()).card
    code = files["app.py"].decode("utf-8", errors="replace")
    broken = card.broken.replace(f"lessons/{lesson.folder}", coding.folder)
    return Submission(interview.used_s, judge(coding, card), code, broken)


def judge(coding: Coding, card: Scorecard) -> list[Judged]:
    """Return the criteria with what the tests that prove them have found. One is met where all of them passed."""
    outcomes = {outcome.function: outcome for task in card.tasks for outcome in task.outcomes}
    judged = []
    for criterion in coding.rubric:
        findings = [outcomes[test].finding if test in outcomes else None for test in criterion["tests"]]
        failed = [one for one in findings if one is None or one.result != "passed"]
        judged.append(Judged(criterion["says"], met=not failed, seen=_words(failed[0]) if failed else ""))
    return judged


def _words(finding: Finding | None) -> str:
    if finding is None:
        return "its test did not run"
    return "it is not written yet" if finding.todo else of_the_interview(finding.seen)


def of_the_interview(text: str) -> str:
    """Return what a test has seen without what is true in a lesson alone: the way back to its stub, its folder."""
    text = re.sub(r"`coach reset \S+` puts the stub back.*?\.", "the file you began with has it.", text)
    return re.sub(r"\blessons([./])\d\d_task\1", "", text)
