"""From what the tests found to a scorecard, and from a scorecard to text and JSON. Pure: reads and prints nothing."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from coach.explain import Finding
from coach.lesson import Lesson, Task

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """One test of a lesson, finished."""

    test: str  # name with parameters: "test_bounds[0]"
    task: int
    finding: Finding
    duration_s: float = 0.0

    @property
    def function(self) -> str:
        """Name without parameters."""
        return self.test.split("[")[0]

    def as_record(self) -> dict[str, Any]:
        """Return the plain form that travels between processes."""
        return {"kind": "test"} | asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Outcome":
        """Return the outcome that `as_record` wrote."""
        return cls(record["test"], record["task"], Finding(**record["finding"]), record["duration_s"])


@dataclass(frozen=True)
class TaskCard:
    """One line of a scorecard."""

    task: Task
    state: str  # a key of coach.lesson.STATE_COLORS
    points: int
    outcomes: tuple[Outcome, ...] = ()  # the tests that ran
    needs: str = ""  # for waits: "03.4"

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The tests that ran and did not pass."""
        return tuple(outcome for outcome in self.outcomes if outcome.finding.result != "passed")

    @property
    def message(self) -> str:
        """What to tell about the task in one line, "" when it is done."""
        if self.state == "waits":
            return f"needs {self.needs}"
        return self.failed[0].finding.seen if self.state == "not yet" and self.failed else ""


@dataclass(frozen=True)
class Scorecard:
    """All tasks of a lesson after a run."""

    lesson: Lesson
    tasks: tuple[TaskCard, ...]
    broken: str = ""  # why nothing could run: "lessons/01_basics/app.py:12: Python cannot read it ..."
    todos: Mapping[str, str] = field(default_factory=dict)  # number -> where its TODO stands: "app.py:41"
    duration_s: float = 0.0

    @property
    def points(self) -> int:
        """Points earned."""
        return sum(card.points for card in self.tasks)

    @property
    def complete(self) -> bool:
        """Tell whether every task was run in full."""
        return all(card.state != "not run" for card in self.tasks)

    @property
    def done(self) -> bool:
        """Tell whether every task is done."""
        return all(card.state == "done" for card in self.tasks)

    @property
    def next(self) -> TaskCard | None:
        """The task to do first: one that fails before one that is open, never one that waits."""
        for state in ("not yet", "to do", "waits"):
            for card in self.tasks:
                if card.state == state:
                    return card
        return None


def score(
    lesson: Lesson,
    outcomes: Iterable[Outcome],
    *,
    expected: Mapping[str, int],
    open_todos: Mapping[str, str],
    broken: str = "",
    duration_s: float = 0.0,
) -> Scorecard:
    """Form the scorecard of a run. Only a positive record of every expected test makes a task done.

    Args:
        lesson: the lesson that was run.
        outcomes: what the tests found, in any order.
        expected: every test that must have passed -> id of its task; a name without parameters stands for all of them.
        open_todos: tasks whose TODO still stands in the answer -> its place, "app.py:41".
        broken: why the answer could not be imported, "" if it could.
        duration_s: seconds that the run took.
    """
    by_task: dict[int, list[Outcome]] = {task.id: [] for task in lesson.tasks}
    for outcome in outcomes:
        by_task.setdefault(outcome.task, []).append(outcome)
    cards: dict[int, TaskCard] = {}
    for task in _after_needs(lesson.tasks):
        ran = by_task[task.id]
        wanted = {test for test, id in expected.items() if id == task.id}
        cards[task.id] = _card(task, ran, wanted, open_todos, cards, broken=bool(broken))
    return Scorecard(
        lesson, tuple(cards[task.id] for task in lesson.tasks), broken, dict(open_todos), round(duration_s, 3)
    )


def _after_needs(tasks: Sequence[Task]) -> list[Task]:
    """The tasks, each behind those it needs."""
    ordered: list[Task] = []
    left = list(tasks)
    while left:
        ready = [task for task in left if not any(other.id in task.needs for other in left)]
        ordered += ready or left  # a circle of needs cannot be ordered; then any order serves
        left = [task for task in left if task not in ordered]
    return ordered


def _card(
    task: Task,
    ran: Sequence[Outcome],
    wanted: set[str],
    open_todos: Mapping[str, str],
    before: Mapping[int, TaskCard],
    *,
    broken: bool,
) -> TaskCard:
    outcomes = tuple(ran)
    failed = [outcome for outcome in outcomes if outcome.finding.result != "passed"]
    seen = {outcome.test for outcome in outcomes} | {outcome.function for outcome in outcomes}
    missing = wanted - seen
    if broken:
        return TaskCard(task, "not yet", 0)
    if not failed:
        complete = bool(outcomes) and not missing
        return TaskCard(task, "done", task.points, outcomes) if complete else TaskCard(task, "not run", 0, outcomes)

    share = task.points * (len(outcomes) - len(failed)) // (len(outcomes) + len(missing))
    hit = [outcome.finding.todo for outcome in failed]
    if all(hit) and task.number in (*hit, *open_todos):
        return TaskCard(task, "to do", 0, outcomes)
    if all(hit):
        return TaskCard(task, "waits", share, outcomes, needs=hit[0])
    waits_for = [before[id].task.number for id in task.needs if before[id].state not in ("done", "not run")]
    if waits_for:
        return TaskCard(task, "waits", share, outcomes, needs=waits_for[0])
    return TaskCard(task, "not yet", share, outcomes)


def card_lines(card: Scorecard, width: int = 80) -> list[tuple[str, str]]:
    """Return the scorecard as lines of (text, style); style is a state, "title", "dim" or "".

    Args:
        card: the scorecard.
        width: columns to stay within, at least 40.
    """
    width = max(40, min(width, 100))
    lesson = card.lesson
    head = f" {lesson.number} {lesson.name} "
    tail = f" {card.points}/{lesson.points} points"
    lines = [(head + "─" * max(2, width - len(head) - len(tail)) + tail, "title")]
    hint = "  -> coach hint 00.0"
    wide = width >= 40 + len(hint)
    room = min(40, width - 21 - (len(hint) if wide else 0))
    next_up = card.next
    for one in card.tasks:
        title = one.message if one.state == "waits" else one.task.title
        points = (
            f"{one.points}/{one.task.points}" if one.state in ("done", "not yet", "waits") else f"-/{one.task.points}"
        )
        line = f" {one.task.number:<5} {one.state:<8} {_cut(title, room):<{room}} {points:>4}"
        pointer = hint.replace("00.0", one.task.number) if one is next_up and not card.broken else ""
        lines.append((line.rstrip() + (pointer if wide else ""), one.state))
        if pointer and not wide:
            lines.append((f"      {pointer}", one.state))
    return lines


def next_step(card: Scorecard) -> str:
    """Return the one thing to do now, as a sentence."""
    lesson = card.lesson
    if card.broken:
        return "First: mend that line. No test of the lesson could run."
    if card.done:
        return f"Lesson {lesson.number} is done. Compare: coach solution {lesson.number}"
    one = card.next
    if one is None:
        return f"Not every test of {lesson.number} was run: pytest lessons/{lesson.number}"
    found = next((outcome.finding.where for outcome in one.failed if outcome.finding.where), "")
    where = f"lessons/{lesson.folder}/{card.todos[one.task.number]}" if one.task.number in card.todos else found
    return f"Next: {one.task.number} {one.task.title}, at {where.split(' in ')[0] or f'lessons/{lesson.folder}/app.py'}"


def finding_lines(card: Scorecard, width: int = 80) -> list[tuple[str, str]]:
    """Return what the failing tests found, per task: the first one whole, the others by name.

    Tasks that are to do or wait say nothing: there is nothing to find yet.
    """
    width = max(40, min(width, 100))
    if card.broken:
        where, _, seen = card.broken.partition(": ")
        return [(f" {where}", "not yet"), *((line, "") for line in _wrap("seen", seen, width)), ("", "")]
    lines: list[tuple[str, str]] = []
    for one in card.tasks:
        if one.state != "not yet" or not one.failed:
            continue
        real = [outcome for outcome in one.failed if outcome.finding.result != "todo"] or list(one.failed)
        lines.append((f" {one.task.number} {one.task.title}: not yet", "not yet"))
        lines += [(f"   {line}", "") for line in outcome_lines(real[0], width - 3)]
        if others := [outcome.test for outcome in real[1:]]:
            if len(others) > 4:
                others[3:] = [f"and {len(others) - 3} more"]
            lines += [(f"   {line}", "dim") for line in _wrap("also", ", ".join(others), width - 3)]
        lines.append(("", ""))
    return lines


def outcome_lines(outcome: Outcome, width: int = 77) -> list[str]:
    """Return one failing test as lines: the promise, what was seen, why it matters, where to look."""
    finding = outcome.finding
    lines = [outcome.test]
    lines += _wrap("seen", finding.seen or f"TODO {finding.todo} is still open", width)
    if finding.why:
        lines += _wrap("why", finding.why, width)
    if finding.where:
        lines += _wrap("look at", finding.where, width)
    return lines


def _wrap(label: str, text: str, width: int) -> list[str]:
    lead = f"  {label:<8}"
    lines: list[str] = []
    # A command in backticks stays on one line, so that it can be copied.
    kept = re.sub(r"`[^`\n]{1,40}`", lambda command: command[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    for paragraph in kept.splitlines() or [""]:
        lines += textwrap.wrap(paragraph, width - len(lead), break_on_hyphens=False, drop_whitespace=True) or [""]
    lines = [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
    return [(lead if at == 0 else " " * len(lead)) + line for at, line in enumerate(lines)]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def as_json(card: Scorecard, *, course_version: str, suite_hash: str, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the result in the form of `docs/results.schema.json`; durations in seconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "course_version": course_version,
        "suite_hash": suite_hash,
        "lesson": card.lesson.folder,
        "points": card.points,
        "max_points": card.lesson.points,
        "duration_s": card.duration_s,
        "message": card.broken,
        "notes": list(notes),
        "tasks": [
            {
                "id": one.task.number,
                "title": one.task.title,
                "state": one.state,
                "points": one.points,
                "max_points": one.task.points,
                "message": one.message,
                "duration_s": round(sum(outcome.duration_s for outcome in one.outcomes), 3),
                "tests": [
                    {"name": outcome.test, "result": outcome.finding.result, "message": outcome.finding.seen}
                    for outcome in one.outcomes
                ],
            }
            for one in card.tasks
        ],
    }
