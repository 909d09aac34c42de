"""An interview as it stands: what is asked, what was said, how the clock runs.

The texts are kept too, so that an interview goes on as it began though the course has changed meanwhile.
"""

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from coach.interview.plan import QUESTION_MINUTES, Plan
from coach.interview.variants import Rendered, render
from coach.questions import Question

FORMAT, VERSION = "coach interview", 1
Phase = Literal["question", "rating", "task", "over"]
KEYS = {"y": "yes", "p": "partly", "n": "no"}
RATINGS: dict[str, float] = {"yes": 1.0, "partly": 0.5, "no": 0.0}

LONGEST_S: dict[Phase, float] = {"question": 600, "task": 3600}
"""Between two commands no more than this is charged: whoever is away longer was interrupted."""


@dataclass
class Asked:
    """One question, and what became of it."""

    id: str
    topic: str
    read: list[str]  # files of the repository: the notebook, the lesson
    level: str
    title: str
    spoken: str
    listens_for: list[str]
    wrong: str
    then_asked: str
    then_answer: str
    said: str | None = None  # what was typed; "" where it was said aloud; None while it was not answered
    ratings: list[str] = field(default_factory=list)  # one of RATINGS for each of `listens_for`
    used_s: float = 0.0


@dataclass
class Judged:
    """One criterion of a coding task after a grading."""

    says: str
    met: bool
    seen: str = ""  # what the first test of it that failed has seen


@dataclass
class Submission:
    """One grading of the code."""

    used_s: float  # on the interview's clock
    criteria: list[Judged]
    code: str
    broken: str = ""  # why nothing could run


@dataclass
class Coding:
    """The coding task, rendered, and what was handed in."""

    variant: str
    task: str  # the lesson's: "03.4"
    title: str
    minutes: int
    changed: str
    brief: str
    stub: str
    solution: str
    suite: str
    rubric: list[dict[str, Any]]  # {"says": ..., "tests": [...]}
    read: list[str]
    folder: str = ""  # where the candidate works, below the course; "" while it was not handed out
    used_s: float = 0.0
    submissions: list[Submission] = field(default_factory=list)


@dataclass
class Interview:
    """Everything about one interview."""

    started: str  # ISO, UTC
    seed: int
    seed_given: bool  # whoever gives the seed gets the same interview, whatever was asked before
    minutes: int
    topic: str | None
    questions: list[Asked]
    coding: Coding
    phase: Phase = "question"
    at: int = 0  # which question
    used_s: float = 0.0
    running_since: float | None = None  # seconds since the epoch, where the clock runs between two commands
    dropped: bool = False

    @property
    def left_s(self) -> float:
        """Seconds that are left; below zero where it went on."""
        return self.minutes * 60 - self.used_s

    @property
    def question(self) -> Asked:
        """The question that is asked now."""
        return self.questions[self.at]

    @property
    def stamp(self) -> str:
        """The time when it began, as the name of a file."""
        return datetime.fromisoformat(self.started).astimezone().strftime("%Y-%m-%d_%H%M%S")

    def charge(self, seconds: float) -> None:
        """Let the clock run on. It stands still while answers are compared, and when all is over."""
        if seconds <= 0 or self.phase not in LONGEST_S:
            return
        self.used_s += seconds
        current: Asked | Coding = self.question if self.phase == "question" else self.coding
        current.used_s += seconds

    def run(self, now: float | None = None) -> None:
        """Let the clock run from now on, though no process of ours does."""
        if self.running_since is None and self.phase in LONGEST_S:
            self.running_since = time.time() if now is None else now

    def stop(self, now: float | None = None) -> None:
        """Charge what passed since `run`."""
        if self.running_since is not None:
            passed = (time.time() if now is None else now) - self.running_since
            self.charge(min(passed, LONGEST_S.get(self.phase, 0)))
            self.running_since = None

    def answered(self, said: str) -> None:
        """Note the answer to the question; it is compared now."""
        self.question.said = said.encode("utf-8", "replace").decode()  # half a character may have been typed
        self.phase = "rating"

    def rated(self, ratings: list[str]) -> None:
        """Note the ratings of the answer and go on to what comes next."""
        self.question.ratings = ratings
        self.at += 1
        for_questions_s = (self.minutes - self.coding.minutes) * 60
        if self.left_s <= 0:
            self.phase = "over"
        elif self.at == len(self.questions) or self.used_s >= for_questions_s:
            self.phase = "task"  # as an interviewer does: the rest of the questions is left out, not the code
        else:
            self.phase = "question"


def begin(root: Path, plan: Plan, *, seed: int, seed_given: bool, minutes: int, topic: str | None) -> Interview:
    """Return a new interview.

    Raises:
        CourseError: a file of the coding task is missing.
    """
    rendered = render(plan.variant, seed)
    texts = ("id", "topic", "level", "title", "spoken", "wrong", "then_asked", "then_answer")
    questions = [
        Asked(**{name: getattr(one, name) for name in texts}, read=_read(root, one), listens_for=list(one.listens_for))
        for one in plan.questions
    ]
    started = datetime.now(UTC).isoformat(timespec="seconds")
    coding = _coding(rendered)
    coding.minutes = min(coding.minutes, minutes - QUESTION_MINUTES)  # a short interview has less time for it
    return Interview(started, seed, seed_given, minutes, topic, questions, coding)


def _read(root: Path, question: Question) -> list[str]:
    """Where a question is answered: its notebook, and the lesson of the same name."""
    found = [*root.glob(f"notebooks/[0-9][0-9]_{question.topic}.ipynb")]
    found += root.glob(f"lessons/[0-9][0-9]_{question.topic}/README.md")
    return [file.relative_to(root).as_posix() for file in found]


def _coding(rendered: Rendered) -> Coding:
    variant = rendered.variant
    return Coding(
        variant=variant.id,
        task=variant.task,
        title=rendered.title,
        minutes=variant.minutes,
        changed=rendered.changed,
        brief=rendered.brief,
        stub=rendered.stub,
        solution=rendered.solution,
        suite=rendered.suite,
        rubric=[{"says": one.says, "tests": list(one.tests)} for one in rendered.rubric],
        read=list(variant.read),
    )


def as_text(interview: Interview) -> str:
    """Return an interview as the text that `as_interview` reads."""
    return json.dumps({"format": FORMAT, "version": VERSION, **asdict(interview)}, indent=1)


def as_interview(text: str) -> Interview:
    """Return the interview that `as_text` wrote.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise ValueError("it does not say that it is one")
    if (version := data.pop("version", None)) != VERSION:
        raise ValueError(f"its version is {version!r}, and this course reads {VERSION}")
    coding = data.pop("coding")
    submissions = [
        Submission(**{**one, "criteria": [Judged(**judged) for judged in one["criteria"]]})
        for one in coding.pop("submissions")
    ]
    questions = [Asked(**one) for one in data.pop("questions")]
    interview = Interview(questions=questions, coding=Coding(**coding, submissions=submissions), **data)
    datetime.fromisoformat(interview.started)
    asked = interview.phase in ("question", "rating")
    if interview.phase not in ("question", "rating", "task", "over") or (
        asked and not 0 <= interview.at < len(questions)
    ):
        raise ValueError(f"it stands at {interview.phase!r}, question {interview.at!r}")
    if not isinstance(interview.used_s, int | float) or not isinstance(interview.minutes, int):
        raise ValueError(f"its clock says {interview.used_s!r} of {interview.minutes!r}")
    return interview
