"""What a learner has done and which hints were shown: small JSON files below `.coach/`, one a lesson.

Each is written whole beside its place and moved there, so that a kill leaves the old one or the new one.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coach.lesson import Lesson, Task

if TYPE_CHECKING:
    from coach.scorecard import Scorecard

VERSION = 1


@dataclass(frozen=True)
class Progress:
    """What is known of one lesson."""

    states: dict[str, str] = field(default_factory=dict)  # "03.4" -> state at the last full run
    points: int = 0
    answer_hash: str = ""  # of the learner's files at that run
    suite_hash: str = ""
    at: float = 0.0  # seconds since the epoch
    hints: dict[str, int] = field(default_factory=dict)  # "03.4" -> rungs shown
    note: str = ""  # what went wrong while reading, "" if nothing did


def _file(lesson: Lesson) -> Path:
    return lesson.path.parent.parent / ".coach" / f"{lesson.folder}.json"


def read(lesson: Lesson) -> Progress:
    """Return what is known of a lesson. A file that cannot be read is kept under another name and said in `note`."""
    file = _file(lesson)
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Progress(
            states=dict(data["states"]),
            points=int(data["points"]),
            answer_hash=str(data["answer_hash"]),
            suite_hash=str(data["suite_hash"]),
            at=float(data["at"]),
            hints={str(number): int(rungs) for number, rungs in data["hints"].items()},
        )
    except FileNotFoundError:
        return Progress()
    except (ValueError, KeyError, TypeError, AttributeError):
        kept = file.with_name(f"{file.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        file.replace(kept)
        return Progress(note=f".coach/{file.name} could not be read and is kept as .coach/{kept.name}.")


def write(lesson: Lesson, progress: Progress) -> None:
    """Keep what is known of a lesson, whole or not at all."""
    file = _file(lesson)
    text = json.dumps(
        {
            "version": VERSION,
            "states": progress.states,
            "points": progress.points,
            "answer_hash": progress.answer_hash,
            "suite_hash": progress.suite_hash,
            "at": progress.at,
            "hints": progress.hints,
        },
        indent=1,
    )
    write_whole(file, text)


def write_whole(file: Path, text: str) -> None:
    """Write a file beside its place and move it there: after a kill too there is the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    with beside.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


def remember(card: "Scorecard") -> None:
    """Keep the result of a full run."""
    lesson = card.lesson
    write(
        lesson,
        Progress(
            states={one.task.number: one.state for one in card.tasks},
            points=card.points,
            answer_hash=answer_hash(lesson),
            suite_hash=suite_hash(lesson),
            at=time.time(),
            hints=read(lesson).hints,
        ),
    )


def next_rung(lesson: Lesson, task: Task) -> int:
    """Count one more hint as shown and return how many that makes, at most three."""
    progress = read(lesson)
    rungs = min(progress.hints.get(task.number, 0) + 1, len(task.hints))
    write(lesson, replace(progress, hints={**progress.hints, task.number: rungs}))
    return rungs


def answer_hash(lesson: Lesson) -> str:
    """Return a hash over the files that the learner edits."""
    return _hash([lesson.path / name for name in lesson.answer_files()])


def suite_hash(lesson: Lesson) -> str:
    """Return a hash over what the lesson asks: suite, lesson.toml and the data that the suite reads."""
    return _hash([lesson.suite, lesson.path / "lesson.toml", *(lesson.path / name for name in lesson.data_files())])


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes() if file.is_file() else b""
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
