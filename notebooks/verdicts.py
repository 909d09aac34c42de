"""What you wrote into a cell, held against what was seen: to do, not yet or done."""

import math
from collections.abc import Callable, Iterable
from typing import Any


def check(
    answer: Callable[..., Any],
    cases: Iterable[tuple[tuple[Any, ...], Any]],
    *,
    because: str,
    through: Callable[..., Any] | None = None,
    within: float = 1e-9,
) -> None:
    """Print what becomes of `answer` in each case, and nothing but that: an open or a wrong answer stops no notebook.

    Args:
        answer: the function that the reader writes.
        cases: its arguments, and what it should return for them.
        because: the thought that mends a wrong answer.
        through: how the answer is tried where a plain call is not enough; gets the answer, then the arguments.
        within: by what share of the expected number an answer may miss it.
    """
    name = getattr(answer, "__name__", "it")
    if _is_open(answer):
        print(f"to do    {name}: write it in the cell above, run that cell, then this one")
        return
    done = 0
    for arguments, expected in cases:
        call = f"{name}({', '.join(map(_shown, arguments))})"
        try:
            seen = answer(*arguments) if through is None else through(answer, *arguments)
        except Exception as error:
            print(f"not yet  {call} raised {type(error).__name__}: {error}\n         {because}")
            return
        if not _same(seen, expected, within):
            print(f"not yet  {call} gave {_shown(seen)}, not {_shown(expected)}\n         {because}")
            return
        done += 1
    print(f"done     {name}: {done} of {done}")


def _open() -> None: ...


def _open_with_a_docstring() -> None:
    """Say nothing."""


def _is_open(answer: Callable[..., Any]) -> bool:
    """Whether a function has no body but `...`, perhaps below a docstring."""
    code = getattr(answer, "__code__", None)
    return code is not None and code.co_code in (
        _open.__code__.co_code,
        _open_with_a_docstring.__code__.co_code,
    )


def _same(seen: Any, expected: Any, within: float) -> bool:
    numbers = isinstance(seen, int | float) and isinstance(expected, int | float)
    if numbers and not isinstance(seen, bool) and not isinstance(expected, bool):
        return math.isclose(seen, expected, rel_tol=within)
    return type(seen) is type(expected) and seen == expected


def _shown(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
