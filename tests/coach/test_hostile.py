"""Submissions that try to cheat or to break the grader get no point, and the verdict says why."""

from pathlib import Path

import pytest

from coach import workspace
from coach.lesson import read_lesson
from coach.scorecard import finding_lines
from tests.tiny_course import TinyCourse

HOSTILE = Path(__file__).resolve().parents[1] / "hostile"
CASES = sorted(path for path in HOSTILE.iterdir() if path.suffix == ".py" or (path.is_dir() and path.name[0] != "_"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_hostile_submission_gets_no_point(case: Path, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COACH_PATIENCE_S", "1")
    source = case / "app.py" if case.is_dir() else case
    says = source.read_text().splitlines()[0].removeprefix("# says: ")

    slow = "still running" in says
    result = workspace.grade(read_lesson(tiny.lesson), case, time_limit_s=6 if slow else 60)

    told = [result.card.broken, *result.notes, *(line for line, _ in finding_lines(result.card))]
    assert says in " ".join(" ".join(told).split())
    assert result.card.points == 0
    assert not any(task.state == "done" for task in result.card.tasks)


def test_the_network_is_gone_but_for_the_machine_itself_or_a_note_says_that_it_is_not(tiny: TinyCourse) -> None:
    alone = "import socket\n    assert [name for _, name in socket.if_nameindex()] == ['lo'], 'network'\n    "
    tiny.solve(2, 3, one=f"{alone}return 2 * n")
    result = workspace.grade(read_lesson(tiny.lesson), tiny.root)
    noted = any("network stayed reachable" in note for note in result.notes)
    assert result.card.done != noted, [task.message for task in result.card.tasks]


def test_a_server_on_the_loopback_address_still_works(tiny: TinyCourse) -> None:
    serve = (
        "import socket\n"
        "    server = socket.create_server(('127.0.0.1', 0))\n"
        "    client = socket.create_connection(server.getsockname())\n"
        "    client.close(); server.close()\n"
        "    return 2 * n"
    )
    tiny.solve(2, 3, one=serve)
    assert workspace.grade(read_lesson(tiny.lesson), tiny.root).card.done


def test_memory_without_end_is_refused(tiny: TinyCourse) -> None:
    tiny.solve(2, 3, one="bytearray(32 << 30)\n    return 2 * n")
    result = workspace.grade(read_lesson(tiny.lesson), tiny.root)
    assert result.card.tasks[0].state == "not yet"
    assert "MemoryError" in result.card.tasks[0].message


def test_an_honest_answer_beside_them_gets_its_points(tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    result = workspace.grade(read_lesson(tiny.lesson), tiny.root)
    assert result.card.points == 7
    assert result.card.done
    assert result.notes == ()
