"""Every coding task of the interview proves itself: reference, stub, the lesson's own way, other wrong answers.

Wrong answers lie in `tests/interviews/answers/03_async/ask_mirrors/`: `lesson_way.py`, which solves the task as the
lesson has it, and at least two more. They are patches or whole files as in `tests/wrong_answers`, with the words that
the candidate must see (`# says: ...`).
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from coach import workspace
from coach.interview.checks import variant_problems
from coach.interview.variants import Rendered, Variant, as_lesson, draws, read_variants, render, render_as
from coach.lesson import Lesson
from coach.samples import Sample, sample_files
from coach.scorecard import Scorecard, finding_lines
from coach.warm import Warm
from tests.conftest import ROOT

ANSWERS = ROOT / "tests" / "interviews" / "answers"
LESSONS = ("02_models", "03_async", "04_streaming", "05_rag", "06_production", "08_auth")
VARIANTS = read_variants(ROOT)
SEEDS = (None, 1, 2)


def wrong_answers(variant: Variant) -> list[Path]:
    return sorted((ANSWERS / variant.id).glob("*.py"))


WRONG = [(variant, path) for variant in VARIANTS for path in wrong_answers(variant)]
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: one.id)

Grade = Callable[[Lesson, Mapping[str, bytes]], Scorecard]


@pytest.fixture(scope="module")
def grade() -> Iterator[Grade]:
    """Grade files in a fork of a warm process: one for each lesson that the variants come from."""
    with contextlib.ExitStack() as stack:
        warm: dict[str, Warm] = {}

        def one(lesson: Lesson, files: Mapping[str, bytes]) -> Scorecard:
            if lesson.number not in warm:
                warm[lesson.number] = stack.enter_context(workspace.warm_for(lesson))
            expected = lesson.expected_tests()
            return workspace.grade_files(lesson, files, warm=warm[lesson.number], expected=expected).card

        yield one


@pytest.fixture(scope="module")
def lesson_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Variant, int | None], Lesson]:
    @functools.cache
    def written(variant_id: str, seed: int | None) -> Lesson:
        variant = next(one for one in VARIANTS if one.id == variant_id)
        return as_lesson(render(variant, seed), tmp_path_factory.mktemp("interview"))

    return lambda variant, seed: written(variant.id, seed)


def told(card: Scorecard) -> str:
    """What the candidate reads, on one line."""
    lines = [line for line, _ in finding_lines(card, 100)]
    every = [outcome.finding.seen for task in card.tasks for outcome in task.failed]
    return " ".join(" ".join([card.broken, *lines, *every]).split())


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_lesson_that_is_asked_for_has_three_variants(lesson: str) -> None:
    found = [one.id for one in VARIANTS if one.path.parent.name == lesson]
    assert len(found) >= 3, found


@each_variant
def test_nothing_is_forgotten(variant: Variant) -> None:
    assert list(variant_problems(variant)) == []
    names = [path.stem for path in wrong_answers(variant)]
    assert "lesson_way" in names, names
    assert len(names) >= 3, names


@each_variant
def test_every_draw_is_another_text(variant: Variant) -> None:
    every = [render_as(variant, drawn) for drawn in draws(variant)]
    assert len({texts(one) for one in every}) == len(every) > 1


def texts(rendered: Rendered) -> tuple[str, ...]:
    return rendered.brief, rendered.solution, rendered.suite


@each_variant
@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_is_done(
    variant: Variant, seed: int | None, grade: Grade, lesson_of: Callable[[Variant, int | None], Lesson]
) -> None:
    lesson = lesson_of(variant, seed)
    card = grade(lesson, {"app.py": (lesson.solution / "app.py").read_bytes()})
    assert card.done, told(card)


@each_variant
def test_the_untouched_stub_is_to_do(
    variant: Variant, grade: Grade, lesson_of: Callable[[Variant, int | None], Lesson]
) -> None:
    card = grade(lesson_of(variant, 1), {"app.py": render(variant, 1).stub.encode()})
    assert [task.state for task in card.tasks] == ["to do"], told(card)


@pytest.mark.parametrize(("variant", "path"), WRONG, ids=lambda one: one.id if isinstance(one, Variant) else one.stem)
def test_a_wrong_answer_fails_with_words_that_name_it(
    variant: Variant, path: Path, grade: Grade, lesson_of: Callable[[Variant, int | None], Lesson]
) -> None:
    says = tuple(re.findall(r"^# says: (.+)$", path.read_text(encoding="utf-8"), flags=re.M))
    assert says, f"{path.name} says nothing of what the candidate must see: `# says: words` on top"
    lesson = lesson_of(variant, None)
    card = grade(lesson, sample_files(lesson, Sample(path, (variant.task,), says)))
    assert not card.done
    assert not card.broken, card.broken
    for words in says:
        assert " ".join(words.split()) in told(card), told(card)
