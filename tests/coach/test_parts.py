"""The capstone takes a learner's module when it is finished, and says whose code runs."""

import sys
from collections.abc import Iterator

import pytest

from coach.lesson import CourseError
from coach.parts import pick
from tests.tiny_course import TinyCourse


@pytest.fixture(autouse=True)
def forget_modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_finished_lesson_is_yours(tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    part = pick(tiny.root, "03", "auto")
    assert (part.whose, part.file) == ("yours", "lessons/03_tiny/app.py")
    assert part.module.double(4) == 8


def test_finished_but_wrong_is_still_yours(tiny: TinyCourse) -> None:
    tiny.solve(2, 3, one="return -1")
    part = pick(tiny.root, "03", "auto")
    assert part.whose == "yours"
    assert part.module.double(4) == -1


def test_an_open_todo_means_the_reference_and_is_named(tiny: TinyCourse) -> None:
    tiny.solve(1, 3)
    part = pick(tiny.root, "03", "auto")
    assert (part.whose, part.reason) == ("reference", "to do: 03.2")
    assert part.module.half(3) == 1.5


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("def double(n:\n", "lessons/03_tiny/app.py line 1 does not parse"),
        ("def double(n): ...\n1 / 0\n", "lessons/03_tiny/app.py does not import: ZeroDivisionError: division by zero"),
        ("x = 1\n", "lessons/03_tiny/app.py has no double"),
        (None, "lessons/03_tiny/app.py is missing"),
    ],
)
def test_what_cannot_serve_means_the_reference_and_why(tiny: TinyCourse, answer: str | None, reason: str) -> None:
    if answer is None:
        tiny.app.unlink()
    else:
        tiny.write(answer)
    part = pick(tiny.root, "03", "auto")
    assert (part.whose, part.reason) == ("reference", reason)


def test_yours_is_insisted_on_and_refused_with_the_way_out(tiny: TinyCourse) -> None:
    with pytest.raises(
        CourseError, match=r"to do: 03\.1, 03\.2, 03\.3\. Finish it, or start with CAPSTONE_PARTS=auto\."
    ):
        pick(tiny.root, "03", "yours")


def test_the_reference_never_looks_at_yours(tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    assert pick(tiny.root, "03", "reference").whose == "reference"


def test_an_unknown_mode_names_the_three(tiny: TinyCourse) -> None:
    with pytest.raises(CourseError, match="takes auto, yours, reference"):
        pick(tiny.root, "03", "mine")
