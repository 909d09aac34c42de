"""Where everything goes: the modules of the repository, and what they are called in the project."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from coach.lesson import CourseError

# What the capstone calls otherwise than the field does.
FOLDERS = {"schemas": "models"}
FILES = {"settings.py": "config.py"}
PICKS = "capstone.parts"  # what stands in its place is written anew
MODULES_OF_COACH = {"coach.serve": "app.documentation"}
# Each lesson's place, by its subject. One that is not named here goes to `app/core` under its own noun.
PARTS = {
    "01": "app.core.application",
    "02": "app.models.payloads",
    "03": "app.core.calls",
    "04": "app.core.streams",
    "09": "app.composition",
}


@dataclass(frozen=True)
class Source:
    """A Python file that goes along."""

    old: str  # its module here: "capstone.services.chat"
    new: str  # there: "app.services.chat"
    path: str  # of the project: "app/services/chat.py"
    text: str
    package: bool = False  # whether it is an `__init__.py` here


def capstone_modules(root: Path) -> Iterator[Source]:
    """Yield the Python files of the capstone, but for the one that picks."""
    for file in files_below(root / "capstone"):
        if file.suffix == ".py":
            one = source_at(root, file)
            if one.old != PICKS:
                yield one


def capstone_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the other files of the capstone: the path in the project, and the file."""
    for file in files_below(root / "capstone"):
        if file.suffix != ".py":
            yield moved(file.relative_to(root).as_posix()), file


def source_at(root: Path, file: Path) -> Source:
    """Read a Python file of the capstone, of `coach`, of `mockllm` or of the tests that go along."""
    here = file.relative_to(root).as_posix().removeprefix("src/")
    package = file.name == "__init__.py"
    old = here.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    path = moved(here)
    if own := MODULES_OF_COACH.get(old):
        path = own.replace(".", "/") + ".py"
    new = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return Source(old, new, path, file.read_text(encoding="utf-8"), package)


def moved(path: str) -> str:
    """Return where a file of this repository is in the project."""
    top, *rest = path.split("/")
    match top:
        case "capstone":
            rest[0] = FILES.get(rest[0], rest[0]) if len(rest) == 1 else FOLDERS.get(rest[0], rest[0])
            return "/".join(["app", *rest])
        case "tests":  # tests/home/test_chat.py
            return "/".join(["tests", *rest[1:]])
        case _:
            return "/".join(["app", *([] if top == "coach" else [top]), *rest])


def files_below(folder: Path) -> list[Path]:
    """Return the files below a folder that somebody wrote, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    )


def place_of(number: str, noun: str) -> str:
    """Return the module that a lesson becomes."""
    return PARTS.get(number, f"app.core.{noun}")


@dataclass(frozen=True)
class Ports:
    """How the capstone's modules know the parts: what `capstone/parts.py` says."""

    names: Mapping[str, str]  # "auth" -> "08"
    protocols: Mapping[str, str]  # "08" -> "Auth" of capstone.ports


def read_ports(root: Path) -> Ports:
    """Read `capstone/parts.py`.

    Raises:
        CourseError: it picks in another way than this knows.
    """
    tree = ast.parse((root / "capstone" / "parts.py").read_text(encoding="utf-8"))
    numbers: list[str] = []
    names: dict[str, str] = {}
    protocols: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.ListComp(generators=[ast.comprehension(iter=ast.Tuple() as given)]):
                numbers = [
                    one.value for one in given.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)
                ]
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Name(id="cast"),
                    args=[
                        ast.Attribute(attr=protocol),
                        ast.Attribute(value=ast.Subscript(slice=ast.Constant(value=int(place)))),
                    ],
                ),
            ) if place < len(numbers):
                names[name], protocols[numbers[place]] = numbers[place], protocol
    if not names or len(names) != len(numbers):
        raise CourseError(
            f"capstone/parts.py names {len(names)} parts and picks {len(numbers)}: `coach export` reads "
            "`auth = cast(ports.Auth, PARTS[7].module)` for each of them. Say it so there, or change what reads it, "
            "src/coach/export/layout.py."
        )
    return Ports(names, protocols)


@dataclass(frozen=True)
class Port:
    """What a Protocol of `capstone/ports.py` asks of a module."""

    names: frozenset[str]
    subject: str  # what the module is for: "Who is asking, what they may do, and how much."


def members(root: Path) -> dict[str, Port]:
    """Read `capstone/ports.py`."""
    found: dict[str, Port] = {}
    for node in ast.parse((root / "capstone" / "ports.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            fields = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
            names = {one.id for one in fields if isinstance(one, ast.Name)}
            names |= {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
            said = re.sub(r"\ALesson \d\d: ", "", ast.get_docstring(node) or "")
            found[node.name] = Port(frozenset(names), said[:1].upper() + said[1:])
    return found
