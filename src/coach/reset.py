"""Put answers back to their stubs, keeping a dated copy of what was there."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from coach.lesson import Lesson, Task
from coach.stubs import put_back, stub_files


@dataclass(frozen=True)
class Plan:
    """What a reset would write. Nothing happens before `apply`."""

    lesson: Lesson
    texts: dict[str, str]  # name relative to the lesson's folder -> new text

    @property
    def changed(self) -> list[str]:
        """The names that would change, sorted."""
        return sorted(name for name, text in self.texts.items() if _text(self.lesson.path / name) != text)

    def apply(self) -> Path:
        """Copy what is there, then write.

        Returns:
            The folder with the copies: `.coach/backups/03_async-20261123-101500`.
        """
        lesson = self.lesson
        backups = lesson.path.parent.parent / ".coach" / "backups"
        kept = backups / f"{lesson.folder}-{time.strftime('%Y%m%d-%H%M%S')}"
        again = 1
        while kept.exists():  # twice in one second
            again += 1
            kept = backups / f"{lesson.folder}-{time.strftime('%Y%m%d-%H%M%S')}-{again}"
        kept.mkdir(parents=True)
        for name in self.changed:
            mine = lesson.path / name
            if mine.is_file():
                (kept / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(mine, kept / name)
            mine.parent.mkdir(parents=True, exist_ok=True)
            mine.write_text(self.texts[name], encoding="utf-8")
        return kept


def put_lesson_back(lesson: Lesson) -> Plan:
    """Plan to put every file of a lesson back to its stub."""
    return Plan(lesson, stub_files(lesson))


def put_task_back(lesson: Lesson, task: Task) -> Plan:
    """Plan to put one task back in every file that it is in, leaving the rest as the learner wrote it.

    A file that is missing comes back whole.

    Raises:
        CourseError: as `coach.stubs.put_back`.
    """
    texts: dict[str, str] = {}
    for name, stub in stub_files(lesson).items():
        mine = lesson.path / name
        texts[name] = put_back(lesson, task, name, mine.read_text(encoding="utf-8")) if mine.is_file() else stub
    return Plan(lesson, texts)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
