"""All Python files of the project, from the capstone, the parts, and what both import."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coach.export import given
from coach.export.alive import APP, Part
from coach.export.chosen import Chosen
from coach.export.layout import (
    MODULES_OF_COACH,
    Ports,
    Source,
    capstone_modules,
    files_below,
    place_of,
    read_ports,
    source_at,
)
from coach.export.parts import own_data, part_sources, unmarked_files, wanted
from coach.export.prose import Words
from coach.export.rewrite import Moves, rewritten

TESTS = "tests/home"  # the suite that goes along; here it runs on the capstone
SECRETS = "deploy/make_secrets.py"
LESSON = "lessons"  # modules of the learner begin so
LENT = ("coach", "mockllm")  # packages of ours of which goes along what is imported
DATA = re.compile(r"lessons/\d\d_\w+(?:/[\w.-]+)+")  # a path of data in a file of the capstone
STEPS = {
    "app/config.py": (given.NoPicking,),
    "app/main.py": (given.NothingPicked,),
    "app/routers/page.py": (given.OwnReader,),
}


@dataclass(frozen=True)
class Collected:
    """What goes along, before it is rewritten."""

    sources: list[Source]
    ports: Ports
    data: dict[str, str]  # "lessons/05_rag/corpus" -> "corpus"


def collect(root: Path, parts: Sequence[Chosen]) -> Collected:
    """Collect everything that is Python.

    Raises:
        CourseError: the capstone is put together in a way that this does not know.
    """
    ports = read_ports(root)
    service = [*capstone_modules(root), source_at(root, root / SECRETS)]
    service[-1] = replace(service[-1], path=SECRETS, new=service[-1].old)
    tests = [source_at(root, file) for file in files_below(root / TESTS) if file.suffix == ".py"]
    tests = [
        replace(one, new=one.old.replace("tests.home", "tests"), path=one.path.replace(f"{TESTS}/", "tests/"))
        for one in tests
    ]
    root_part = next(one for one in parts if one.lesson.capstone)
    composition = composed(root_part)
    found = [*service, *tests, composition]
    use = wanted(root, ports, found)
    for one in parts:
        if one is not root_part:
            made = part_sources(one, use)
            if own_data(one) and len(made) == 1:  # it looks for its data beside itself
                made = [replace(made[0], path=made[0].path.replace(".py", "/__init__.py"))]
            found += made
    found += lent(root, found)
    data = {path: Path(path).name for one in service for path in DATA.findall(one.text) if (root / path).exists()}
    return Collected(found, ports, data)


def composed(chosen: Chosen) -> Source:
    """Return the composition as it goes along: the whole of it, since nothing of it is an application to try."""
    text = given.composition(unmarked_files(chosen)[APP])
    new = place_of(chosen.lesson.number, chosen.lesson.name)
    home = "lessons" if chosen.yours else "solutions"
    return Source(f"{home}.{chosen.lesson.folder}.{APP}", new, f"{new.replace('.', '/')}.py", text)


def lent(root: Path, sources: Sequence[Source]) -> list[Source]:
    """Return the modules of `coach` and `mockllm` that are imported, and those that these import."""
    found: dict[str, Source] = {}
    names: dict[str, set[str]] = {}
    queue = list(sources)
    while queue:
        one = queue.pop()
        for module, name in imported(one):
            if module.split(".")[0] not in LENT or (module, name) == ("coach.parts", "Part"):
                continue
            names.setdefault(module, set()).add(name)
            for candidate in (module, f"{module}.{name}"):
                if candidate not in found and (file := file_of(root, candidate)):
                    found[candidate] = source_at(root, file)
                    if not candidate.startswith("coach."):
                        queue.append(found[candidate])
    return [
        shaken(one, names.get(old, set())) if old.startswith("coach.") else one for old, one in sorted(found.items())
    ]


def shaken(source: Source, names: set[str]) -> Source:
    """Return a module of `coach` with what is asked of it and nothing else."""
    part = Part({APP: source.text})
    part.keep({(APP, name) for name in names}, whole=False)
    return replace(source, text=part.text_of(APP))


def imported(source: Source) -> Iterator[tuple[str, str]]:
    """Yield what a file imports from modules of ours: ("mockllm", "LLMTransport")."""
    home = source.old if source.package else source.old.rpartition(".")[0]
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.ImportFrom):
            parts = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            for alias in node.names:
                yield module, alias.name


def file_of(root: Path, module: str) -> Path | None:
    """Return the file of a module of ours, None if there is none."""
    path = root / "src" / module.replace(".", "/")
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def moves_of(collected: Collected) -> Moves:
    """Return where everything goes."""
    modules = {one.old: one.new for one in collected.sources}
    modules |= {
        "capstone": "app",
        **{old: new for old, new in MODULES_OF_COACH.items() if old in modules},
    }
    names = {("capstone.parts", name): ("app.parts", name) for name in ("PARTS", "ROOT")}
    names["coach.parts", "Part"] = ("app.parts", "Part")
    names["capstone.parts", "pick_composition"] = ("app", "composition")
    by_number = {number_of(one.old): one.new for one in collected.sources if one.old.endswith(f".{APP}")}
    for name, number in collected.ports.names.items():
        parent, _, leaf = by_number[number].rpartition(".")
        names["capstone.parts", name] = (parent, leaf)
    return Moves(modules, names)


def number_of(module: str) -> str:
    """Return the lesson that a module is of, "" if it is of none: "05" of "solutions.05_rag.app"."""
    found = re.match(r"(?:lessons|solutions)\.(\d\d)_", module)
    return found[1] if found else ""


def words_of(name: str, collected: Collected) -> Words:
    """Return how the project speaks."""
    subjects = {
        number_of(one.old): one.new.rpartition(".")[2] for one in collected.sources if one.old.endswith(f".{APP}")
    }
    modules = {one.old: one.new for one in collected.sources if "." in one.old and one.old != one.new}
    modules |= {"capstone.parts": "app.parts"}
    modules = {old: new for old, new in modules.items() if not old.startswith(("lessons", "solutions", "tests"))}
    ordered = dict(sorted(modules.items(), key=lambda pair: -len(pair[0])))
    return Words(name, subjects, ordered, collected.data)


def python_files(name: str, collected: Collected) -> dict[str, str]:
    """Return every Python file of the project: path -> text.

    Raises:
        CourseError: a file imports what does not go along.
    """
    moves, words = moves_of(collected), words_of(name, collected)
    found: dict[str, str] = {}
    for one in collected.sources:
        steps = [step() for step in STEPS.get(one.path, ())]
        # What somebody's own part says is theirs; the composition names settings and loggers of the service.
        own = {f"{LESSON}.09": words.names}.get(one.old[:10], str) if one.old.startswith(f"{LESSON}.") else None
        found[one.path] = rewritten(
            one.text, old=one.old, package=one.package, moves=moves, words=words, given=steps, translate=own
        )
    for path in sorted(found):
        for folder in Path(path).parents:
            if (
                folder.parts
                and folder.parts[0] == "app"
                and "versions" not in folder.parts
                and "migrations" not in folder.parts
            ):
                found.setdefault(f"{folder.as_posix()}/__init__.py", INITS.get(folder.as_posix(), ""))
    return found


INITS = {"app/core": '"""What the service is built from, by subject. Whose each of them is: `app.parts`."""\n'}
