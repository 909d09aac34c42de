"""The parts of the project: the files of each, without what was for the lesson alone."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coach.export.alive import APP, Part, attributes, statements
from coach.export.chosen import Chosen
from coach.export.given import only_given_routers
from coach.export.layout import Ports, Source, members, place_of
from coach.export.marks import todo_lines, unmarked
from coach.lesson import Lesson


@dataclass(frozen=True)
class Wanted:
    """What the service uses of the parts."""

    of_part: Mapping[str, set[str]]  # "08" -> {"authorized", ...}
    anything: set[str]  # every attribute that is read anywhere, for what is reached by a part's own modules
    looked_up: set[str]  # what is asked for by a text: `getattr(module, "PRICES")`
    subjects: Mapping[str, str]  # "08" -> "Who is asking, what they may do, and how much."


def wanted(root: Path, ports: Ports, sources: Sequence[Source]) -> Wanted:
    """Find out what the service uses."""
    asked = members(root)
    of_part = {number: set(asked[protocol].names) for number, protocol in ports.protocols.items() if protocol in asked}
    subjects = {number: asked[protocol].subject for number, protocol in ports.protocols.items() if protocol in asked}
    anything: set[str] = set()
    looked_up: set[str] = set()
    for one in sources:
        tree = ast.parse(one.text)
        read = attributes(tree)
        anything |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module="capstone.parts", names=names):
                    for alias in names:
                        if number := ports.names.get(alias.name):
                            local = alias.asname or alias.name
                            of_part[number] |= {attribute for name, attribute in read if name == local}
                case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                    looked_up.add(name)
    return Wanted(of_part, anything, looked_up - {APP}, subjects)


def part_sources(chosen: Chosen, use: Wanted) -> list[Source]:
    """Return the files of a part as they go along: still with the repository's imports, but without marks."""
    lesson = chosen.lesson
    texts = unmarked_files(chosen)
    before = statements(APP, texts[APP])
    texts[APP] = only_given_routers(texts[APP])
    pairs = zip(before, statements(APP, texts[APP]), strict=True)
    tried = {APP, *(name for old, new in pairs for name in old.refs - new.refs)}  # what is there to try it by hand
    texts[APP] = with_subject(texts[APP], use.subjects.get(lesson.number, ""))
    part = Part(texts)
    outside = (
        use.of_part.get(lesson.number, set()) | (set(lesson.exports) if chosen.yours else set())
    ) & part.names_of(APP)
    roots = {(APP, name) for name in outside}
    for file in texts:
        if file != APP and (chosen.yours or file in outside):
            roots |= {(file, name) for name in part.names_of(file) & use.anything}
    roots |= {(file, name) for file in texts for name in part.names_of(file, imported=False) & use.looked_up}
    part.keep(roots, whole=chosen.yours, application=tried)
    left = [file for file in texts if file == APP or not part.is_empty(file)]
    handed_on = part.handed_on(outside)
    home = f"{'lessons' if chosen.yours else 'solutions'}.{lesson.folder}"
    new = place_of(lesson.number, lesson.name)
    found: list[Source] = []
    for file in left:
        text = part.text_of(file)
        if file == APP and handed_on:
            text = with_all(text, sorted(outside))
        found.append(source_of(home, new, file, text, alone=left == [APP]))
    return found


def source_of(home: str, new: str, file: str, text: str, *, alone: bool) -> Source:
    """Return a file of a part: `app.py` is the part's module, the others are modules of it."""
    path = new.replace(".", "/")
    if file == APP:
        return Source(f"{home}.{APP}", new, f"{path}.py" if alone else f"{path}/__init__.py", text)
    inner = file.replace(".", "/")
    return Source(f"{home}.{file}", f"{new}.{file}", f"{path}/{inner}.py", text)


def with_subject(text: str, subject: str) -> str:
    """Return a module that says what it is for, in place of the head of a lesson."""
    tree = ast.parse(text)
    said = ast.get_docstring(tree, clean=False)
    if not subject or said is None or not re.match(r"Lesson \d\d", said):
        return text
    lines = text.splitlines(keepends=True)
    lines[tree.body[0].lineno - 1 : tree.body[0].end_lineno] = [f'"""{subject}"""\n']
    return "".join(lines)


def with_all(text: str, names: Sequence[str]) -> str:
    """Return a module that says what others find in it; some of that it only imports."""
    lines = text.splitlines(keepends=True)
    imports = [one for one in ast.parse(text).body if isinstance(one, ast.Import | ast.ImportFrom)]
    at = max((one.end_lineno or one.lineno for one in imports), default=0)
    said = ", ".join(f'"{name}"' for name in names)
    lines.insert(at, f"\n__all__ = [{said}]\n")
    return "".join(lines)


def unmarked_files(chosen: Chosen) -> dict[str, str]:
    """Return the Python files of a part: "app", "store" -> text.

    Of yours it is what a lesson asks for, and what that imports from beside it.
    """
    lesson, folder = chosen.lesson, chosen.folder
    names = [name for name in lesson.answer_files() if name.endswith(".py") and holds_tasks(lesson, name)]
    queue = ["app.py", *(names if chosen.yours else ())]
    texts: dict[str, str] = {}
    while queue:
        name = queue.pop(0)
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if module in texts or not (folder / name).is_file():
            continue
        reference = lesson.solution / name
        known = todo_lines(reference.read_text(encoding="utf-8")) if reference.is_file() else set[str]()
        texts[module] = unmarked((folder / name).read_text(encoding="utf-8-sig"), known)
        queue += siblings(folder, name, texts[module])
    return texts


def holds_tasks(lesson: Lesson, name: str) -> bool:
    """Whether a learner writes in this file: one that is given whole puts the lesson's own application together."""
    return ">>> solution" in (lesson.solution / name).read_text(encoding="utf-8")


def siblings(folder: Path, name: str, text: str) -> Iterator[str]:
    """Yield the files that a file of a lesson imports from beside it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            inner = (Path(name).parent / (node.module or "").replace(".", "/")).as_posix()
            for wanted_name in (inner, *(f"{inner}/{alias.name}" for alias in node.names)):
                for file in (f"{wanted_name}.py", f"{wanted_name}/__init__.py"):
                    if wanted_name != "." and (folder / file).is_file():
                        yield Path(file).as_posix()


def own_data(chosen: Chosen) -> list[Path]:
    """Return files that a learner has put beside a part, and that are no code: what is not the course's."""
    if not chosen.yours:
        return []
    lesson = chosen.lesson
    ours = {*lesson.answer_files(), *lesson.data_files(), "README.md", "lesson.toml", lesson.suite.name}
    return sorted(
        path.relative_to(lesson.path)
        for path in lesson.path.rglob("*")
        if path.is_file()
        and path.relative_to(lesson.path).as_posix() not in ours
        and path.suffix not in (".py", ".pyc")
        and not any(one.startswith((".", "__")) for one in path.relative_to(lesson.path).parts)
    )
