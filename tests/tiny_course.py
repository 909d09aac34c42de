"""A course of one lesson with three small tasks, to try the engine on."""

import textwrap
from pathlib import Path

TOML = """
title = "Tiny"
minutes = 5
builds = "two functions"
asked = "What is half of four?"
exports = ["double"]

[[task]]
id = 1
title = "twice as much"
points = 2
hints = ["What is twice?", "Look at `*`.", "return 2 * n"]

[[task]]
id = 2
title = "half of it"
points = 2
hints = ["What is half?", "Look at `/`.", "return n / 2"]

[[task]]
id = 3
title = "four times"
points = 3
needs = [1]
hints = ["What is four times?", "Twice twice.", "return double(double(n))"]
"""

SOLUTION = '''
"""Lesson 03 - numbers."""


def double(n: int) -> int:
    """Return 2n."""
    # TODO 03.1: twice as much.
    # >>> solution
    return 2 * n
    # <<< solution


def half(n: int) -> float:
    """Return n/2."""
    # TODO 03.2: half of it; refuse what is negative with a ValueError.
    # >>> solution
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    return n / 2
    # <<< solution


def quadruple(n: int) -> int:
    """Return 4n."""
    # TODO 03.3: four times, by way of double().
    # >>> solution
    return double(double(n))
    # <<< solution
'''

SUITE = '''
import pytest

from . import app as lesson


@pytest.mark.task(1)
@pytest.mark.parametrize("n", [0, 3])
def test_double_is_twice(n):
    """Somebody counts on it."""
    got = lesson.double(n)
    assert type(got) is int and got == 2 * n, f"double({n}) is {got!r}. Did you square it?"


@pytest.mark.task(1)
def test_double_keeps_the_sign():
    """Debts double too."""
    got = lesson.double(-2)
    assert type(got) is int and got == -4, f"double(-2) is {got!r}"


@pytest.mark.task(2)
def test_half_is_half():
    """Sharing is caring."""
    got = lesson.half(3)
    assert type(got) is float and got == 1.5, f"half(3) is {got!r}. 1 means integer division."


@pytest.mark.task(2)
async def test_half_refuses_negative():
    """Half a debt is a question."""
    with pytest.raises(ValueError, match="negative"):
        lesson.half(-1)


@pytest.mark.task(3)
def test_quadruple():
    """Twice twice."""
    got = lesson.quadruple(2)
    assert type(got) is int and got == 8, f"quadruple(2) is {got!r}"
'''

CONFIG = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
addopts = --import-mode=importlib -p mockllm.alias -p no:respx -p no:anyio -p no:hypothesispytest
filterwarnings = error
markers = task(id): the task
"""


class TinyCourse:
    """A course of one lesson, 03_tiny, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lesson = root / "lessons" / "03_tiny"
        self.app = self.lesson / "app.py"
        solution = root / "solutions" / "03_tiny"
        self.lesson.mkdir(parents=True)
        solution.mkdir(parents=True)
        (root / "pytest.ini").write_text(CONFIG)
        (self.lesson / "lesson.toml").write_text(TOML)
        (self.lesson / "test_tiny.py").write_text(SUITE)
        (self.lesson / "README.md").write_text("# 03 tiny\n\n## 03.1 twice\n\n## 03.2 half\n\n## 03.3 four times\n")
        self.solution = solution / "app.py"
        self.solution.write_text(SOLUTION)
        self.put_stub()

    def put_stub(self) -> None:
        from coach.stubs import make_stub

        self.app.write_text(make_stub(SOLUTION, "app.py"))

    def solve(self, *tasks: int, **instead: str) -> None:
        """Write the answers of these tasks into the stub; `two="return 1"` writes something else for a task."""
        bodies = {
            1: "return 2 * n",
            2: 'if n < 0:\n        raise ValueError("negative")\n    return n / 2',
            3: "return double(double(n))",
        }
        names = {"one": 1, "two": 2, "three": 3}
        bodies |= {names[name]: body for name, body in instead.items()}
        text = self.app.read_text()
        for task in {*tasks, *(names[name] for name in instead)}:
            text = text.replace(f'raise NotImplementedError("TODO 03.{task}")', bodies[task])
        self.app.write_text(text)

    def write(self, text: str) -> None:
        self.app.write_text(textwrap.dedent(text))
