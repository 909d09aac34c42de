"""The whole project: written beside its place, tried, and moved there."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coach.export import around
from coach.export.alive import APP
from coach.export.chosen import CannotGo, Chosen, choose, run
from coach.export.layout import capstone_files, files_below
from coach.export.marks import todo_lines, unmarked
from coach.export.names import checked
from coach.export.packages import packages as packages_of
from coach.export.parts import own_data, wanted
from coach.export.prose import Words
from coach.export.sources import collect, number_of, python_files, words_of
from coach.lesson import CourseError

IMPORT_S = 60.0  # for the whole service
READER = "static/reader.js"  # lesson 04's, a file of the page


@dataclass(frozen=True)
class Exported:
    """What was written."""

    target: Path
    name: str
    parts: list[around.Placed]
    files: int
    left: dict[str, list[str]]  # what ruff finds in parts of yours: path -> rules


def export(root: Path, target: Path, name: str | None = None) -> Exported:
    """Write a project into `target`: whole, or not at all.

    Args:
        root: the course.
        target: a folder that does not exist or is empty, outside of the course.
        name: of the project; by default the folder's.

    Raises:
        CourseError: the folder or the name will not do, or the project does not start; the text says what helps.
    """
    target = Path(os.path.abspath(target))
    must_be_free(root, target)
    title = checked(target.name if name is None else name, ())
    parts = choose(root)
    while True:
        with staged(target) as stage:
            try:
                placed, left = write(root, parts, title, stage)
                try_out(stage, placed)
            except CannotGo as given_up:
                parts = [one.given_up(given_up.why) if one.lesson.number == given_up.number else one for one in parts]
            else:
                count = sum(path.is_file() for path in stage.rglob("*"))
                put_in_place(stage, target)
                return Exported(target, title, placed, count, left)


def must_be_free(root: Path, target: Path) -> None:
    """Raise CourseError unless a project can be put there."""
    if target.is_relative_to(root.resolve()) or target.resolve().is_relative_to(root.resolve()):
        beside = shown(root.resolve().parent / target.name, Path.cwd())
        raise CourseError(f"{target} lies in the course. Choose a folder beside it: coach export {beside}")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise CourseError(f"{target} is no folder. Choose another one, or move it away: mv {target} {target}.old")
    must_be_empty(target)
    if not target.parent.is_dir():
        raise CourseError(f"There is no folder {target.parent}. Make it first: mkdir -p {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise CourseError(f"Nothing can be written into {target.parent}. Choose a folder of yours.")


def must_be_empty(target: Path) -> None:
    """Raise CourseError if there is something in a folder."""
    if target.is_dir() and any(target.iterdir()):
        raise CourseError(
            f"{target} is not empty, and nothing in it is overwritten. Choose another folder, or move this one away: "
            f"mv {target} {target}.old"
        )


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Lend a folder beside the target, which is gone afterwards unless it was moved."""
    stage = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def put_in_place(stage: Path, target: Path) -> None:
    """Move a whole project to where it belongs. Somebody may have put something there in the meantime: that stays."""
    must_be_empty(target)
    stage.chmod(0o755)
    moved: list[Path] = []
    try:
        if not target.exists():
            stage.rename(target)
            return
        for one in sorted(stage.iterdir()):  # the folder itself stays: whoever types may stand in it
            moved.append(one.rename(target / one.name))
    except OSError as error:
        for one in moved:
            one.rename(stage / one.name)
        raise CourseError(f"{target} could not be put in place: {error.strerror}. Nothing was written.") from None


def shown(target: Path, here: Path) -> str:
    """Return a folder as somebody would type it from here."""
    return min(os.path.relpath(target, here), str(target), key=len)


def write(
    root: Path, parts: Sequence[Chosen], name: str, stage: Path
) -> tuple[list[around.Placed], dict[str, list[str]]]:
    """Write every file of the project; return where the parts are, and what ruff finds in those of yours."""
    collected = collect(root, parts)
    words = words_of(name, collected)
    paths = {number_of(one.old): one.path for one in collected.sources if one.old.endswith(f".{APP}")}
    placed = [around.Placed(one, paths[one.lesson.number]) for one in parts]
    python = python_files(name, collected)
    python["app/parts.py"] = around.parts_module(placed)
    packages = packages_of(root, python.values())
    checked(name, packages.names)
    for path, text in python.items():
        put(stage / path, text)
    for path, file in capstone_files(root):
        put(stage / path, translated(file, words))
    for source, target in collected.data.items():
        for file in files_below(root / source) if (root / source).is_dir() else [root / source]:
            put(stage / target / file.relative_to(root / source), file.read_bytes())
    for one in parts:
        home = (stage / paths[one.lesson.number]).parent
        for file in own_data(one):
            put(home / file, (one.folder / file).read_bytes())
        if one.lesson.number == "04":
            put(stage / "app/web/reader.js", reader(one))
    put(stage / "LICENSE", (root / "LICENSE").read_text(encoding="utf-8"))
    put(stage / "compose.yaml", around.compose(root, words, name))
    put(
        stage / "Dockerfile", around.filled("Dockerfile", image=around.image_of(name), python=around.python_image(root))
    )
    put(stage / ".dockerignore", around.filled("dockerignore"))
    put(stage / ".gitignore", around.filled("gitignore"))
    put(stage / "requirements.txt", "\n".join(packages.locked) + "\n")
    put(stage / "requirements-dev.txt", "\n".join(["-r requirements.txt", *packages.tools]) + "\n")
    use = wanted(root, collected.ports, [])
    yours = [one for one in placed if one.chosen.yours]
    put(
        stage / "README.md",
        around.filled(
            "README.md",
            name=name,
            image=around.image_of(name),
            whose=around.whose(placed),
            parts=around.parts_table(placed, use),
            remark=around.remark(placed),
            license="The parts that are yours are under whatever license you choose: say it here." if yours else "",
        ).rstrip()
        + "\n",
    )
    project = around.filled("pyproject.toml", name=name, dependencies="\n".join(packages.direct))
    put(stage / "pyproject.toml", project.replace("{{yours}}", ""))
    put_in_order(stage)
    left = findings(stage, placed)
    ignores = [
        f'"{path}" = {json.dumps(rules)} # yours, as you wrote it: delete this line, run ruff, mend'
        for path, rules in left.items()
    ]
    put(stage / "pyproject.toml", project.replace("{{yours}}", "".join(f"{one}\n" for one in ignores)))
    config = (stage / "app/config.py").read_text(encoding="utf-8")
    put(stage / ".env.example", around.env_example(config))
    return placed, left


def put(path: Path, content: str | bytes) -> None:
    """Write a file that anybody may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o644)


def translated(file: Path, words: Words) -> str | bytes:
    """Return another file of the capstone; what is no text stays as it is."""
    content = file.read_bytes()
    try:
        return around.text_file(content.decode(), words)
    except UnicodeDecodeError:
        return content


def reader(chosen: Chosen) -> str:
    """Return the page's reader, which is a part's."""
    known = todo_lines((chosen.lesson.solution / READER).read_text(encoding="utf-8"))
    return unmarked((chosen.folder / READER).read_text(encoding="utf-8"), known)


def ruff(stage: Path, *words: str) -> str:
    """Run ruff in the project.

    Raises:
        CourseError: it is not there, or cannot read a file.
    """
    command = [sys.executable, "-m", "ruff", *words, "--no-cache"]
    done = subprocess.run(command, cwd=stage, capture_output=True, text=True, check=False)
    if done.returncode > 1 or "No module named ruff" in done.stderr:
        raise CourseError(f"ruff does not run: {done.stderr.strip()[-300:]}\n`make start` repairs the environment.")
    return done.stdout


def put_in_order(stage: Path) -> None:
    """Sort imports, drop those that nothing needs any more, and lay all files out in one way."""
    # Unsafe: in an `__init__.py` ruff is afraid for what others import from there. That stands in `__all__`.
    ruff(stage, "check", "--fix-only", "--quiet", "--fixable", "I,F401,RUF022,RUF100,W", "--unsafe-fixes")
    ruff(stage, "format", "--quiet")


def findings(stage: Path, placed: Sequence[around.Placed]) -> dict[str, list[str]]:
    """Return what ruff finds in parts of yours: path -> rules, sorted."""
    mine = [one.path.removesuffix("/__init__.py") for one in placed if one.chosen.yours]
    found: dict[str, set[str]] = {}
    for one in json.loads(ruff(stage, "check", "--output-format", "json") or "[]"):
        path = Path(one["filename"]).resolve().relative_to(stage.resolve()).as_posix()
        if any(path == home or path.startswith(f"{home}/") for home in mine):
            found.setdefault(path, set()).add(one["code"])
    return {path: sorted(rules) for path, rules in sorted(found.items())}


def try_out(stage: Path, placed: Sequence[around.Placed]) -> None:
    """Import the service.

    Raises:
        CannotGo: a part of yours keeps it from being imported.
        CourseError: it cannot be imported, and no part of yours is the reason.
    """
    with tempfile.TemporaryDirectory() as data:
        program = f"import os; os.environ['APP_DATA'] = {data!r}; import app.main; app.main.app; os._exit(0)"
        try:
            status, said = run(stage, [sys.executable, "-W", "ignore", "-c", program], IMPORT_S)
        except subprocess.TimeoutExpired:
            status, said = 1, f"it is still being imported after {IMPORT_S:g} s"
    if status == 0:
        return
    last = said.strip().splitlines()[-1] if said.strip() else f"it ends with status {status}"
    blamed = [one for one in placed if one.chosen.yours and one.path in said]
    for one in sorted(blamed, key=lambda one: said.rindex(one.path), reverse=True):
        raise CannotGo(one.chosen.lesson.number, f"it does not import outside of its lesson ({last})")
    raise CourseError(f"The project does not start, and nothing of yours is the reason: {last}")
