"""One sitting of the quiz: questions one after the other, each answered aloud, compared and rated."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TextIO

from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding

from coach.questions import Question
from coach.rehearse.memory import RATINGS, Memory, Review, known
from coach.rehearse.quiz import in_words

SOON = timedelta(minutes=30)
"""What comes back sooner than this is asked again in the same sitting."""
KEYS = {"1": "again", "2": "hard", "3": "good", "4": "easy"}


class Left(Exception):
    """Whoever is asked wants to stop."""


class Sitting:
    """Asks on a console and keeps each rating as soon as it is given."""

    def __init__(self, memory: Memory, read: TextIO, write: TextIO, width: int) -> None:
        self.memory, self.read = memory, read
        self.console = Console(file=write, width=max(40, min(width, 100)), highlight=False, emoji=False)
        self.rated = 0

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask all of them; what was not known once more at the end. Ends at `q`, Ctrl-C or the end of input."""
        waiting = deque(questions)
        again: set[str] = set()
        place = 0
        try:
            while waiting:
                question = waiting.popleft()
                place += 1
                if not self._show(question, f"{place} of {place + len(waiting)}"):
                    continue
                rating = self._rating()
                now = datetime.now(UTC)
                self.memory.add([Review(now, question.id, rating)])
                self.rated += 1
                due = known(one for one in self.memory.reviews() if one.question == question.id)[question.id].due
                if due - now < SOON and question.id not in again:
                    again.add(question.id)
                    waiting.append(question)
                    self._say("It comes once more, at the end.", "dim")
                else:
                    self._say(f"It comes back {in_words(due, now)}.", "dim")
        except (Left, KeyboardInterrupt):
            self._say("")
        count = "1 answer was" if self.rated == 1 else f"{self.rated} answers were"
        self._say(f"{count} rated and kept. How you stand: coach quiz --stats")

    def _show(self, question: Question, place: str) -> bool:
        """Ask one question and show an answer; False if it was skipped."""
        self.console.print()
        self.console.rule(f"[dim]{question.id} · {question.level} · {place}[/]", align="left", style="dim")
        self._text(f"**{question.title}**\n\n{question.think}")
        if self._line("Say it aloud. Enter shows an answer, s skips, q ends: ") == "s":
            return False
        self._text(f"**An answer to say**\n\n{question.spoken}")
        self._text("**Did you say**\n\n" + "\n".join(f"- {one}" for one in question.listens_for))
        self._text(f"**The usual wrong answer**\n\n{question.wrong}")
        self._text(f"**Then they ask:** {question.then_asked}\n\n{question.then_answer}")
        return True

    def _rating(self) -> str:
        while True:
            typed = self._line("How was yours? 1 again, 2 hard, 3 good, 4 easy: ")
            rating = KEYS.get(typed, typed)
            if rating in RATINGS:
                return rating
            self._say(f"{typed!r} is no rating. Type 1, 2, 3 or 4; q ends, and what you rated is kept.")

    def _line(self, prompt: str) -> str:
        self.console.print(f"\n [bold]{prompt}[/]", end="")
        typed = self.read.readline()
        if not self.read.isatty():
            self.console.print()  # nobody's Enter has ended the line
        if not typed:
            raise Left
        typed = typed.strip().lower()
        if typed in ("q", "quit", "exit"):
            raise Left
        return typed

    def _text(self, markdown: str) -> None:
        self.console.print(Padding(Markdown(markdown, code_theme="ansi_dark"), (1, 1, 0, 1)))

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(f" {text}", style=style or None, markup=False)
