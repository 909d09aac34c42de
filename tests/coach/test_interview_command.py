"""The command `coach interview` in a course that is a copy: whole sittings, interruptions, wrong calls."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from coach.interview.store import Store
from tests.conftest import ROOT

ENVIRONMENT = {"NO_COLOR": "1", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return copy_course(tmp_path)


def copy_course(folder: Path) -> Path:
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "src").symlink_to(ROOT / "notebooks" / "src")
    for name in ("lessons", "interviews"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "coach", "interview", *words]


def coach(course: Path, *words: str, typed: str = "", columns: int = 80) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        cwd=course,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**ENVIRONMENT, "COLUMNS": str(columns)},
    )


def data(course: Path, *words: str) -> dict[str, Any]:
    done = coach(course, "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_whole_interview_without_a_terminal(course: Path) -> None:
    step = data(course, "--minutes", "20", "--seed", "5")
    first = step["question"]["id"]
    assert (step["step"], step["minutes"], step["of"]) == ("question", 20, step["of"])
    assert "spoken" not in step["question"], "the answer is not shown before"
    while step["step"] == "question":
        step = data(course, "answer", "I", "would", "measure")
        assert step["question"]["said"] == "I would measure"
        step = data(course, "rate", *["p"] * len(step["question"]["listens_for"]))
    folder = course / step["task"]["folder"]
    kept = Store(course).read()
    assert kept is not None
    (folder / "app.py").write_text(kept.coding.solution, encoding="utf-8")
    assert data(course, "pause")["paused"]
    paused = Store(course).read()
    assert paused is not None
    assert paused.running_since is None
    end = data(course, "submit")
    assert end["step"] == "report"
    assert end["figures"]["met"] == end["figures"]["code_criteria"]
    assert end["figures"]["said"] * 2 == end["figures"]["criteria"]
    assert all((course / file).is_file() for file in end["files"])
    assert data(course, "report")["files"] == end["files"], "it is shown again as often as you like"
    again = data(course, "--minutes", "20", "--seed", "5")
    assert again["question"]["id"] == first, "the same seed, the same interview"


@pytest.mark.parametrize("columns", [60, 160])
def test_a_sitting_goes_on_where_it_was_left_and_ends_with_a_report(course: Path, columns: int) -> None:
    left = coach(course, "--minutes", "15", "--seed", "5", typed="notes\ny\n", columns=columns)
    assert left.returncode == 0, left.stderr
    assert "The clock stands" in left.stdout
    kept = Store(course).read()
    assert kept is not None
    count = len(kept.question.listens_for)
    on = coach(course, typed="x\n" + "p\n" * count + "\ne\n", columns=columns)
    assert on.returncode == 0, on.stderr
    assert "The interview goes on where it stood." in on.stdout
    assert "'x' is no rating" in on.stdout
    assert "it is not written yet" in on.stdout
    assert "report.html" in on.stdout
    assert max(map(len, (left.stdout + on.stdout).splitlines())) <= max(columns, 60)
    assert Store(course).read() is None
    assert len(Store(course).earlier()) == 1


def test_interrupted_it_has_the_clock_that_was_left(tmp_path: Path) -> None:
    hows = (signal.SIGKILL, signal.SIGINT, signal.SIGHUP)
    stores = [Store(copy_course(tmp_path / how.name)) for how in hows]
    sittings = [start(store.folder.parents[1]) for store in stores]
    try:
        waited_until = time.monotonic() + 15  # a guard: the first beat comes after two seconds
        while time.monotonic() < waited_until and not all(used_s(store) for store in stores):
            time.sleep(0.1)
        ends: dict[signal.Signals, tuple[str, str]] = {}
        for sitting, how in zip(sittings, hows, strict=True):
            sitting.send_signal(how)
            ends[how] = sitting.communicate(timeout=15)
    finally:
        for sitting in sittings:
            sitting.kill()
    assert [errors for _, errors in ends.values()] == ["", "", ""]
    assert "The clock stands" in ends[signal.SIGINT][0]
    assert [sitting.returncode for sitting in sittings] == [-signal.SIGKILL, 0, -signal.SIGHUP]
    for store in stores:
        kept = store.read()
        assert kept is not None
        assert kept.used_s > 0
        assert (kept.phase, kept.running_since) == ("question", None), "the clock stands while nobody is there"
    assert "goes on" in coach(stores[0].folder.parents[1]).stdout


def start(course: Path) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    # Whoever started the tests may have them ignore a signal, and children inherit that.
    terminal = ["env", "--default-signal=INT,HUP", *command("--seed", "5")]
    return subprocess.Popen(terminal, cwd=course, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT)


def used_s(store: Store) -> float:
    kept = store.read()
    return kept.used_s if kept else 0.0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lunch"], "There is no step 'lunch'. The steps are next, answer"),
        (["--topic", "cooking"], "There is no topic 'cooking'. The topics are: basics"),
        (["submit"], "No interview is open. Begin one: coach interview"),
        (["drop"], "No interview is open"),
        (["pause", "now"], "takes no words, and got 'now'"),
    ],
)
def test_a_wrong_call_is_one_line(course: Path, words: list[str], says: str) -> None:
    assert_one_line(coach(course, *words), says)
    assert not Store(course).file.exists()


def test_a_step_that_does_not_fit_says_which_one_does(course: Path) -> None:
    coach(course, "next", "--seed", "5")
    assert_one_line(coach(course, "rate", "y"), "does not fit here. Now comes: coach interview answer")
    assert_one_line(coach(course, "submit"), "does not fit here")
    assert_one_line(coach(course, "--minutes", "30"), "An interview is open, 4")
    coach(course, "answer", "-", typed="typed")
    assert_one_line(coach(course, "rate", "y", "maybe"), "each y, p or n: `coach interview rate y p")
    assert "Put aside as .coach/interview/" in coach(course, "drop").stdout
    begun_again = data(course, "next")
    assert begun_again["step"] == "question"


def test_a_broken_file_is_one_line_and_drop_is_the_way_out(course: Path) -> None:
    store = Store(course)
    store.folder.mkdir(parents=True)
    store.file.write_text("not ours", encoding="utf-8")
    for words in ((), ("next",), ("report",), ("--json",)):
        assert_one_line(coach(course, *words), "left as it is. `coach interview drop`")
    assert coach(course, "drop").returncode == 0
    assert coach(course, "next").returncode == 0
    shutil.rmtree(store.folder)
    store.folder.write_text("in the way", encoding="utf-8")
    assert_one_line(coach(course, "next"), "cannot be written")


def assert_one_line(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("typed", [None, b"", b"caf\xe9 \xff\n", b"\0\n"])
def test_any_bytes_and_none_are_no_traceback(course: Path, typed: bytes | None) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command("--seed", "5")] if typed is None else command("--seed", "5")
    done = subprocess.run(
        closed,
        cwd=course,
        input=typed,
        capture_output=True,
        timeout=60,
        check=False,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"The clock stands" in done.stdout
