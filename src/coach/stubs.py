"""From a solution to its stub, and one task of an edited answer back to its stub.

A region of a solution is what the learner writes:

    # TODO 03.4: start every call at once, but let only `limit` run together.
    # >>> solution
    return await asyncio.gather(*calls)
    # --- stub            (optional: what the stub has in its place, commented)
    # return []
    # <<< solution

Outside the regions a stub is the solution, byte for byte. Without a stub part a region of a Python file becomes
`raise NotImplementedError("TODO 03.4")`. JavaScript marks with `//` instead of `#`, and such a region becomes nothing.
A Dockerfile or YAML cannot raise: there the line `# TODO 07.4 is open: ...` says the same, and learners delete it.
"""

import ast
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coach.lesson import CourseError, Lesson, Task, shown

MARK = re.compile(r"^(?P<indent>[ \t]*)(?P<comment>#|//) (?P<kind>>>>|<<<|---) (?P<word>solution|stub)\s*$")
TODO = re.compile(r"(?:#|//) TODO (?P<number>\d\d\.\d+):")
OPEN = re.compile(r"^[ \t]*# TODO (?P<number>\d\d\.\d+) is open\b")


@dataclass(frozen=True)
class Region:
    """The lines between two markers, as line numbers from 0, the markers included."""

    number: str  # "03.4"
    start: int  # the line of `>>> solution`
    end: int  # the line behind `<<< solution`
    stub: tuple[str, ...]  # the lines that stand in its place, with their line ends


def regions(text: str, name: str) -> list[Region]:
    """Find the regions of a solution, in order.

    Args:
        text: the solution.
        name: what to call the file in errors.

    Raises:
        CourseError: a marker is open, closed twice, or has no TODO comment above it; the text names the line.
    """
    found: list[Region] = []
    lines = text.splitlines(keepends=True)
    number: str | None = None
    start: int | None = None
    stub: list[str] | None = None
    comment = indent = ""
    for at, line in enumerate(lines):
        mark = MARK.match(line)
        if start is None and (todo := TODO.search(line)):
            number = todo["number"]
        if mark is None:
            if stub is not None:
                stub.append(_uncommented(line, indent, comment, f"{name} line {at + 1}"))
            continue
        match mark["kind"], mark["word"]:
            case ">>>", "solution" if start is None:
                if number is None:
                    raise CourseError(
                        f"{name} line {at + 1}: a region needs a `{mark['comment']} TODO NN.T:` above it."
                    )
                start, indent, comment = at, mark["indent"], mark["comment"]
            case "---", "stub" if start is not None and stub is None:
                stub = []
            case "<<<", "solution" if start is not None and number is not None:
                if stub is None:
                    stub = [f"{indent}{line}\n" for line in _open_line(number, name, comment)]
                found.append(Region(number, start, at + 1, tuple(stub)))
                start = stub = None
            case _:
                raise CourseError(f"{name} line {at + 1}: `{line.strip()}` does not belong here.")
    if start is not None:
        raise CourseError(f"{name} line {start + 1}: this region is never closed.")
    return found


def _open_line(number: str, name: str, comment: str) -> list[str]:
    """What says that a task is open, in the language of the file; nothing in JavaScript, whose stubs throw."""
    if name.endswith(".py"):
        return [f'raise NotImplementedError("TODO {number}")']
    return [f"# TODO {number} is open: delete this line when it is done."] if comment == "#" else []


def _uncommented(line: str, indent: str, comment: str, where: str) -> str:
    body = line[len(indent) :] if line.startswith(indent) else line.lstrip()
    if not body.startswith(comment):
        raise CourseError(f"{where}: below `{comment} --- stub` every line starts with `{comment}`.")
    body = body[len(comment) :]
    body = body.removeprefix(" ")
    return indent + body if body.strip() else "\n"


def make_stub(text: str, name: str) -> str:
    """Return the stub of a solution: every region replaced by its stub part.

    Raises:
        CourseError: as `regions`.
    """
    lines = text.splitlines(keepends=True)
    for region in reversed(regions(text, name)):
        lines[region.start : region.end] = region.stub
    return "".join(lines)


def stub_files(lesson: Lesson) -> dict[str, str]:
    """Return the stub of every file of the reference: name relative to the folder -> text.

    Raises:
        CourseError: as `regions`, or a file is not UTF-8 text.
    """
    stubs: dict[str, str] = {}
    for name in lesson.answer_files():
        path = lesson.solution / name
        try:
            stubs[name] = make_stub(path.read_text(encoding="utf-8"), shown(path))
        except UnicodeDecodeError:
            raise CourseError(f"{shown(path)} is not UTF-8 text, so no stub can be cut from it.") from None
    return stubs


def stale(lesson: Lesson) -> list[str]:
    """Return the names of the lesson's stubs that differ from what the reference would make now, sorted."""
    return [
        name
        for name, text in stub_files(lesson).items()
        if not (lesson.path / name).is_file() or (lesson.path / name).read_text(encoding="utf-8") != text
    ]


def open_todos(folder: Path) -> dict[str, str]:
    """Return the tasks whose TODO still stands in an answer: number -> its first place, "client.py:31", sorted.

    Looks at Python, JavaScript, YAML and Dockerfiles below `folder`, suites aside. A file that does not parse has none.
    """
    found: dict[str, str] = {}
    for file in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".js") or _is_marked(path)):
        if not file.name.startswith("test_"):
            for number, line in _todo_lines(file):
                found.setdefault(number, f"{file.relative_to(folder).as_posix()}:{line}")
    return dict(sorted(found.items()))


def _is_marked(file: Path) -> bool:
    """Whether an open task is a line in this file: it cannot raise."""
    return file.name == "Dockerfile" or file.suffix in (".yaml", ".yml")


def _todo_lines(file: Path) -> list[tuple[str, int]]:
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark of their own
        if file.suffix != ".py":
            mark = OPEN if _is_marked(file) else re.compile(r"throw .*TODO (?P<number>\d\d\.\d+)")
            lines = enumerate(text.splitlines(), 1)
            return [(todo["number"], at) for at, line in lines if (todo := mark.search(line))]
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return []
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError"), args=[ast.Constant(value=str(text))])):
                if text.startswith("TODO "):
                    found.append((text.removeprefix("TODO ").strip(), node.lineno))
    return sorted(found, key=lambda todo: todo[1])


def owner(lesson: Lesson, name: str) -> str:
    """Return what to reset to get a top-level name back: the task whose stub defines it, else the lesson.

    Returns:
        "03.4", or "03" where the name belongs to no task, to several, or nothing can be read.
    """
    numbers: set[str] = set()
    for file in (one for one in lesson.answer_files() if one.endswith(".py")):
        with contextlib.suppress(OSError, SyntaxError, KeyError, CourseError):
            tree = ast.parse(make_stub((lesson.solution / file).read_text(encoding="utf-8"), file))
            numbers |= set(_todos_of(_definition(tree, (name,))))
    return numbers.pop() if len(numbers) == 1 else lesson.number


def put_back(lesson: Lesson, task: Task, name: str, answer: str) -> str:
    """Return a file of the learner's with one task back at its stub and everything else as it was.

    In a Python file the unit is the function or class around the task's region, in any other the file.

    Args:
        lesson: the lesson.
        task: the task.
        name: the file, relative to the lesson's folder.
        answer: its text now.

    Raises:
        CourseError: the file does not parse, or the task shares the unit with another one; the text names the command
            that puts everything back.
    """
    whole = f"`coach reset {lesson.number}` puts everything back."
    solution = (lesson.solution / name).read_text(encoding="utf-8")
    numbers = {region.number for region in regions(solution, name)}
    if task.number not in numbers:
        return answer
    stub = make_stub(solution, name)
    if not name.endswith(".py"):
        if numbers != {task.number}:
            raise CourseError(f"{task.number} shares {name} with {', '.join(sorted(numbers - {task.number}))}. {whole}")
        return stub
    try:
        mine = ast.parse(answer)
    except SyntaxError as error:
        raise CourseError(
            f"{name} line {error.lineno} does not parse, so one task cannot be found in it. {whole}"
        ) from None
    lines = answer.splitlines(keepends=True)
    stub_lines = stub.splitlines(keepends=True)
    stub_tree = ast.parse(stub)
    edits: list[tuple[int, int, list[str]]] = []
    for path in _homes(stub_tree, task.number):
        others = set(_todos_of(_definition(stub_tree, path))) - {task.number}
        if others:
            raise CourseError(f"{task.number} shares `{'.'.join(path)}` with {', '.join(sorted(others))}. {whole}")
        start, end = _span(_definition(stub_tree, path), stub_lines)
        try:
            old_start, old_end = _span(_definition(mine, path), lines)
        except KeyError:
            if len(path) > 1:  # a method: only the learner knows what became of its class
                raise CourseError(f"`{'.'.join(path)}` of {task.number} is not in your file. {whole}") from None
            old_start = old_end = len(lines)
        edits.append((old_start, old_end, stub_lines[start:end]))
    for start, end, replacement in sorted(edits, key=lambda edit: edit[0], reverse=True):
        lines[start:end] = replacement if start < len(lines) else ["\n\n", *replacement]
    return "".join(lines)


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _definitions(tree: ast.AST, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], _Definition]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield (*prefix, node.name), node
            yield from _definitions(node, (*prefix, node.name))


def _definition(tree: ast.AST, name: tuple[str, ...]) -> _Definition:
    return dict(_definitions(tree))[name]


def _todos_of(node: ast.AST) -> list[str]:
    return [
        text.removeprefix("TODO ")
        for child in ast.walk(node)
        if isinstance(child, ast.Constant)
        and isinstance(text := child.value, str)
        and re.fullmatch(r"TODO \d\d\.\d+", text)
    ]


def _homes(tree: ast.AST, number: str) -> list[tuple[str, ...]]:
    """The outermost definitions that hold only this task, or the innermost that hold it with others."""
    holders = [(name, node) for name, node in _definitions(tree) if number in _todos_of(node)]
    pure = [name for name, node in holders if set(_todos_of(node)) == {number}]
    return [name for name in pure if name[:-1] not in pure] or [name for name, _ in holders][-1:]


def _span(node: _Definition, lines: list[str]) -> tuple[int, int]:
    """Lines of a definition with its decorators and the TODO comments right above it, from 0, end exclusive."""
    start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return start, node.end_lineno or node.lineno
