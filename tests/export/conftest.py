"""Courses to export from, and what became of them. Written once: an export takes seconds."""

import fcntl
import os
import pickle
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from coach.export import Exported, export
from coach.lesson import Lesson, lesson_folders, read_lesson
from coach.samples import sample_files, samples
from coach.stubs import stub_files
from tests.conftest import ROOT

LESSONS = [read_lesson(folder) for folder in lesson_folders(ROOT)]
COPIED = ("capstone", "deploy", "solutions", "src", "tests/home")  # as they are now: somebody may be at work on ours
LINKED = (
    "Dockerfile", "compose.yaml", "LICENSE", "pyproject.toml",
    "requirements.lock", "requirements-dev.lock", "requirements-service.lock",
)  # fmt: skip
NAME = "harbor"


def answer(lesson: Lesson, style: int) -> Mapping[str, bytes]:
    """A right answer in another style, as a learner has it."""
    found = samples(ROOT, "right_answers", lesson)
    files = sample_files(lesson, found[style % len(found)])
    return {name: re.sub(rb"(?ms)^ *// --- stub\n.*?(?=^ *// <<<)", b"", content) for name, content in files.items()}


def course(folder: Path, answers: Mapping[str, Mapping[str, bytes]]) -> Path:
    """A course in which these lessons are done and the others untouched."""
    for lesson in LESSONS:
        home = folder / "lessons" / lesson.folder
        stub = {name: text.encode() for name, text in stub_files(lesson).items()}
        for name, content in (answers.get(lesson.number) or stub).items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(content)
        shutil.copy(lesson.path / "lesson.toml", home)
        for name in lesson.data_files():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(lesson.path / name, home / name)
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    return folder


@dataclass(frozen=True)
class Home:
    """A project, and the course that it is from."""

    course: Path
    path: Path
    told: Exported

    def read(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def files(self) -> dict[str, bytes]:
        found = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): path.read_bytes() for path in found}


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Home]) -> Home:
    """What `make` makes in a folder, made once for all processes that share the tests."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= f"export-{name}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / "home.pickle"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(kept.read_bytes())  # noqa: S301 - ours


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Out of a course in which nothing is done."""

    def make(folder: Path) -> Home:
        root = course(folder / "course", {})
        return Home(root, folder / NAME, export(root, folder / NAME))

    return once(tmp_path_factory, "untouched", make)


HELPER = '''
"""Mine."""

from pathlib import Path


def greeting() -> str:
    return (Path(__file__).parent / "greeting.txt").read_text()
'''


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Out of a course in which all is done, in other styles: one part has files more, two cannot leave."""
    return once(tmp_path_factory, "done", all_done)


def all_done(folder: Path) -> Home:
    answers = {lesson.number: dict(answer(lesson, style)) for style, lesson in enumerate(LESSONS)}
    auth = answers["08"]
    auth["app.py"] = auth["app.py"].replace(b"\nimport hmac", b"\nimport hmac\nfrom .mine import greeting", 1)
    auth["app.py"] += b"\n\nHELLO = greeting()\n\n\ndef nobody_asks_this_yet() -> str:\n    return HELLO\n"
    auth |= {"mine.py": HELPER.encode(), "greeting.txt": b"Ahoy"}
    answers["03"]["app.py"] = "\ufeff".encode() + answers["03"]["app.py"]  # as some editors write it
    answers["01"]["app.py"] += b"\n\ndef test() -> None:\n    from tests import nothing\n"  # is not there at home
    answers["02"]["app.py"] += b'\n\nassert "lessons" in __file__, "away from its lesson"\n'
    root = course(folder / "course", answers)
    return Home(root, folder / NAME, export(root, folder / NAME))
