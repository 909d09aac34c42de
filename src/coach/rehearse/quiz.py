"""Which questions are asked, in which order, and what is known of all of them. Prints nothing."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from coach.lesson import CourseError
from coach.questions import LEVELS, Question
from coach.rehearse.memory import RATINGS, Known, Review

DAYS = 14  # that the picture looks ahead


def pick_questions(
    questions: Iterable[Question], memory: Mapping[str, Known], now: datetime, *, count: int, new: bool = True
) -> list[Question]:
    """Return what to ask now: first what is due, the most forgotten first; then, if `new`, what was never asked.

    New ones come in the order that an interview has them: those on every list first, then from junior to staff.
    """
    ordered = list(questions)
    due = [one for one in ordered if one.id in memory and memory[one.id].due <= now]
    due.sort(key=lambda one: (memory[one.id].recall(now), memory[one.id].due))
    unseen = [one for one in ordered if one.id not in memory] if new else []
    unseen.sort(key=lambda one: (not one.every_list, LEVELS.index(one.level)))
    return [*due, *unseen][:count]


def pick_topic(questions: Sequence[Question], topic: str | None) -> list[Question]:
    """Return the questions of one topic, named by noun or number ("async", "03", "3"), or all.

    Raises:
        CourseError: there is no such topic.
    """
    if topic is None:
        return list(questions)
    topics = list(dict.fromkeys(one.topic for one in questions))
    wanted = topic.lower()
    if wanted.isdigit() and 1 <= int(wanted) <= len(topics):
        wanted = topics[int(wanted) - 1]
    if wanted not in topics:
        raise CourseError(f"There is no topic {topic!r}. The topics are: {', '.join(topics)}.")
    return [one for one in questions if one.topic == wanted]


def read_ratings(words: Sequence[str], questions: Iterable[Question], now: datetime) -> list[Review]:
    """Return the reviews that `ID=RATING` words stand for.

    Raises:
        CourseError: one has another form, or names a question or rating that there is not.
    """
    ids = {one.id for one in questions}
    found: list[Review] = []
    for n, word in enumerate(words):
        id, _, rating = word.partition("=")
        if id not in ids:
            raise CourseError(f"--rate {word}: there is no question {id!r}; an id is a topic and a number: async-03.")
        if rating not in RATINGS:
            raise CourseError(f"--rate {word}: a rating is one of {', '.join(RATINGS)}, as in {id}=good.")
        found.append(Review(now + timedelta(microseconds=n), id, rating))  # of two for one question, both count
    return found


@dataclass(frozen=True)
class TopicStanding:
    """How one topic stands."""

    topic: str
    questions: int
    asked: int
    strength: float
    """The share of its questions, 0 to 1, that would be known at this moment; what was never asked is not known."""


@dataclass(frozen=True)
class Standing:
    """How somebody stands: what the picture shows."""

    at: datetime
    due_now: int
    new: int
    due_by_day: tuple[int, ...]
    """Questions that become due today (with those that are due already), tomorrow and so on, DAYS of them."""
    topics: tuple[TopicStanding, ...]
    weakest: tuple[tuple[str, str, float], ...]
    """Up to five (id, title, recall) that were asked and are least known."""
    reviews: int


def stand(questions: Sequence[Question], memory: Mapping[str, Known], now: datetime) -> Standing:
    """Return how somebody stands at a moment; days are those of the local clock."""
    today = now.astimezone().date()
    asked = [one for one in questions if one.id in memory]
    days = Counter(max((memory[one.id].due.astimezone().date() - today).days, 0) for one in asked)
    recall = {one.id: memory[one.id].recall(now) for one in asked}
    topics = []
    for topic in dict.fromkeys(one.topic for one in questions):
        ids = [one.id for one in questions if one.topic == topic]
        strength = sum(recall.get(id, 0.0) for id in ids) / len(ids)
        topics.append(TopicStanding(topic, len(ids), sum(id in recall for id in ids), strength))
    weak = sorted(asked, key=lambda one: (recall[one.id], memory[one.id].stability_days))
    return Standing(
        at=now,
        due_now=sum(memory[one.id].due <= now for one in asked),
        new=len(questions) - len(asked),
        due_by_day=tuple(days.get(day, 0) for day in range(DAYS)),
        topics=tuple(topics),
        weakest=tuple((one.id, one.title, recall[one.id]) for one in weak[:5]),
        reviews=sum(memory[one.id].reviews for one in asked),
    )


def in_words(due: datetime, now: datetime) -> str:
    """Return when something comes, as people say it: "in 10 minutes", "in 3 days"."""
    minutes = max(round((due - now).total_seconds() / 60), 0)
    if minutes == 0:
        return "now"
    size, name = next(one for one in ((24 * 60, "day"), (60, "hour"), (1, "minute")) if minutes >= one[0])
    count = round(minutes / size)
    return f"in {count} {name}{'' if count == 1 else 's'}"


def as_json(question: Question, known: Known | None, now: datetime) -> dict[str, Any]:
    """Return a question as data: its texts, when it is due and how likely it is known."""
    texts = ("id", "topic", "level", "every_list", "title", "think", "spoken", "wrong", "then_asked", "then_answer")
    found = asdict(question)
    return {
        **{name: found[name] for name in texts},
        "listens_for": list(question.listens_for),
        "due": known.due.isoformat() if known else None,
        "recall": round(known.recall(now), 4) if known else None,
        "reviews": known.reviews if known else 0,
    }


def write_export(reviews: Iterable[Review]) -> str:
    """Return reviews as JSON that `read_export` reads."""
    rows = [{"at": one.at.isoformat(), "question": one.question, "rating": one.rating} for one in reviews]
    return json.dumps({"format": "coach quiz", "version": 1, "reviews": rows}, indent=1) + "\n"


def read_export(text: str, name: str) -> list[Review]:
    """Return the reviews of an export.

    Raises:
        CourseError: it is none; the text names the file and the place.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CourseError(f"{name} is no export of the quiz: it is no JSON ({error}).") from None
    if not isinstance(data, dict) or data.get("format") != "coach quiz" or not isinstance(data.get("reviews"), list):
        raise CourseError(f"{name} is no export of the quiz: it lacks 'format': 'coach quiz' or its reviews.")
    found: list[Review] = []
    for n, row in enumerate(data["reviews"], start=1):
        try:
            at, question, rating = datetime.fromisoformat(row["at"]), str(row["question"]), str(row["rating"])
        except (KeyError, TypeError, ValueError) as error:
            raise CourseError(f"{name}: review {n} cannot be read ({error}). Nothing was taken.") from None
        if rating not in RATINGS or at.tzinfo is None:
            what = f"the rating {rating!r}" if rating not in RATINGS else f"the time {row['at']!r} has no zone"
            raise CourseError(f"{name}: review {n} cannot be read ({what}). Nothing was taken.")
        found.append(Review(at.astimezone(UTC), question, rating))
    return found
