"""All Python files of the project, from the capstone, the parts, and what both import."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from coach.export import given
from coach.export.alive import APP, Part
from coach.export.chosen import Chosen, leaving
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
    with leaving(root_part.lesson.number, yours=root_part.yours):
        composition = composed(root_part)
    found = [*service, *tests, composition]
    use = wanted(root, ports, found)
    for one in parts:
        if one is not root_part:
            with leaving(one.lesson.number, yours=one.yours):
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
    found = {one.path: _rewritten(one, _Context.of(one, moves, words)) for one in collected.sources}
    found.setdefault("app/core/__init__.py", CORE)
    return found


CORE = '"""What the service is built from, by subject. Whose each of them is: `app.parts`."""\n'
Pairs = tuple[tuple[Any, Any], ...]  # a mapping that can be a key


@dataclass(frozen=True)
class _Context:
    """What a file becomes depends on this and on its text: two attempts, and two projects, share what is the same."""

    modules: Pairs
    names: Pairs
    words: tuple[str, Pairs, Pairs, Pairs]

    @classmethod
    def of(cls, source: Source, moves: Moves, words: Words) -> "_Context":
        """Take what matters to a file: of the parts' modules only those of its own part."""
        home = source.old.rpartition(".")[0]
        near = [pair for pair in moves.modules.items() if not number_of(pair[0]) or pair[0].startswith(home)]
        said = words.name, pairs(words.parts), pairs(words.modules), pairs(words.data)
        return cls(tuple(near), pairs(moves.names), said)


def pairs(mapping: Mapping[Any, Any]) -> Pairs:
    """Return a mapping as its pairs, in their order."""
    return tuple(mapping.items())


@lru_cache(maxsize=1_000)
def _rewritten(one: Source, context: _Context) -> str:
    name, parts, modules, data = context.words
    words = Words(name, dict(parts), dict(modules), dict(data))
    # What somebody's own part says is theirs; their composition names settings and loggers of the service.
    own = {f"{LESSON}.09": words.names}.get(one.old[:10], str) if one.old.startswith(f"{LESSON}.") else None
    with leaving(number_of(one.old), yours=one.old.startswith(f"{LESSON}.")):
        return rewritten(
            one.text,
            old=one.old,
            package=one.package,
            moves=Moves(dict(context.modules), dict(context.names)),
            words=words,
            given=[step() for step in STEPS.get(one.path, ())],
            translate=own,
        )
