"""The example on the page about results, made by grading a submission to the tiny course.

python -m tests.docs.results_example writes it anew.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from coach import workspace
from coach.lesson import read_lesson
from coach.scorecard import as_json
from tests.tiny_course import TinyCourse

FILE = Path(__file__).resolve().parents[2] / "docs" / "results.example.json"


def example(folder: Path) -> dict[str, Any]:
    """Return a result with one task done, one wrong and one open, and a file that was left aside."""
    tiny = TinyCourse(folder / "course")
    tiny.solve(1, two='if n < 0:\n        raise ValueError("negative")\n    return n // 2')
    (tiny.lesson / "notes.txt").write_text("to myself")
    graded = workspace.grade(read_lesson(tiny.lesson), tiny.lesson)
    return as_json(graded.card, course_version="0.1.0", suite_hash=graded.suite_hash, notes=graded.notes)


def without_durations(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result with every duration as on a machine that takes no time."""
    tasks = [task | {"duration_s": 0.001} for task in result["tasks"]]
    return result | {"duration_s": 0.7, "tasks": tasks}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        text = json.dumps(without_durations(example(Path(temporary))), indent=2)
    FILE.write_text(text + "\n", encoding="utf-8")
