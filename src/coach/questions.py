"""The questions of the notebooks, read from their sources, `notebooks/src/NN_topic.py`.

A source is plain Python in cells, in the percent format of jupytext. A question begins with a heading and ends before
the next one; its parts are found by their labels, and its code by the part that stands above it:

    # %% [markdown]
    # ## What does a 422 of your service say?
    #
    # `models-01` · junior
    #
    # *Think first.* ...
    #
    # %% [markdown]
    # **Spoken answer.** ...
    # %%                               the proof, one cell or more
    # %% [markdown]
    # **Listens for**
    #
    # - ...
    #
    # **Usual wrong answer.** ...
    # %%                               what shows it wrong, one cell or more
    # %% [markdown]
    # **Then they ask.** *The follow-up?*
    # Its answer.
    #
    # **Your turn.** ...
    # %%                               a function to write
    # %%                               its check
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coach.lesson import CourseError

LEVELS = ("junior", "mid", "senior", "staff")
EVERY_LIST = "on every list"
"""What stands behind the level of the questions that nobody's interview leaves out."""

Part = Literal["think", "spoken", "listens", "wrong", "ask", "turn"]
LABELS: dict[Part, str] = {
    "think": "*Think first.*",
    "spoken": "**Spoken answer.**",
    "listens": "**Listens for**",
    "wrong": "**Usual wrong answer.**",
    "ask": "**Then they ask.**",
    "turn": "**Your turn.**",
}
"""The parts of a question, in the order in which they stand."""

PROVED: tuple[Part, ...] = ("spoken", "wrong")
"""The parts that have code below them which shows that they are so."""


@dataclass(frozen=True)
class Cell:
    """One cell of a source."""

    kind: Literal["markdown", "code"]
    text: str  # of a markdown cell without the comment signs
    line: int  # where its text begins, from 1


@dataclass(frozen=True)
class Question:
    """One question, with everything that is said and run about it. Texts are Markdown."""

    id: str  # "async-03"
    topic: str  # "async"
    level: str  # one of LEVELS
    every_list: bool
    title: str  # as it is asked
    think: str
    spoken: str  # under a minute when said aloud
    listens_for: tuple[str, ...]  # what a good answer has: criteria to be rated by
    wrong: str
    then_asked: str
    then_answer: str
    turn: str  # what the reader is to write
    proof: tuple[str, ...]  # code that shows that the spoken answer is right
    counterproof: tuple[str, ...]  # code that shows that the usual wrong answer is wrong
    exercise: str  # code with one open function
    check: str  # code that says what became of it
    line: int  # of its heading in the source


@dataclass(frozen=True)
class Topic:
    """One source, and so one notebook."""

    path: Path  # .../notebooks/src/03_async.py
    title: str  # "03 async: many calls, one slow model"
    intro: str
    setup: tuple[str, ...]  # code that every question builds on
    questions: tuple[Question, ...]

    @property
    def name(self) -> str:
        """The noun behind the number: "async"."""
        return self.path.stem[3:]

    @property
    def number(self) -> str:
        """Two digits: "03"."""
        return self.path.stem[:2]


def read_topics(root: Path) -> list[Topic]:
    """Return every topic below `root/notebooks/src`, in order.

    Raises:
        CourseError: a source breaks a rule, or two questions have one id; the text names file, line and rule.
    """
    topics = [read_topic(path) for path in sorted(root.glob("notebooks/src/[0-9][0-9]_*.py"))]
    ids = [question.id for topic in topics for question in topic.questions]
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise CourseError(f"notebooks/src: two questions are called {twice[0]}; the id of a question is its own.")
    return topics


def find_question(topics: Iterable[Topic], id: str) -> Question:
    """Return the question with this id.

    Raises:
        CourseError: there is none.
    """
    known = {question.id: question for topic in topics for question in topic.questions}
    if id not in known:
        raise CourseError(f"There is no question {id!r}; an id is a topic and a number, as {next(iter(known), '')} is.")
    return known[id]


def read_topic(path: Path) -> Topic:
    """Read one source.

    Raises:
        CourseError: it breaks a rule; the text names file, line and rule.
    """
    cells = read_cells(path.read_text(encoding="utf-8"))
    starts = [n for n, cell in enumerate(cells) if cell.kind == "markdown" and cell.text.startswith("## ")]
    head = cells[: starts[0]] if starts else cells
    if not head or not head[0].text.startswith("# "):
        raise _broken(path, 1, "the first cell is Markdown and begins with `# ` and the title of the topic")
    title, _, intro = head[0].text.partition("\n")
    name = path.stem[3:]
    questions = tuple(
        _read_question(path, f"{name}-{number:02d}", cells[start:end])
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(cells)], strict=True), start=1)
    )
    setup = tuple(cell.text for cell in head if cell.kind == "code")
    return Topic(path, title.removeprefix("# "), intro.strip(), setup, questions)


def read_cells(text: str) -> list[Cell]:
    """Return the cells of a source in the percent format; what stands above the first mark belongs to none."""
    marks = [(match.start(), match.end(), match[1]) for match in re.finditer(r"^# %%(.*)\n?", text, flags=re.M)]
    cells = []
    for (_, begin, options), end in zip(marks, [*(mark[0] for mark in marks[1:]), len(text)], strict=True):
        body, line = text[begin:end].strip("\n"), text.count("\n", 0, begin) + 1
        if options.strip() == "[markdown]":
            body = re.sub(r"^# ?", "", body, flags=re.M)
            cells.append(Cell("markdown", body, line))
        else:
            cells.append(Cell("code", body, line))
    return cells


def _read_question(path: Path, id: str, cells: list[Cell]) -> Question:
    line = cells[0].line
    heading = re.match(
        r"## (?P<title>.+)\n\n`(?P<id>[a-z]+-\d\d)` · (?P<level>[a-z]+)(?: · (?P<more>[^\n]+))?(?:\n|\Z)", cells[0].text
    )
    if heading is None:
        raise _broken(path, line, f"a question begins with `## ` and its words, a blank line, then `{id}` · its level")
    if heading["id"] != id:
        raise _broken(path, line, f"the question is called {heading['id']}, and its place makes it {id}")
    if heading["level"] not in LEVELS:
        raise _broken(path, line, f"{id} is {heading['level']}; a level is one of {', '.join(LEVELS)}")
    if heading["more"] not in (None, EVERY_LIST):
        raise _broken(path, line, f"{id}: behind the level stands nothing or `{EVERY_LIST}`, not {heading['more']!r}")
    texts, code = _parts(path, id, cells)
    if len(code["turn"]) != 2:
        raise _broken(path, line, f"{id} has {len(code['turn'])} cells below its turn: a function to write, its check")
    for part in PROVED:
        if not code[part]:
            raise _broken(path, line, f"{id} has no code below {LABELS[part]}: what is said is shown")
    asked = re.fullmatch(r"\*(?P<asked>[^\n]+)\*\n(?P<answer>.+)", texts["ask"], flags=re.S)
    if asked is None:
        raise _broken(path, line, f"{id}: behind {LABELS['ask']} stand a question in italics and, below it, its answer")
    criteria = tuple(re.sub(r"\s+", " ", one).strip() for one in re.split(r"^- ", texts["listens"], flags=re.M)[1:])
    if len(criteria) < 2:
        raise _broken(path, line, f"{id}: below {LABELS['listens']} stand at least two points, each behind `- `")
    return Question(
        id=id,
        topic=id[:-3],
        level=heading["level"],
        every_list=heading["more"] is not None,
        title=heading["title"],
        think=texts["think"],
        spoken=texts["spoken"],
        listens_for=criteria,
        wrong=texts["wrong"],
        then_asked=asked["asked"],
        then_answer=asked["answer"],
        turn=texts["turn"],
        proof=tuple(code["spoken"]),
        counterproof=tuple(code["wrong"]),
        exercise=code["turn"][0],
        check=code["turn"][1],
        line=line,
    )


def _parts(path: Path, id: str, cells: list[Cell]) -> tuple[dict[Part, str], dict[Part, list[str]]]:
    """What stands behind each label, and the code below it."""
    texts: dict[Part, str] = {}
    code: dict[Part, list[str]] = {part: [] for part in LABELS}
    order: list[Part] = list(LABELS)
    current: Part | None = None
    labels = "|".join(re.escape(label) for label in LABELS.values())
    for cell in cells:
        if cell.kind == "code":
            if current is None:
                raise _broken(path, cell.line, f"{id}: code stands above {LABELS['think']}")
            code[current].append(cell.text)
            continue
        for label, text in re.findall(rf"^({labels})(.*?)(?=^(?:{labels})|\Z)", cell.text, flags=re.M | re.S):
            part: Part = next(part for part, known in LABELS.items() if known == label)
            if not order or part != order.pop(0):
                wanted = " ".join(LABELS.values())
                raise _broken(path, cell.line, f"{id}: {label} is twice or out of order; the order is {wanted}")
            texts[part], current = text.strip(), part
    if order:
        raise _broken(path, cells[0].line, f"{id} has no part {LABELS[order[0]]}")
    return texts, code


def _broken(path: Path, line: int, rule: str) -> CourseError:
    return CourseError(f"notebooks/src/{path.name} line {line}: {rule}.")
