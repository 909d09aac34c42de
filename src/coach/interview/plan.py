"""What an interview consists of: which questions, how many, which coding task. From a seed, so it can be repeated."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from coach.interview.variants import Variant
from coach.lesson import CourseError
from coach.questions import LEVELS, Question, Topic

QUESTION_MINUTES = 4  # a question, its answer and a look back
MINUTES = range(15, 181)
Drawn = TypeVar("Drawn", Question, Variant)


@dataclass(frozen=True)
class Plan:
    """What will be asked."""

    questions: tuple[Question, ...]  # easy ones first
    variant: Variant


def make_plan(
    questions: Sequence[Question],
    variants: Sequence[Variant],
    seed: int,
    *,
    minutes: int,
    topic: str | None = None,
    seen: Mapping[str, str] | None = None,
) -> Plan:
    """Draw an interview.

    Args:
        questions: all of them.
        variants: all of them.
        seed: the same seed, course and `seen` give the same interview.
        minutes: for everything.
        topic: "async"; None means all. Where no question or no coding task has it, any may come.
        seen: id of a question or variant -> when it was last asked, as a sortable text. These come only when nothing
            else is left, the oldest first.

    Raises:
        CourseError: there are no questions or no coding tasks at all.
    """
    if not questions or not variants:
        raise CourseError("There are no questions or no coding tasks: `git checkout -- notebooks interviews`.")
    draw = random.Random(f"interview {seed}")
    about = [one for one in variants if topic in (None, one.topic)] or list(variants)
    fitting = [one for one in about if one.minutes + QUESTION_MINUTES <= minutes]
    fitting = fitting or [min(about, key=lambda one: (one.minutes, one.id))]
    (variant,) = _pick(fitting, 1, draw, seen or {})
    count = max(1, (minutes - variant.minutes) // QUESTION_MINUTES)
    asked = [one for one in questions if topic in (None, one.topic)] or list(questions)
    picked = _pick(asked, count, draw, seen or {})
    return Plan(tuple(sorted(picked, key=lambda one: LEVELS.index(one.level))), variant)


def find_topic(word: str, topics: Sequence[Topic], variants: Sequence[Variant]) -> str:
    """Return the noun of the topic that "async", "03" or "3" names: of questions, of coding tasks or of both.

    Raises:
        CourseError: there is none; the text lists them.
    """
    nouns = {one.number: one.name for one in topics}
    nouns |= {one.path.parent.name[:2]: one.topic for one in variants}
    wanted = nouns.get(word.zfill(2), word.lower())
    if wanted not in nouns.values():
        known = ", ".join(nouns[number] for number in sorted(nouns))
        raise CourseError(f"There is no topic {word!r}. The topics are: {known}.")
    return wanted


def _pick(pool: Sequence[Drawn], count: int, draw: random.Random, seen: Mapping[str, str]) -> list[Drawn]:
    """Draw `count` of them: those never asked first, from as many topics as there are, then those asked longest ago."""
    shuffled = sorted(pool, key=lambda one: one.id)
    draw.shuffle(shuffled)
    fresh = [one for one in shuffled if one.id not in seen]
    fresh.sort(key=lambda one: not getattr(one, "every_list", False))  # one of every interview's, if any is left
    picked: list[Drawn] = []
    while fresh and len(picked) < count:
        topics = [one.topic for one in picked]
        one = min(fresh, key=lambda one: topics.count(one.topic))  # the first of those whose topic came least
        fresh.remove(one)
        if not picked:
            draw.shuffle(fresh)
        picked.append(one)
    old = sorted((one for one in shuffled if one.id in seen), key=lambda one: seen[one.id])
    return [*picked, *old[: count - len(picked)]]
