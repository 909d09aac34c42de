"""Every lesson proves itself: solution, stub, each task alone, wrong answers, right answers.

All of them are graded as a cohort's submissions are: in a temporary folder and a process of their own, which is forked
from one that has imported what the suite needs. The solution is also graded in a process from the very start.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping

import pytest

from coach import stubs, workspace
from coach.lesson import Lesson, Task, lesson_folders, read_lesson
from coach.samples import Sample, sample_files, samples
from coach.scorecard import Scorecard, finding_lines
from coach.warm import Warm
from tests.conftest import ROOT

LESSONS = [read_lesson(folder) for folder in lesson_folders(ROOT)]
TASKS = [(lesson, task) for lesson in LESSONS for task in lesson.tasks]
WRONG = [(lesson, sample) for lesson in LESSONS for sample in samples(ROOT, "wrong_answers", lesson)]
RIGHT = [(lesson, sample) for lesson in LESSONS for sample in samples(ROOT, "right_answers", lesson)]

pytestmark = pytest.mark.timeout(120)


def folders(value: object) -> str:
    match value:
        case Lesson():
            return value.folder
        case Task():
            return value.number
        case Sample():
            return value.path.stem
    return str(value)


def told(card: Scorecard) -> str:
    """What the learner reads, on one line."""
    lines = [line for line, _ in finding_lines(card, 100)]
    every = [outcome.finding.seen for task in card.tasks for outcome in task.failed]
    return " ".join(" ".join([card.broken, *lines, *every]).split())


Grade = Callable[[Lesson, Mapping[str, bytes]], Scorecard]


@pytest.fixture(scope="session")
def grade() -> Iterator[Grade]:
    """Grade files in a fork of a warm process: one for each lesson and worker."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def warm(lesson: Lesson) -> Warm:
            return stack.enter_context(workspace.warm_for(lesson))

        yield lambda lesson, files: workspace.grade_files(lesson, files, warm=warm(lesson)).card


@pytest.mark.parametrize("lesson", LESSONS, ids=folders)
def test_the_solution_is_done(lesson: Lesson) -> None:
    card = workspace.grade(lesson, lesson.solution).card
    assert card.done, told(card)


@pytest.mark.parametrize("lesson", LESSONS, ids=folders)
def test_the_untouched_stub_is_all_to_do(lesson: Lesson, grade: Grade) -> None:
    files = {name: text.encode() for name, text in stubs.stub_files(lesson).items()}
    card = grade(lesson, files)
    assert {task.task.number: task.state for task in card.tasks} == {task.number: "to do" for task in lesson.tasks}
    assert card.points == 0


@pytest.mark.parametrize(("lesson", "task"), TASKS, ids=folders)
def test_one_task_solved_alone_is_done(lesson: Lesson, task: Task, grade: Grade) -> None:
    """Needs of the task count as solved with it."""
    solved = {lesson.task(id).number for id in needed(lesson, task)}
    files = {}
    for name in lesson.answer_files():
        text = (lesson.solution / name).read_text()
        lines = text.splitlines(keepends=True)
        for region in reversed(stubs.regions(text, name)):
            if region.number not in solved:
                lines[region.start : region.end] = region.stub
        files[name] = "".join(lines).encode()
    card = grade(lesson, files)
    states = {one.task.number: one.state for one in card.tasks}
    assert states[task.number] == "done", told(card)


def needed(lesson: Lesson, task: Task) -> set[int]:
    found = {task.id}
    while more := {id for one in found for id in lesson.task(one).needs} - found:
        found |= more
    return found


@pytest.mark.parametrize(("lesson", "sample"), WRONG, ids=folders)
def test_a_wrong_answer_fails_its_task_and_shows_the_words(lesson: Lesson, sample: Sample, grade: Grade) -> None:
    card = grade(lesson, sample_files(lesson, sample))
    text = told(card)
    undone = {one.task.number for one in card.tasks if one.state != "done"}
    assert set(sample.fails) == undone, text
    for words in sample.says:
        assert re.sub(r"\s+", " ", words) in text


@pytest.mark.parametrize(("lesson", "sample"), RIGHT, ids=folders)
def test_a_right_answer_of_another_style_is_done(lesson: Lesson, sample: Sample, grade: Grade) -> None:
    card = grade(lesson, sample_files(lesson, sample))
    assert card.done, told(card)


@pytest.mark.parametrize("lesson", LESSONS, ids=folders)
def test_an_object_that_equals_everything_gets_no_point(lesson: Lesson, grade: Grade) -> None:
    """A module in which every name is an object that calls, awaits, iterates and equals as you please."""
    names = set(re.findall(r"lesson\.(\w+)", lesson.suite.read_text()))
    answer = ANYTHING + "".join(f"{name} = anything\n" for name in sorted(names))
    card = grade(lesson, {"app.py": answer.encode()})
    assert card.points == 0, [(one.task.number, one.state) for one in card.tasks]


ANYTHING = """
class Anything(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __contains__(self, item): return True
    def __call__(self, *args, **kwargs): return Anything()
    def __getattr__(self, name):
        if name.startswith("__") and name not in ("__wrapped__",):
            raise AttributeError(name)
        return Anything()
    def __getitem__(self, key): return Anything()
    def __iter__(self): return iter([Anything()])
    def __len__(self): return 1
    def __int__(self): return 1
    def __float__(self): return 1.0
    def __await__(self):
        return Anything()
        yield
    def __aiter__(self):
        async def one():
            yield Anything()
        return one()
    def __enter__(self): return Anything()
    def __exit__(self, *exc): return True
    async def __aenter__(self): return Anything()
    async def __aexit__(self, *exc): return True
    def __instancecheck__(self, other): return True

anything = Anything()
"""
