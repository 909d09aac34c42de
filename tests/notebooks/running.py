"""Run cells of the sources in this process: a kernel is what a reader has, and too slow to try each claim twice."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coach.questions import Question, Topic, read_topics

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
TOPICS = read_topics(ROOT)
QUESTIONS = [question for topic in TOPICS for question in topic.questions]

_watching = False


class LeftTheMachine(Exception):
    """A cell reached for another host."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "localhost", None):
        raise LeftTheMachine(arguments[0])
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] != "127.0.0.1":
        raise LeftTheMachine(arguments[1])


sys.addaudithook(_watch)


@contextmanager
def at_home() -> Iterator[None]:
    """Be where a kernel is: in the notebooks' folder, with its modules, without keys and without a network."""
    global _watching
    before, path = Path.cwd(), list(sys.path)
    keys = {name: os.environ.pop(name) for name in list(os.environ) if name.endswith("_API_KEY")}
    os.chdir(NOTEBOOKS)
    sys.path.insert(0, str(NOTEBOOKS))
    _watching = True
    try:
        yield
    finally:
        _watching = False
        os.chdir(before)
        sys.path[:] = path
        os.environ.update(keys)


def topic_of(question: Question) -> Topic:
    """The topic of a question."""
    return next(topic for topic in TOPICS if topic.name == question.topic)


def run_cells(question: Question, *cells: str) -> dict[str, Any]:
    """Run the topic's first cell and then these, and return what they have defined."""
    space: dict[str, Any] = {"__name__": "__main__"}
    with at_home():
        for number, cell in enumerate([*topic_of(question).setup, *cells]):
            exec(compile(cell, f"<{question.id}, cell {number}>", "exec"), space)  # noqa: S102 - our own sources
    return space
