"""Lessons and tasks, as `lessons/*/lesson.toml` describes them."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATE_COLORS = {"done": "green", "not yet": "red", "to do": "yellow", "waits": "blue", "not run": None}
"""A task's state. `not run` is for a run that left tests of the task out (`-k`, `-x`, one test by name).
The color is None where the state has none."""


class CourseError(Exception):
    """Something about the course or the call is wrong; the text names it and the way out."""


@dataclass(frozen=True)
class Task:
    """One task of a lesson, such as 03.4."""

    lesson: str  # two digits: "03"
    id: int
    title: str
    points: int
    hints: tuple[str, str, str]
    needs: tuple[int, ...] = ()

    @property
    def number(self) -> str:
        """The number people say: "03.4"."""
        return f"{self.lesson}.{self.id}"


@dataclass(frozen=True)
class Lesson:
    """One folder below `lessons/`."""

    path: Path  # .../lessons/03_async
    title: str
    minutes: int
    builds: str
    asked: str
    exports: tuple[str, ...]
    tasks: tuple[Task, ...]
    provider: bool = False  # its app talks to a model provider
    capstone: bool = False  # it is about the capstone, and imports what is finished there
    data: tuple[str, ...] = ()  # files and folders of ours that the suite reads: ("corpus", "questions.jsonl")

    @property
    def folder(self) -> str:
        """The folder's name: "03_async"."""
        return self.path.name

    @property
    def number(self) -> str:
        """Two digits: "03"."""
        return self.folder[:2]

    @property
    def name(self) -> str:
        """The noun behind the number: "async"."""
        return self.folder[3:]

    @property
    def points(self) -> int:
        """Points that the whole lesson is worth."""
        return sum(task.points for task in self.tasks)

    @property
    def suite(self) -> Path:
        """The tests: lessons/03_async/test_async.py."""
        return self.path / f"test_{self.name}.py"

    @property
    def answer(self) -> Path:
        """The file that the learner edits."""
        return self.path / "app.py"

    @property
    def solution(self) -> Path:
        """The folder of the reference: solutions/03_async."""
        return self.path.parent.parent / "solutions" / self.folder

    def task(self, id: int) -> Task:
        """Return the task with this id.

        Raises:
            CourseError: there is none; the text lists those that exist.
        """
        for task in self.tasks:
            if task.id == id:
                return task
        known = ", ".join(task.number for task in self.tasks)
        raise CourseError(f"There is no task {self.number}.{id}. Lesson {self.number} has {known}.")

    def data_files(self) -> list[str]:
        """Names of the files that `data` means, those inside its folders too, relative to the folder, sorted.

        What is missing is named as it stands there.
        """
        found: set[str] = set()
        for name in self.data:
            inside = [path for path in (self.path / name).rglob("*") if path.is_file() and path.name[0] != "."]
            found |= {path.relative_to(self.path).as_posix() for path in inside} or {name}
        return sorted(found)

    def answer_files(self) -> list[str]:
        """Names of the files that a learner hands in, relative to the folder, sorted: those the reference has."""
        return sorted(
            str(path.relative_to(self.solution))
            for path in self.solution.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )

    def expected_tests(self) -> dict[str, int]:
        """Return every test function of the suite and the id of its task, in the order of the file.

        Read from the text of the suite, so nothing of the learner's runs.

        Raises:
            CourseError: the suite is missing or does not parse.
        """
        return {name: id for name, id in marked_tests(self.suite).items() if id is not None}


def marked_tests(suite: Path) -> dict[str, int | None]:
    """Return the test functions of a suite in order, each with the id in its `@pytest.mark.task(id)`, None without.

    Raises:
        CourseError: the file is missing or does not parse.
    """
    import ast  # here, because `coach status` reads lessons and never a suite

    def task_id(decorator: ast.expr) -> int | None:
        match decorator:
            case ast.Call(func=ast.Attribute(attr="task"), args=[ast.Constant(value=int(id))]):
                return id
        return None

    try:
        tree = ast.parse(suite.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{shown(suite)} is missing. `git checkout -- {shown(suite)}` brings it back.") from None
    except SyntaxError as error:
        raise CourseError(
            f"{shown(suite)} line {error.lineno} does not parse ({error.msg}). "
            f"It is the course's file: `git checkout -- {shown(suite)}` brings it back."
        ) from None
    found: dict[str, int | None] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            found[node.name] = next((id for id in map(task_id, node.decorator_list) if id is not None), None)
    return found


def shown(path: Path) -> str:
    """Return a path as people type it: from `lessons/` or `solutions/` on where it lies there, else its name."""
    for anchor in ("lessons", "solutions"):
        if anchor in path.parts[:-1]:
            # The last one: a home folder may be called "lessons" too.
            at = len(path.parts) - 1 - path.parts[::-1].index(anchor)
            return "/".join(path.parts[at:])
    return path.name


def course_root(start: Path | None = None) -> Path:
    """Return the course's folder: the nearest one at or above `start` that has lessons, else the one coach lives in.

    Raises:
        CourseError: neither holds a course.
    """
    here = (start or Path.cwd()).resolve()
    beside_us = Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, beside_us):
        if next(folder.glob("lessons/[0-9][0-9]_*/lesson.toml"), None):
            return folder
    raise CourseError(f"No lessons/ found at or above {here}. Change into your clone of the course and try again.")


def lesson_folders(root: Path) -> list[Path]:
    """Return the folders below `lessons/` that are named like a lesson and have a `lesson.toml`, sorted."""
    return sorted(path.parent for path in root.glob("lessons/[0-9][0-9]_*/lesson.toml"))


def find_lesson(root: Path, number: str) -> Lesson:
    """Return the lesson that "3", "03", "03_async" or "lessons/03_async" names.

    Raises:
        CourseError: no lesson is called so, or its `lesson.toml` is broken.
    """
    wanted = Path(number).name
    if wanted.isdigit():
        wanted = f"{int(wanted):02d}"
    for folder in lesson_folders(root):
        if wanted in (folder.name, folder.name[:2], folder.name[3:]):
            return read_lesson(folder)
    known = ", ".join(folder.name[:2] for folder in lesson_folders(root))
    raise CourseError(f"There is no lesson {number!r}. There are {known}; `coach status` lists them.")


def find_task(root: Path, number: str) -> tuple[Lesson, Task]:
    """Return lesson and task that "03.4" names.

    Raises:
        CourseError: it is not such a number, or names nothing.
    """
    match = re.fullmatch(r"(\d{1,2})\.(\d+)", number.strip())
    if not match:
        raise CourseError(f"{number!r} is not the number of a task. Tasks are written like 03.4.")
    lesson = find_lesson(root, match[1])
    return lesson, lesson.task(int(match[2]))


def read_lesson(folder: Path) -> Lesson:
    """Read `folder/lesson.toml`.

    Raises:
        CourseError: the file is missing, is not TOML, or breaks a rule; the text names the place and the rule.
    """
    file = folder / "lesson.toml"
    restore = f"It is the course's file: `git checkout -- {shown(file)}` brings it back."
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{shown(file)} is missing. {restore}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{shown(file)} is not valid TOML: {error}. {restore}") from None
    try:
        tasks = tuple(_read_task(folder.name[:2], entry) for entry in data.get("task", []))
        if not tasks:
            raise ValueError("it has no [[task]]")
        ids = [task.id for task in tasks]
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"two tasks have the number {twice[0]}")
        for task in tasks:
            if unknown := [id for id in task.needs if id not in ids or id == task.id]:
                raise ValueError(f"task {task.id} needs {unknown[0]}, which is no other task of this lesson")
        return Lesson(
            path=folder,
            title=_typed(data, "title", str),
            minutes=_typed(data, "minutes", int),
            builds=_typed(data, "builds", str),
            asked=_typed(data, "asked", str),
            exports=tuple(_typed(data, "exports", list)),
            tasks=tasks,
            provider=data.get("provider") is True,
            capstone=data.get("capstone") is True,
            data=_read_data(data.get("data", [])),
        )
    except ValueError as error:
        raise CourseError(f"{shown(file)}: {error}. {restore}") from None


def _read_task(lesson: str, entry: dict[str, Any]) -> Task:
    id = _typed(entry, "id", int)
    try:
        hints = _typed(entry, "hints", list)
        if len(hints) != 3 or not all(isinstance(hint, str) and hint.strip() for hint in hints):
            raise ValueError("`hints` must be three texts: a question, a pointer, nearly the answer")
        points = _typed(entry, "points", int)
        if points < 1:
            raise ValueError(f"`points` must be at least 1, got {points}")
        return Task(
            lesson=lesson,
            id=id,
            title=_typed(entry, "title", str),
            points=points,
            hints=(hints[0], hints[1], hints[2]),
            needs=tuple(entry.get("needs", ())),
        )
    except ValueError as error:
        raise ValueError(f"task {id}: {error}") from None


def _read_data(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
        raise ValueError(f"`data` must be a list of names, got {names!r}")
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"`data` stays inside the lesson's folder, got {name!r}")
    return tuple(names)


def _typed(table: dict[str, Any], key: str, kind: type) -> Any:
    if key not in table:
        raise ValueError(f"`{key}` is missing")
    if type(table[key]) is not kind:
        raise ValueError(f"`{key}` must be {kind.__name__}, got {table[key]!r}")
    return table[key]
