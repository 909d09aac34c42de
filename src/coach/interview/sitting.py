"""An interview at a terminal: the clock runs while it waits for an answer, and stands still once it has left."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding

from coach.interview.coding import grade, hand_out
from coach.interview.report import clock
from coach.interview.shown import graded_lines
from coach.interview.state import KEYS, Interview, Submission
from coach.interview.store import Store
from coach.lesson import CourseError

BEAT_S = 2.0  # so much of the clock is lost at most when the process is killed
CALLS = ((300.0, "Five minutes are left."), (0.0, "The time is over: hand in what you have."))


class Left(Exception):
    """Whoever is asked wants to go on later."""


class Ended(Exception):
    """Whoever is asked wants the report now."""


class Sitting:
    """Asks, shows and grades until the interview is over, and keeps it after each step."""

    def __init__(self, root: Path, store: Store, interview: Interview, read: TextIO, write: TextIO, width: int) -> None:
        self.root, self.store, self.interview, self.read = root, store, interview, read
        self.console = Console(file=write, width=max(40, min(width, 100)), highlight=False, emoji=False)

    def go_on(self, *, resumed: bool = False) -> bool:
        """Go on to the end; False if it was left before that, at `q`, Ctrl-C or the end of input."""
        self._begin(resumed=resumed)
        steps: dict[str, Callable[[], None]] = {"question": self._ask, "rating": self._rate, "task": self._code}
        try:
            while self.interview.phase != "over":
                steps[self.interview.phase]()
                self.store.write(self.interview)
        except (Left, KeyboardInterrupt):
            self.store.write(self.interview)
            self.console.print()
            left = f"{clock(self.interview.left_s)} of {clock(self.interview.minutes * 60)} left"
            self._say(f"The clock stands, {left}. Go on: coach interview. To the report: coach interview report")
            return False
        except Ended:
            self.interview.phase = "over"
        return True

    def _begin(self, *, resumed: bool) -> None:
        interview = self.interview
        if resumed:
            self._say("The interview goes on where it stood.")
            if interview.phase == "rating":
                self._text(f"**{interview.question.title}**")
            return
        count = len(interview.questions)
        questions = f"{count} question{'s' if count > 1 else ''}"
        self._say(
            f"{interview.minutes} minutes: {questions} to answer aloud, then {interview.coding.minutes} of code. "
            "No hints. q or Ctrl-C stops the clock, and `coach interview` goes on."
        )

    def _ask(self) -> None:
        question = self.interview.question
        place = f"question {self.interview.at + 1} of {len(self.interview.questions)}"
        self._head(f"{place} · {question.topic} · {question.level}")
        self._text(f"**{question.title}**")
        self.interview.answered(self._line("Say it aloud, then Enter. Notes are kept, q pauses: "))

    def _rate(self) -> None:
        question = self.interview.question
        self._text(f"**An answer to say**\n\n{question.spoken}")
        self._text(f"**The usual wrong answer**\n\n{question.wrong}")
        self._say("")
        self._say("Did you say it? The clock stands still while you compare.")
        ratings: list[str] = []
        for one in question.listens_for:
            self._text(one)
            ratings.append(self._rating())
        self.interview.rated(ratings)

    def _rating(self) -> str:
        while True:
            typed = self._line("y yes, p partly, n no: ", close=True).lower()
            rating = KEYS.get(typed, typed)
            if rating in KEYS.values():
                return rating
            self._say(f"{typed!r} is no rating. Type y, p or n; q pauses.")

    def _code(self) -> None:
        coding = self.interview.coding
        hand_out(self.root, self.interview)
        self.store.write(self.interview)
        self._head("code")
        self._text(coding.brief)
        self._say("")
        self._say(f"Edit  {coding.folder}/app.py")
        self._say(f"Try   pytest {coding.folder}")
        while self.interview.phase == "task":
            typed = self._line("Enter hands it in, e ends without, q pauses: ").lower()
            if typed in ("e", "end"):
                raise Ended
            if typed:
                self._say(f"{typed!r} is none of these.")
                continue
            try:
                submission = grade(self.root, self.interview)
            except CourseError as error:
                self._say(str(error), "red")
                hand_out(self.root, self.interview)
                continue
            coding.submissions.append(submission)
            if all(one.met for one in submission.criteria):
                self.interview.phase = "over"
            self.store.write(self.interview)
            self._graded(submission)

    def _graded(self, submission: Submission) -> None:
        self.console.print()
        for line in graded_lines(submission, self.console.width - 2):
            style = {"✓": "green", "✗": "red"}.get(line[:1], "dim")
            self.console.print(f" {line}", style=style, markup=False, soft_wrap=True)
        if self.interview.phase == "task":
            self._say(f"{clock(self.interview.left_s)} left. Mend it and hand it in again, or e ends.")

    # What is seen and typed.

    def _line(self, prompt: str, *, close: bool = False) -> str:
        self.console.print(f"{'' if close else chr(10)} [bold]{prompt}[/]", end="")
        with self._clock():
            typed = self.read.readline()
        if not self.read.isatty():
            self.console.print()  # nobody's Enter has ended the line
        if not typed or typed.strip().lower() in ("q", "quit", "exit"):
            raise Left
        return typed.strip()

    @contextmanager
    def _clock(self) -> Iterator[None]:
        """Let the clock run, and keep what it shows at every beat: a process that is killed says nothing more."""
        over = threading.Event()
        writing = threading.Lock()
        shown = time.monotonic()

        def beat() -> None:
            nonlocal shown
            with writing:
                now = time.monotonic()
                before = self.interview.left_s
                self.interview.charge(now - shown)
                shown = now
                for at_s, words in CALLS:
                    if self.interview.left_s <= at_s < before and self.read.isatty():
                        self.console.print(f"\n\a [yellow]{words}[/]")

        def beats() -> None:
            while not over.wait(BEAT_S):
                beat()
                if not over.is_set():
                    self.store.write(self.interview)

        beater = threading.Thread(target=beats, daemon=True)
        beater.start()
        try:
            yield
        finally:
            over.set()
            beater.join()
            beat()

    def _head(self, what: str) -> None:
        self.console.print()
        left = f"{clock(self.interview.left_s)} left" if self.interview.left_s > 0 else "the time is over"
        self.console.rule(f"[dim]{what} · {left}[/]", align="left", style="dim")

    def _text(self, markdown: str) -> None:
        self.console.print(Padding(Markdown(markdown, code_theme="ansi_dark"), (1, 1, 0, 1)))

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Padding(text, (0, 1)), style=style or None, markup=False)
