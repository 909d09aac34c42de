"""What somebody said of each answer, in one SQLite file, and what the FSRS schedule makes of it.

The file holds the reviews alone, a row each. When a question is due and how well it is known is worked out of them
whenever it is asked for, so nothing can disagree, and two exports of one person can be put together.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fsrs import Card, Rating, Scheduler

from coach.lesson import CourseError

RATINGS = {"again": Rating.Again, "hard": Rating.Hard, "good": Rating.Good, "easy": Rating.Easy}
"""How an answer was: not known, with gaps, said, said without thinking."""

OURS = 0x5155495A  # "QUIZ": SQLite's application id, by which the file is known as ours
VERSION = 1
# No fuzz: the same answers give the same days. One short step: what was not known comes back in the same sitting, and
# what was known is done with for today.
SCHEDULER = Scheduler(
    learning_steps=(timedelta(minutes=10),), relearning_steps=(timedelta(minutes=10),), enable_fuzzing=False
)


@dataclass(frozen=True, order=True)
class Review:
    """One answer and what its giver thinks of it."""

    at: datetime  # UTC
    question: str  # "async-03"
    rating: str  # one of RATINGS


@dataclass(frozen=True)
class Known:
    """How well one question is known."""

    due: datetime  # UTC
    reviews: int
    stability_days: float
    """Days after which nine of ten would still know it."""
    last: str
    """The last rating."""
    card: Card

    def recall(self, now: datetime) -> float:
        """Return the probability, 0 to 1, that it would be known; 0 where it was not when it was asked last."""
        return 0.0 if self.last == "again" else SCHEDULER.get_card_retrievability(self.card, now)


class Memory:
    """The reviews in one file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def reviews(self) -> list[Review]:
        """Return every review, the oldest first.

        Raises:
            CourseError: the file is something else, or cannot be read.
        """
        if not self.file.exists():
            return []
        with self._open() as database:
            rows = database.execute("SELECT at, question, rating FROM reviews ORDER BY at, question").fetchall()
        return [Review(datetime.fromisoformat(at), question, rating) for at, question, rating in rows]

    def add(self, reviews: Iterable[Review]) -> int:
        """Keep reviews, all or none; return how many were not there yet.

        Raises:
            CourseError: the file is something else, or cannot be written.
        """
        rows = [(one.at.astimezone(UTC).isoformat(), one.question, one.rating) for one in reviews]
        with self._open() as database, database:
            before = database.total_changes
            database.executemany("INSERT OR IGNORE INTO reviews (at, question, rating) VALUES (?, ?, ?)", rows)
            return database.total_changes - before

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.file, timeout=10)
            try:
                self._prepare(database)
                yield database
            finally:
                database.close()
        except (sqlite3.Error, OSError) as error:
            raise CourseError(
                f"{self.file} cannot be used as the quiz's memory ({error}). It is left as it is. "
                "Move it away to begin anew, and bring back an export with: coach quiz --import FILE"
            ) from error

    def _prepare(self, database: sqlite3.Connection) -> None:
        (owner,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if owner == OURS and version == VERSION:
            return
        if tables:
            whose = f"a later coach, version {version}" if owner == OURS else "another program"
            raise CourseError(f"{self.file} belongs to {whose}. It is left as it is; move it away to begin anew.")
        with database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS reviews ("
                "at TEXT NOT NULL, question TEXT NOT NULL, rating TEXT NOT NULL, PRIMARY KEY (question, at))"
            )
            database.execute(f"PRAGMA application_id = {OURS}")
            database.execute(f"PRAGMA user_version = {VERSION}")


def known(reviews: Iterable[Review]) -> dict[str, Known]:
    """Return what the reviews say of each question that was ever answered."""
    found: dict[str, Known] = {}
    for review in sorted(reviews):
        before = found.get(review.question)
        # Its number is never used; without one, fsrs waits for a clock to find it.
        card = before.card if before else Card(card_id=0, due=review.at)
        card, _ = SCHEDULER.review_card(card, RATINGS[review.rating], review.at)
        count = before.reviews + 1 if before else 1
        found[review.question] = Known(card.due, count, card.stability or 0.0, review.rating, card)
    return found
