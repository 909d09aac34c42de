"""Whose code each part of the project is: yours where it is finished and can be imported, else the reference."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from coach.lesson import Lesson, lesson_folders, read_lesson
from coach.parts import unfinished

PATIENCE_S = 20.0  # for one import: FAISS and LangChain together take three on a slow machine
PROGRAM = """\
import json, os, sys
from pathlib import Path
from coach.lesson import CourseError, find_lesson
from coach.parts import pick
root, number, told = sys.argv[1:]
try:
    part = pick(Path(root), number, "yours")
    gone = [name for name in find_lesson(Path(root), number).exports if not hasattr(part.module, name)]
    said = f"{part.file} has no {', '.join(gone)}" if gone else ""
except CourseError as error:
    said = str(error).removesuffix(". Finish it, or start with CAPSTONE_PARTS=auto.")
Path(told).write_text(json.dumps(said), encoding="utf-8")
os._exit(0)  # whatever was started goes with it
"""


@dataclass(frozen=True)
class Chosen:
    """One part of the project."""

    lesson: Lesson
    why_not: str = ""  # why it is the reference, "" if it is yours

    @property
    def yours(self) -> bool:
        """Whether the learner wrote it."""
        return not self.why_not

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.lesson.path if self.yours else self.lesson.solution

    def given_up(self, why: str) -> "Chosen":
        """Return the reference in its place."""
        return replace(self, why_not=why)


class CannotGo(Exception):
    """A part of yours cannot leave its lesson."""

    def __init__(self, number: str, why: str) -> None:
        super().__init__(why)
        self.number, self.why = number, why


@contextlib.contextmanager
def leaving(number: str, *, yours: bool) -> Iterator[None]:
    """Whatever goes wrong with the files of a part of yours is no reason to give up the rest.

    Raises:
        CannotGo: something went wrong.
    """
    try:
        yield
    except Exception as error:
        if not yours:
            raise
        said = str(error).strip().splitlines() or [""]
        raise CannotGo(number, f"its files cannot be taken along ({type(error).__name__}: {said[0]})") from error


def choose(root: Path) -> list[Chosen]:
    """Choose every part.

    Raises:
        CourseError: a lesson cannot be read.
    """
    lessons = [read_lesson(folder) for folder in lesson_folders(root)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda lesson: Chosen(lesson, why_not(root, lesson)), lessons))


def why_not(root: Path, lesson: Lesson) -> str:
    """Say why a lesson of the learner's cannot be taken, "" if it can. It is imported in a process of its own."""
    if why := unfinished(lesson):
        return why
    file = f"lessons/{lesson.folder}/app.py"
    with tempfile.TemporaryDirectory(prefix="coach-") as folder:
        told = Path(folder, "told")
        try:
            run(root, [sys.executable, "-c", PROGRAM, str(root), lesson.number, str(told)], PATIENCE_S)
            return json.loads(told.read_text(encoding="utf-8"))
        except subprocess.TimeoutExpired:
            return f"{file} is still being imported after {PATIENCE_S:g} s"
        except OSError:
            return f"{file} ends Python when it is imported"


def run(folder: Path, command: Sequence[str], patience_s: float) -> tuple[int, str]:
    """Run a program that imports what somebody wrote; return its status, and what it wrote to standard error.

    It gets no key of the environment, and is ended with all that it has started.

    Raises:
        TimeoutExpired: it takes too long.
    """
    keys = ("CAPSTONE_", "APP_", "OPENAI_", "ANTHROPIC_", "PYTHON", "COACH_")
    known = {name: value for name, value in os.environ.items() if not name.startswith(keys)}
    known |= {"CAPSTONE_PARTS": "reference", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    nowhere = subprocess.DEVNULL
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=folder, env=known, stdin=nowhere, stdout=nowhere, stderr=said, start_new_session=True
        )
        try:
            status = process.wait(patience_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        return status, said.read().decode(errors="replace")
