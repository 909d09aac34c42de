"""Samples are patches over the reference, or whole files."""

from pathlib import Path

import pytest

from coach.lesson import CourseError, Lesson, read_lesson
from coach.samples import Sample, sample_files, samples
from tests.tiny_course import TinyCourse

HEAD = "# fails: 03.2\n# says: rounds\n"


@pytest.fixture
def lesson(tiny: TinyCourse) -> Lesson:
    return read_lesson(tiny.lesson)


def sample(lesson: Lesson, name: str, text: str) -> Sample:
    path = lesson.path.parents[1] / "tests" / "wrong_answers" / lesson.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return next(one for one in samples(lesson.path.parents[1], "wrong_answers", lesson) if one.path == path)


def app(lesson: Lesson, one: Sample) -> str:
    return sample_files(lesson, one)["app.py"].decode()


def test_a_block_stands_in_for_its_region_and_the_rest_is_the_reference(lesson: Lesson) -> None:
    one = sample(lesson, "rounds.py", f"{HEAD}\n# >>> 03.2\nif n:\n    return n // 2\nreturn 0\n# <<< 03.2\n")
    assert (one.fails, one.says) == (("03.2",), ("rounds",))
    text = app(lesson, one)
    assert "    if n:\n        return n // 2\n    return 0\n" in text
    assert "return 2 * n" in text and "must not be negative" not in text


def test_imports_go_before_the_first_import(lesson: Lesson) -> None:
    main = lesson.solution / "app.py"
    main.write_text(f'"""Numbers."""\n\nimport math\n{main.read_text().split(chr(10), 2)[2]}')
    text = app(
        lesson, sample(lesson, "m.py", f"{HEAD}# >>> imports\nimport re\n# <<< imports\n# >>> 03.2\n# <<< 03.2\n")
    )
    assert text.index("import re") < text.index("import math")


def test_a_block_without_a_region_is_named(lesson: Lesson) -> None:
    one = sample(lesson, "gone.py", f"{HEAD}# >>> 03.2 (2)\nreturn 0\n# <<< 03.2\n")
    with pytest.raises(CourseError, match=r"gone\.py: the reference has no region 03\.2 \(2\)"):
        sample_files(lesson, one)


@pytest.mark.parametrize("end", ["# <<< 03.2", "# <<< 03.2 (1)"])
def test_a_block_ends_with_the_number_of_its_region_or_without(lesson: Lesson, end: str) -> None:
    assert "return 0\n" in app(lesson, sample(lesson, "end.py", f"{HEAD}# >>> 03.2 (1)\nreturn 0\n{end}\n"))


def test_a_block_without_an_end_is_named_and_not_left_out(lesson: Lesson) -> None:
    one = sample(lesson, "open.py", f"{HEAD}# >>> 03.2\nreturn 0\n# <<< 03.2\n# >>> 03.2 (2)\nreturn 1\n")
    with pytest.raises(CourseError, match=r"open\.py: `# >>> 03\.2 \(2\)` is one end of a block"):
        sample_files(lesson, one)


def test_a_file_without_blocks_is_the_whole_answer(lesson: Lesson) -> None:
    assert app(lesson, sample(lesson, "whole.py", f"{HEAD}def double(n): ...\n")) == f"{HEAD}def double(n): ...\n"


def test_a_folder_brings_whole_files_and_its_head_alone_changes_nothing(lesson: Lesson) -> None:
    (lesson.solution / "client.py").write_text("old = 1\n")
    folder = lesson.path.parents[1] / "tests" / "wrong_answers" / lesson.folder / "two"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(f'{HEAD}"""Only the client is wrong."""\n')
    (folder / "client.py").write_text("new = 1\n")
    (one,) = samples(lesson.path.parents[1], "wrong_answers", lesson)
    files = sample_files(lesson, one)
    assert files["client.py"] == b"new = 1\n"
    assert files["app.py"] == Path(lesson.solution / "app.py").read_bytes()


def test_a_wrong_answer_without_a_head_is_named(lesson: Lesson) -> None:
    with pytest.raises(CourseError, match=r"needs `# fails: NN\.T` and `# says: words` on top"):
        sample(lesson, "headless.py", "# >>> 03.2\nreturn 0\n# <<< 03.2\n")
