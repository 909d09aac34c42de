"""Which module stands behind each part of the capstone: the learner's, when it is finished, or the reference.

This is the only dynamic import of the repository. It never swaps silently: every part says whose it is and why.
"""

import ast
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from coach.lesson import CourseError, Lesson, find_lesson
from coach.stubs import open_todos

MODES = ("auto", "yours", "reference")


@dataclass(frozen=True)
class Part:
    """One part of the capstone and whose code it is."""

    lesson: str  # "02_models"
    whose: str  # "yours" or "reference"
    file: str  # "lessons/02_models/app.py"
    reason: str  # why this one, in a few words
    module: ModuleType


def pick(root: Path, number: str, mode: str) -> Part:
    """Load the module for a part.

    Args:
        root: the course's folder.
        number: the lesson: "02".
        mode: "auto" takes yours when nothing is left to do in it and it imports, else the reference; "yours" insists on
            yours; "reference" never looks at yours. Finished but wrong code is used: it is yours.

    Raises:
        CourseError: the mode is none of the three, or yours is insisted on and cannot be used; the text says why.
    """
    if mode not in MODES:
        raise CourseError(f"CAPSTONE_PARTS is {mode!r}; it takes {', '.join(MODES)}.")
    lesson = find_lesson(root, number)
    yours = f"lessons/{lesson.folder}/app.py"
    reference = f"solutions/{lesson.folder}/app.py"
    if mode == "reference":
        return Part(lesson.folder, "reference", reference, "asked for", _load(root / reference))
    why_not = unfinished(lesson)
    if not why_not:
        try:
            return Part(lesson.folder, "yours", yours, "finished", _load(root / yours))
        except Exception as error:  # whatever a learner's file raises must not keep the service from starting
            why_not = f"{yours} does not import: {type(error).__name__}: {error}"
    if mode == "yours":
        raise CourseError(f"{why_not}. Finish it, or start with CAPSTONE_PARTS=auto.")
    return Part(lesson.folder, "reference", reference, why_not, _load(root / reference))


def unfinished(lesson: Lesson) -> str:
    """Why the learner's file cannot serve as it stands, "" if it can."""
    if not lesson.answer.is_file():
        return f"lessons/{lesson.folder}/app.py is missing"
    try:
        compile(lesson.answer.read_bytes(), lesson.answer, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return f"lessons/{lesson.folder}/app.py line {getattr(error, 'lineno', '?')} does not parse"
    if todos := open_todos(lesson.path):
        return f"to do: {', '.join(sorted(todos))}"
    missing = [name for name in lesson.exports if name not in _top_level_names(lesson.answer)]
    return f"lessons/{lesson.folder}/app.py has no {', '.join(missing)}" if missing else ""


def _top_level_names(file: Path) -> set[str]:
    """The names that a file binds outside its functions and classes, however: def, class, assignment, import."""
    names: set[str] = set()
    for node in ast.parse(file.read_bytes()).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
            case _:
                stores = (one for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
                names.update(one.id for one in stores)
    return names


def _load(file: Path) -> ModuleType:
    """Import a file under the name that pytest and uvicorn give it: "lessons.02_models.app"."""
    name = ".".join(file.with_suffix("").parts[-3:])
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise CourseError(f"{file} cannot be loaded.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and pydantic look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
