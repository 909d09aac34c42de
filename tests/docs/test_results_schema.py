"""The schema of results says what results are."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coach import workspace
from coach.lesson import read_lesson
from coach.scorecard import as_json
from tests.docs.results_example import FILE, example, without_durations
from tests.tiny_course import TinyCourse

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "results.schema.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.timeout(120)


def result(tiny: TinyCourse) -> dict[str, Any]:
    graded = workspace.grade(read_lesson(tiny.lesson), tiny.lesson)
    return as_json(graded.card, course_version="0.1.0", suite_hash=graded.suite_hash, notes=graded.notes)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "answer",
    ["stub", "done", "wrong", "waits", "skips", "broken", "leaves"],
)
def test_a_real_result_is_valid(tiny: TinyCourse, answer: str) -> None:
    match answer:
        case "done":
            tiny.solve(1, 2, 3)
        case "wrong":
            tiny.solve(1, two="return n // 2")
        case "waits":
            tiny.solve(2, 3)
        case "skips":
            tiny.solve(1, two='import pytest; pytest.skip("later")')
        case "broken":
            tiny.write("def double(n:\n")
        case "leaves":
            tiny.write("import os\nos._exit(0)\n")
    Draft202012Validator(SCHEMA).validate(result(tiny))


def test_what_the_command_writes_is_valid(tiny: TinyCourse) -> None:
    command = [sys.executable, "-m", "coach", "grade", "03", "lessons/03_tiny", "--json", "-"]
    done = subprocess.run(command, cwd=tiny.root, capture_output=True, text=True, check=False)
    Draft202012Validator(SCHEMA).validate(json.loads(done.stdout))


def test_a_field_that_nobody_documented_is_invalid(tiny: TinyCourse) -> None:
    more = result(tiny) | {"rank": 1}
    assert not Draft202012Validator(SCHEMA).is_valid(more)


def test_every_field_is_on_the_page() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \|", page, flags=re.M)
    task, test = SCHEMA["$defs"]["task"], SCHEMA["$defs"]["test"]
    assert documented == [*SCHEMA["properties"], *task["properties"], *test["properties"]]


def test_every_field_is_always_there() -> None:
    for part in (SCHEMA, *SCHEMA["$defs"].values()):
        assert part["required"] == list(part["properties"])


def test_the_example_on_the_page_is_a_real_result(tmp_path: Path) -> None:
    shown = json.loads(FILE.read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(shown)
    assert shown == without_durations(example(tmp_path)), "write it anew: python -m tests.docs.results_example"
