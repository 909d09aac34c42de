"""Coding tasks for the interview: tasks of the lessons with other names, other numbers and one other requirement.

A variant is a folder, `interviews/03_async/ask_mirrors/`, of plain files that run as they stand:

    variant.toml    where it comes from, what may be drawn, what is rated, what to read
    brief.md        what the interviewer says
    solution.py     the reference, with regions as in `solutions/`
    test_task.py    the promises of the brief; it begins with `from . import solution as task`

To render one is to draw names and numbers from a seed and to put them into all files, as whole words. There
`solution.py` is called `app.py`, and what grades it is a lesson of one task.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from coach.lesson import CourseError, Lesson, Task
from coach.stubs import make_stub

TOML, BRIEF, SOLUTION, SUITE = "variant.toml", "brief.md", "solution.py", "test_task.py"
FILES = (BRIEF, SOLUTION, SUITE)
IMPORT = "from . import solution as task"
SUITE_IMPORT = "from . import app as task"


@dataclass(frozen=True)
class Criterion:
    """What the report rates, and the tests that prove it."""

    says: str  # "never more than `limit` calls are open"
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Variant:
    """One folder below `interviews/`."""

    path: Path
    task: str  # the lesson's task: "03.4"
    title: str
    minutes: int
    changed: str  # which requirement is not the lesson's
    names: Mapping[str, tuple[str, ...]]  # as written -> what may stand there, itself first
    numbers: Mapping[str, tuple[str, ...]]
    rubric: tuple[Criterion, ...]
    read: tuple[str, ...]  # files of the repository, perhaps with a #heading

    @property
    def id(self) -> str:
        """Lesson and name: "03_async/ask_mirrors"."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def topic(self) -> str:
        """The lesson's noun: "async"."""
        return self.path.parent.name[3:]

    @property
    def drawn_from(self) -> dict[str, tuple[str, ...]]:
        """Everything that is drawn: names and numbers, as written -> what may stand there."""
        return {**self.names, **self.numbers}

    def text(self, name: str) -> str:
        """Return the text of one of its files.

        Raises:
            CourseError: it is missing or no text.
        """
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _broken(self.path, name, f"it cannot be read ({error})") from None


@dataclass(frozen=True)
class Rendered:
    """A variant with its names and numbers drawn."""

    variant: Variant
    drawn: Mapping[str, str]  # as written -> what stands there
    title: str
    changed: str
    rubric: tuple[Criterion, ...]
    brief: str
    solution: str
    suite: str

    @property
    def stub(self) -> str:
        """What the candidate begins with."""
        return make_stub(self.solution, "app.py")


def read_variants(root: Path) -> list[Variant]:
    """Return every variant below `root/interviews`, sorted.

    Raises:
        CourseError: one breaks a rule; the text names the file and the rule.
    """
    return [read_variant(file.parent) for file in sorted(root.glob(f"interviews/[0-9][0-9]_*/*/{TOML}"))]


def read_variant(folder: Path) -> Variant:
    """Read one variant. Its other files are read when it is rendered.

    Raises:
        CourseError: `variant.toml` is missing, is not TOML, or breaks a rule.
    """
    try:
        data = tomllib.loads((folder / TOML).read_text(encoding="utf-8"))
        criteria = tuple(_criterion(one) for one in _typed(data, "rubric", list))
        variant = Variant(
            path=folder,
            task=_typed(data, "task", str),
            title=_typed(data, "title", str),
            minutes=_typed(data, "minutes", int),
            changed=_typed(data, "changed", str),
            names=_choices(_typed(data, "names", dict)),
            numbers=_choices(_typed(data, "numbers", dict)),
            rubric=criteria,
            read=tuple(map(str, _typed(data, "read", list))),
        )
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _broken(folder, TOML, f"it cannot be read ({error})") from None
    except ValueError as error:
        raise _broken(folder, TOML, str(error)) from None
    return variant


def render(variant: Variant, seed: int | None = None) -> Rendered:
    """Return the variant with names and numbers drawn from a seed; without one, as it is written.

    Raises:
        CourseError: a file is missing.
    """
    choose = random.Random(f"{seed} {variant.id}")  # a text: the same on every machine, unlike a hash
    drawn = {key: options[0] if seed is None else choose.choice(options) for key, options in _sorted(variant)}
    return render_as(variant, drawn)


def render_as(variant: Variant, drawn: Mapping[str, str]) -> Rendered:
    """Return the variant with these names and numbers."""
    lines = variant.text(SUITE).replace(IMPORT, SUITE_IMPORT, 1).splitlines(keepends=True)
    # The number in a mark is the task's, and no drawn one that happens to be the same.
    suite = "".join(line if line.startswith("@pytest.mark.task(") else replace_words(line, drawn) for line in lines)
    return Rendered(
        variant=variant,
        drawn=dict(drawn),
        title=replace_words(variant.title, drawn),
        changed=replace_words(variant.changed, drawn),
        rubric=tuple(Criterion(replace_words(one.says, drawn), one.tests) for one in variant.rubric),
        brief=replace_words(variant.text(BRIEF), drawn),
        solution=replace_words(variant.text(SOLUTION), drawn),
        suite=suite,
    )


def draws(variant: Variant) -> Iterator[dict[str, str]]:
    """Yield everything that can be drawn."""
    keys = [key for key, _ in _sorted(variant)]
    for values in product(*(options for _, options in _sorted(variant))):
        yield dict(zip(keys, values, strict=True))


def _sorted(variant: Variant) -> list[tuple[str, tuple[str, ...]]]:
    return sorted(variant.drawn_from.items())


def replace_words(text: str, words: Mapping[str, str]) -> str:
    """Replace whole words and whole numbers, all at once: what was put in is not replaced again.

    "7" is replaced in `f(7)` and at the end of a sentence, not in `v7`, `0.7`, `7.5` or `7,000`.
    """
    if not words:
        return text
    longest_first = sorted(words, key=len, reverse=True)
    return re.sub("|".join(map(_whole, longest_first)), lambda found: words[found[0]], text)


def _whole(word: str) -> str:
    if re.fullmatch(r"[\d_.,]+", word):
        return rf"(?<![\w.])(?<!\d,){re.escape(word)}(?!\w)(?!\.\d)(?!,\d)"
    return rf"(?<!\w){re.escape(word)}(?!\w)"


def as_lesson(rendered: Rendered, root: Path) -> Lesson:
    """Write a rendered variant below `root` as a lesson of one task; as `write_lesson`."""
    return write_lesson(root, rendered.variant.task, rendered.title, rendered.suite, rendered.solution)


def write_lesson(root: Path, task: str, title: str, suite: str, solution: str) -> Lesson:
    """Write a suite and its reference below `root` as a lesson of one task, and return that for `coach.workspace`.

    It is graded with `grade_files(..., expected=lesson.expected_tests())`: such a suite has no parameters.
    """
    number, _, id = task.partition(".")
    folder = root / "lessons" / f"{number}_task"
    for target in (folder, root / "solutions" / folder.name):
        target.mkdir(parents=True, exist_ok=True)
    (folder / SUITE).write_text(suite, encoding="utf-8")
    (folder / "lesson.toml").write_text(LESSON_TOML.format(id=id), encoding="utf-8")
    (root / "solutions" / folder.name / "app.py").write_text(solution, encoding="utf-8")
    return Lesson(folder, title, 1, "", "", (), (Task(number, int(id), title, 1, ("", "", "")),))


# For the plugin in the run alone, which wants to read one. There are no hints in an interview.
LESSON_TOML = """\
title = "interview"
minutes = 1
builds = "-"
asked = "-"
exports = []

[[task]]
id = {id}
title = "the task"
points = 1
hints = ["-", "-", "-"]
"""


def _criterion(entry: Any) -> Criterion:
    match entry:
        case {"says": str(says), "tests": [*tests]} if says and tests:
            return Criterion(says, tuple(map(str, tests)))
    raise ValueError(f'a criterion is {{ says = "what is rated", tests = ["test_name"] }}, not {entry!r}')


def _choices(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    for key, options in table.items():
        if not isinstance(options, list):
            raise ValueError(f"what may stand for {key!r} is a list, not {options!r}")
    return {key: tuple(map(str, options)) for key, options in table.items()}


def _typed(table: Mapping[str, Any], key: str, kind: type) -> Any:
    if key not in table:
        raise ValueError(f"`{key}` is missing")
    if type(table[key]) is not kind:
        raise ValueError(f"`{key}` must be {kind.__name__}, got {table[key]!r}")
    return table[key]


def _broken(folder: Path, name: str, rule: str) -> CourseError:
    file = f"interviews/{folder.parent.name}/{folder.name}/{name}"
    return CourseError(f"{file}: {rule}. It is the course's file: `git checkout -- {file}` brings it back.")
