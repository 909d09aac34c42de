"""From an exception in a lesson to the few lines that help: what was seen, why it matters, where to look.

Knows nothing of pytest: it takes exceptions, tracebacks and paths.
"""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from coach.lesson import shown

TODO = re.compile(r"^TODO (\d\d\.\d+)$")
LONGEST = 2_000  # characters of a message that are shown: an answer may raise with its whole input


class TookTooLong(BaseException):
    """Raised into code that does not end; a BaseException, so that `except Exception` in an answer does not stop it."""

    def __init__(self, seconds: float, waiting: str = "") -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.waiting = waiting  # where an asyncio task stood, "" if none was waiting


class BrokenImport(Exception):
    """The learner's file cannot be imported at all."""

    def __init__(self, seen: str, where: str) -> None:
        super().__init__(seen)
        self.seen = seen
        self.where = where


@dataclass(frozen=True)
class Finding:
    """What one test found. `result` is passed, failed, todo or skipped."""

    result: str
    seen: str = ""  # what was seen, and what that usually means
    todo: str = ""  # the TODO that was hit: "03.4"
    where: str = ""  # the learner's line: "lessons/03_async/app.py:41 in summarize_all"
    why: str = ""  # why anyone cares: the first line of the test's docstring


def explain(error: BaseException, folder: Path, *, why: str = "", owner: Callable[[str], str] | None = None) -> Finding:
    """Turn the exception that a test ended with into a finding.

    Args:
        error: what was raised, with its traceback.
        folder: the lesson's folder; frames in its files, the suite aside, are the learner's.
        why: first line of the test's docstring.
        owner: tells what to reset to get a missing name back: "03.4", or "03".
    """
    if todo := todo_hit(error):
        return Finding("todo", todo=todo, where=_learner_line(_only(error), folder), why=why)
    if isinstance(error, BrokenImport):
        return Finding("failed", seen=error.seen, where=error.where, why=why)
    inner = _only(error)
    seen = _seen(inner, owner or (lambda name: folder.name[:2]))
    return Finding("failed", seen=seen, where=_learner_line(inner, folder), why=why)


def todo_hit(error: BaseException) -> str:
    """Return the number of the TODO behind an exception: its own, its cause's or that of one in its group; else ""."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, NotImplementedError) and (match := TODO.match(str(one))):
            return match[1]
        if isinstance(one, BaseExceptionGroup):
            queue.extend(one.exceptions)
        queue += [one.__cause__, one.__context__]
    return ""


def _only(error: BaseException) -> BaseException:
    """Look through groups of one: a task group wraps whatever a task raised."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _seen(error: BaseException, owner: Callable[[str], str]) -> str:
    match error:
        case TookTooLong():
            waiting = f" Its tasks were waiting at {error.waiting}." if error.waiting else ""
            usual = "A loop never ends, or a wait is never answered."
            return f"it was still running after {error.seconds:g} s.{waiting} {usual}"
        case AssertionError():
            # pytest appends its own comparison to the author's message.
            text = str(error).split("\nassert ")[0].strip()
            return _short(text) or "an assertion failed without a message."
        case AttributeError() if missing := _missing_name(error):
            file, name = missing
            return (
                f"{file} has no `{name}`. The tests ask for it by that name; "
                f"`coach reset {owner(name)}` puts the stub back and keeps a copy of yours."
            )
        case SystemExit():
            code = "" if error.code is None else repr(error.code)
            return f"the code called sys.exit({code}). A service answers; it does not leave."
        case BaseExceptionGroup():
            inside = "; ".join(f"{type(one).__name__}: {one}" for one in error.exceptions[:3])
            return _short(f"{len(error.exceptions)} errors at once: {inside}")
        case _ if type(error).__name__ == "Failed" and type(error).__module__ == "_pytest.outcomes":
            return _short(str(error))  # pytest.raises: "DID NOT RAISE"
        case _:
            cause = error.__cause__
            behind = f" (from {type(cause).__name__}: {cause})" if cause else ""
            return _short(f"{type(error).__name__}: {error}".rstrip(": ") + behind)


def _short(text: str) -> str:
    text = re.sub(r"\n *For further information visit \S+", "", text)  # pydantic's, once per error
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)"


def _missing_name(error: AttributeError) -> tuple[str, str] | None:
    # `lesson.create_app` on a module of the learner's: Python fills in `name` and `obj`.
    module = getattr(error, "obj", None)
    if type(module).__name__ != "module":
        return None
    match = re.search(r"\.\d\d_\w+\.(\w+)$", getattr(module, "__name__", ""))
    return (f"{match[1]}.py", str(error.name)) if match else None


def _frames(tb: TracebackType | None) -> list[tuple[Path, int, str]]:
    return [(Path(frame.f_code.co_filename), line, frame.f_code.co_name) for frame, line in traceback.walk_tb(tb)]


def _learner_line(error: BaseException, folder: Path) -> str:
    """The deepest frame in the learner's files, also through `raise ... from`."""
    one: BaseException | None = error
    while one is not None:
        for file, line, function in reversed(_frames(one.__traceback__)):
            if is_answer(file, folder):
                return at(file, line, function)
        one = one.__cause__ or one.__context__
    return ""


def is_answer(file: Path, folder: Path) -> bool:
    """Tell whether a file is the learner's: in the lesson's folder and not a suite."""
    return file.is_relative_to(folder) and not file.name.startswith("test_")


def at(file: Path, line: int, function: str = "") -> str:
    """Return "lessons/03_async/app.py:41 in summarize_all"."""
    inside = f" in {function}" if function and not function.startswith("<") else ""
    return f"{shown(file)}:{line}{inside}"


def broken_import(error: BaseException, folder: Path) -> BrokenImport:
    """Say in one line why the learner's file could not be imported."""
    answer = folder / "app.py"
    number = folder.name[:2]
    if isinstance(error, SyntaxError) and error.filename and is_answer(Path(error.filename), folder):
        code = (error.text or "").strip()
        return BrokenImport(
            f"Python cannot read it: {error.msg}" + (f", at `{code}`." if code else "."),
            at(Path(error.filename), error.lineno or 1),
        )
    if isinstance(error, FileNotFoundError | ModuleNotFoundError) and not answer.is_file():
        return BrokenImport(f"the file is missing. `coach reset {number}` puts the stub back.", shown(answer))
    finding = explain(error, folder)
    if finding.result == "todo":
        seen = f"TODO {finding.todo} is raised while the file is imported. A TODO belongs inside a function."
    elif isinstance(error, TookTooLong):
        seen = (
            f"importing it was not done after {error.seconds:g} s. Something at the top level of the file never ends."
        )
    elif isinstance(error, SystemExit):
        seen = 'it calls sys.exit() while it is imported. Move that below `if __name__ == "__main__":`.'
    else:
        seen = f"it cannot be imported: {finding.seen}"
    return BrokenImport(seen, finding.where or shown(answer))
