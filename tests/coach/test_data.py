"""Files of ours beside the suite: there when an answer is graded, and nobody else's stand in for them."""

from pathlib import Path

import pytest

from coach import workspace
from coach.lesson import CourseError, Lesson, read_lesson
from coach.progress import suite_hash
from tests.tiny_course import SUITE, TOML, TinyCourse

READS = '''

@pytest.mark.task(1)
def test_the_data_is_ours():
    """Numbers to try it on."""
    from pathlib import Path

    here = Path(__file__).parent
    seen = (here / "pages" / "more" / "two.md").read_text() + (here / "numbers.txt").read_text()
    assert lesson.double(1) == 2 and seen == "two\\n1 2 3\\n", f"the data says {seen!r}"
'''


@pytest.fixture
def lesson(tiny: TinyCourse) -> Lesson:
    (tiny.lesson / "pages" / "more").mkdir(parents=True)
    (tiny.lesson / "pages" / "one.md").write_text("one\n")
    (tiny.lesson / "pages" / "more" / "two.md").write_text("two\n")
    (tiny.lesson / "pages" / ".DS_Store").write_text("")
    (tiny.lesson / "numbers.txt").write_text("1 2 3\n")
    (tiny.lesson / "lesson.toml").write_text(f'data = ["pages", "numbers.txt"]\n{TOML}')
    (tiny.lesson / "test_tiny.py").write_text(SUITE + READS)
    return read_lesson(tiny.lesson)


def test_a_folder_means_every_file_in_it(lesson: Lesson) -> None:
    assert lesson.data_files() == ["numbers.txt", "pages/more/two.md", "pages/one.md"]


def test_an_answer_is_graded_beside_our_data(lesson: Lesson, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "pages").mkdir(parents=True)
    (theirs / "app.py").write_bytes((lesson.solution / "app.py").read_bytes())
    (theirs / "numbers.txt").write_text("forged\n")
    graded = workspace.grade(lesson, theirs)
    assert graded.card.done, graded
    assert graded.notes == ()  # a clone of the course brings the data too: that is nothing to speak of


def test_ours_come_last(lesson: Lesson) -> None:
    with workspace.workspace(
        lesson, {"app.py": b"", "numbers.txt": b"forged\n", "pages/one.md": b"forged\n"}
    ) as folder:
        assert (folder / "numbers.txt").read_text() == "1 2 3\n"
        assert (folder / "pages" / "one.md").read_text() == "one\n"


def test_what_a_lesson_asks_includes_its_data(lesson: Lesson) -> None:
    before = suite_hash(lesson)
    (lesson.path / "pages" / "one.md").write_text("two\n")
    assert suite_hash(lesson) != before


def test_missing_data_is_named_with_the_way_back(lesson: Lesson) -> None:
    (lesson.path / "numbers.txt").unlink()
    assert suite_hash(lesson)  # a learner's run ends as usual; the suite has said what is missing
    with pytest.raises(CourseError, match=r"numbers\.txt is missing. `git checkout -- lessons/03_tiny/numbers\.txt`"):
        workspace.grade(lesson, lesson.solution)


@pytest.mark.parametrize("names", ['"pages"', '[""]', "[1]", '["../x"]', '["/etc"]'])
def test_data_that_is_no_list_of_names_inside_is_refused(tiny: TinyCourse, names: str) -> None:
    (tiny.lesson / "lesson.toml").write_text(f"data = {names}\n{TOML}")
    with pytest.raises(CourseError, match=r"lesson\.toml: `data` "):
        read_lesson(tiny.lesson)
