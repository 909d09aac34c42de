"""The interview: what is drawn, how the clock runs, what is kept, and what is said when something is wrong."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coach.interview import plan, report, state
from coach.interview.coding import grade, hand_out, of_the_interview
from coach.interview.store import Store
from coach.interview.variants import read_variants, render_as, replace_words
from coach.lesson import CourseError
from coach.questions import read_topics
from tests.conftest import ROOT

TOPICS = read_topics(ROOT)
QUESTIONS = [question for one in TOPICS for question in one.questions]
VARIANTS = read_variants(ROOT)


def drawn(seed: int = 1, minutes: int = 45, **options: Any) -> plan.Plan:
    return plan.make_plan(QUESTIONS, VARIANTS, seed, minutes=minutes, **options)


def ids(one: plan.Plan) -> list[str]:
    return [*(question.id for question in one.questions), one.variant.id]


def begun(seed: int = 1, minutes: int = 45) -> state.Interview:
    return state.begin(ROOT, drawn(seed, minutes), seed=seed, seed_given=True, minutes=minutes, topic=None)


# What is drawn.


def test_one_seed_is_one_interview_and_another_is_another() -> None:
    assert ids(drawn(7)) == ids(drawn(7))
    assert len({tuple(ids(drawn(seed))) for seed in range(10)}) > 8
    assert state.as_text(begun(7)).replace(begun(7).started, "") == state.as_text(begun(7)).replace(
        begun(7).started, ""
    )


def test_nothing_comes_again_while_something_else_is_left() -> None:
    seen: dict[str, str] = {}
    variants: list[str] = []
    for number in range(len(VARIANTS)):
        one = drawn(number, seen=seen)
        fresh = len(QUESTIONS) - sum(question.id in seen for question in QUESTIONS)
        again = [question.id for question in one.questions if question.id in seen]
        assert len(again) == max(0, len(one.questions) - fresh), again
        oldest = sorted(seen[question.id] for question in QUESTIONS if question.id in seen)[: len(again)]
        assert sorted(seen[id] for id in again) == oldest, "what was asked longest ago comes first"
        variants.append(one.variant.id)
        seen |= dict.fromkeys(ids(one), f"2026-11-{number:02d}")
    assert len(set(variants)) == len(VARIANTS)


@pytest.mark.parametrize("minutes", [15, 20, 45, 60, 180])
def test_it_fits_into_its_minutes(minutes: int) -> None:
    one = drawn(minutes=minutes)
    assert len(one.questions) == len({question.id for question in one.questions}) >= 1
    assert one.variant.minutes + plan.QUESTION_MINUTES * len(one.questions) <= minutes
    levels = [question.level for question in one.questions]
    assert levels == sorted(levels, key=["junior", "mid", "senior", "staff"].index)


@pytest.mark.parametrize("word", ["async", "ASYNC", "03", "3"])
def test_a_topic_is_named_by_noun_or_number(word: str) -> None:
    topic = plan.find_topic(word, TOPICS, VARIANTS)
    one = drawn(topic=topic)
    assert {question.topic for question in one.questions} | {one.variant.topic} == {"async"}


def test_a_topic_that_only_one_side_has_is_filled_up() -> None:
    one = drawn(topic="basics")
    assert {question.topic for question in one.questions} == {"basics"}
    with pytest.raises(CourseError, match=r"no topic 'cooking'\. The topics are: basics, models, async"):
        plan.find_topic("cooking", TOPICS, VARIANTS)


def test_words_and_numbers_are_replaced_whole_and_at_once() -> None:
    words = {"ask": "tell", "tell": "ask", "7": "5", "1_000": "2_000", "20": "30"}
    text = "ask(7) tell task ask_all 7. 0.7 7.5 7,000 v7 -7 1_000 21_000 20 120 [7, 20]"
    assert replace_words(text, words) == "tell(5) ask task ask_all 5. 0.7 7.5 7,000 v7 -5 2_000 21_000 30 120 [5, 30]"


def test_a_drawn_number_never_changes_which_task_a_test_is_of() -> None:
    for variant in VARIANTS:
        number = str(int(variant.task.partition(".")[2]))
        suite = render_as(variant, {number: "99"}).suite
        assert f"@pytest.mark.task({number})" in suite
        assert "task(99)" not in suite


def test_what_is_said_of_a_task_leads_to_no_lesson() -> None:
    seen = "app.py has no `f`. The tests ask for it by that name; `coach reset 02` puts the stub back and keeps a copy"
    assert of_the_interview(f"{seen} of yours.").endswith("by that name; the file you began with has it.")
    assert of_the_interview("ValueError at lessons/02_task/app.py:7, in lessons.02_task.app") == (
        "ValueError at app.py:7, in app"
    )


# The clock.


def test_the_clock_runs_for_answers_and_stands_while_they_are_compared() -> None:
    one = begun()
    one.charge(60)
    one.answered("notes")
    one.charge(600)
    one.rated(["yes"] * len(one.questions[0].listens_for))
    one.charge(30)
    assert (one.used_s, one.questions[0].used_s, one.questions[1].used_s) == (90, 60, 30)


def test_between_commands_the_clock_runs_but_not_while_somebody_was_interrupted() -> None:
    one = begun()
    one.run(now=1000)
    one.stop(now=1100)
    one.stop(now=9000)
    assert one.used_s == 100
    one.run(now=10_000)
    one.stop(now=90_000)
    assert one.used_s == 100 + state.LONGEST_S["question"], "a night is no answer"
    one.run(now=90_000)
    one.stop(now=80_000)
    assert one.used_s == 100 + state.LONGEST_S["question"], "a clock that was put back takes nothing back"


def test_questions_that_there_is_no_time_for_are_left_out_but_not_the_code() -> None:
    one = begun()
    one.charge((one.minutes - one.coding.minutes) * 60)
    one.answered("")
    one.rated(["no"] * len(one.questions[0].listens_for))
    assert one.phase == "task"
    one = begun()
    one.charge(one.minutes * 60)
    one.answered("")
    one.rated(["no"] * len(one.questions[0].listens_for))
    assert one.phase == "over"


# What is kept.


def test_an_interview_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = begun()
    one.answered("half a character: \ud83d")
    one.coding.submissions.append(state.Submission(3.0, [state.Judged("it holds", met=False, seen="no")], "x = 1"))
    store = Store(tmp_path)
    assert store.read() is None
    store.write(one)
    assert store.read() == one
    assert list(store.folder.glob("*.tmp")) == []
    store.close(one)
    assert store.read() is None
    assert store.seen() == {one.questions[0].id: one.started}, "what was not asked was not seen"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:-20],
        lambda text: "[1, 2]",
        lambda text: '{"mine": 1}',
        lambda text: text.replace('"version": 1', '"version": 9'),
        lambda text: text.replace('"phase": "question"', '"phase": "lunch"'),
        lambda text: re.sub(r'"at": 0', '"at": 99', text),
        lambda text: text.replace('"used_s": 0.0,\n "running', '"used_s": "x",\n "running'),
        lambda text: text.replace('"minutes": 45', '"hours": 1'),
    ],
)
def test_a_file_that_is_no_interview_is_left_as_it_is_and_can_be_put_aside(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    store = Store(tmp_path)
    store.write(begun())
    broken = change(store.file.read_text(encoding="utf-8"))
    store.file.write_text(broken, encoding="utf-8")
    with pytest.raises(CourseError, match=r"left as it is\. `coach interview drop`"):
        store.read()
    assert store.file.read_text(encoding="utf-8") == broken
    kept = store.put_aside()
    assert kept.read_text(encoding="utf-8") == broken
    assert store.read() is None
    assert store.seen() == {}


def test_only_one_goes_on_with_an_interview(tmp_path: Path) -> None:
    with Store(tmp_path).alone(), pytest.raises(CourseError, match="another terminal"), Store(tmp_path).alone():
        pass
    with Store(tmp_path).alone():
        pass


# The code and the report.


@pytest.fixture(scope="module")
def sat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, state.Interview]:
    """An interview whose code was handed in twice: as it was given, and as the reference has it."""
    root = tmp_path_factory.mktemp("sat")
    one = begun(seed=3)
    one.charge(50)
    one.answered("<b>notes</b> | with `marks`\n```")
    one.rated([*["yes"] * (len(one.questions[0].listens_for) - 1), "partly"])
    one.phase = "task"
    folder = hand_out(root, one)
    one.charge(600)
    one.coding.submissions.append(grade(root, one))
    (folder / "app.py").write_text(one.coding.solution, encoding="utf-8")
    one.coding.submissions.append(grade(root, one))
    return root, one


def test_code_is_graded_with_the_suite_that_was_handed_out(sat: tuple[Path, state.Interview]) -> None:
    root, one = sat
    before, after = one.coding.submissions
    assert [judged.met for judged in before.criteria] == [False] * len(one.coding.rubric)
    assert {judged.seen for judged in before.criteria} == {"it is not written yet"}
    assert [judged.met for judged in after.criteria] == [True] * len(one.coding.rubric)
    folder = root / one.coding.folder
    assert (folder / "test_task.py").read_text(encoding="utf-8") == one.coding.suite
    (folder / "test_task.py").write_text("def test_x(): pass\n", encoding="utf-8")
    (folder / "app.py").write_text("def broken(:\n", encoding="utf-8")
    submission = grade(root, one)
    assert submission.broken.startswith(f"{one.coding.folder}/app.py:1")
    assert not any(judged.met for judged in submission.criteria)
    hand_out(root, one)
    assert (folder / "app.py").read_text(encoding="utf-8") == "def broken(:\n", "what is there is left as it is"
    (folder / "app.py").unlink()
    with pytest.raises(CourseError, match=r"app\.py is missing\. `coach interview next`"):
        grade(root, one)


def test_the_report_rates_every_criterion_and_says_what_to_read(sat: tuple[Path, state.Interview]) -> None:
    root, one = sat
    markdown, page = (file.read_text(encoding="utf-8") for file in report.write_report(root, one))
    for criterion in [*one.questions[0].listens_for, *(judged.says for judged in one.coding.submissions[-1].criteria)]:
        assert f"✓ {criterion}" in markdown or f"~ {criterion}" in markdown
    assert f"~ {one.questions[0].listens_for[-1]}".replace("|", "\\|") in markdown.partition("## Spoken")[0]
    assert markdown.count("not answered") >= len(one.questions) - 1
    assert "handed in 2 times after 10:00" in markdown
    assert "&lt;b&gt;notes&lt;/b&gt;" in page
    assert "<b>notes" not in page
    assert "http://" not in page.partition("</style>")[0]
    places = set(re.findall(r"\]\(\.\./\.\./([^)#]+)", markdown))
    assert len(places) >= 4
    assert [place for place in places if not (ROOT / place).is_file()] == []


def test_figures_count_half_for_what_was_said_in_part(sat: tuple[Path, state.Interview]) -> None:
    _, one = sat
    count = report.figures(one)
    assert (count.asked, count.questions) == (1, len(one.questions))
    assert count.said == len(one.questions[0].listens_for) - 0.5
    assert (count.met, count.late_s) == (len(one.coding.rubric), 0)
    late = state.as_interview(state.as_text(one))
    late.coding.submissions[-1].used_s = 45 * 60 + 90
    assert report.figures(late).late_s == 90
