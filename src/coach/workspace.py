"""Grade somebody's files: our suite and their answer in a temporary folder, pytest in a subprocess, the verdict here.

The reference, submissions, wrong answers and right answers all go this way. Nothing is believed but signed records:
not an exit status, not the absence of failures, not a file that the submission could have written.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coach import seal
from coach.explain import Finding
from coach.lesson import CourseError, Lesson, lesson_folders, shown
from coach.progress import suite_hash, write_whole
from coach.scorecard import Outcome, Scorecard, score
from coach.stubs import open_todos
from coach.warm import Fork, Warm, modules_of

TIME_LIMIT_S = 60.0
OUTPUT_LIMIT = 10_000_000  # bytes of standard output and error together
FILE_LIMIT = 1_000_000  # bytes of one submitted file

# Tests that can only fail. A submission that makes everything pass gives itself away by making these pass.
CANARIES = '''
import pytest


@pytest.mark.task(0)
def test_{name}_a():
    """The grading side checks that failures still fail."""
    assert [] == [0], "as it must"


@pytest.mark.task(0)
def test_{name}_b():
    """The grading side checks that failures still fail."""
    raise LookupError("as it must")


@pytest.mark.task(0)
async def test_{name}_c():
    """The grading side checks that failures still fail."""
    with pytest.raises(LookupError):
        pass
'''

CONFIG = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
filterwarnings = error
timeout = 20
markers = task(id): the task of the lesson that this test belongs to
"""

# By the names of their entry points: looptime looks for pytest-asyncio under its own.
PLUGINS = ("mockllm.alias", "coach", "asyncio", "timeout", "looptime_plugin", "mockllm")


@dataclass(frozen=True)
class Graded:
    """A verdict and what an instructor should know about how it came about."""

    card: Scorecard
    suite_hash: str
    notes: tuple[str, ...] = ()


def grade(lesson: Lesson, candidate: Path, *, time_limit_s: float = TIME_LIMIT_S, warm: Warm | None = None) -> Graded:
    """Grade a candidate's answer to a lesson.

    Args:
        lesson: the lesson.
        candidate: a folder with the lesson's files, a folder that has the lesson's folder in it (a whole clone, or its
            `lessons/`), or the one file `app.py` under any name.
        time_limit_s: seconds for the whole run; what was not recorded by then is not done.
        warm: starts the run in a fork that has imported what the suite needs, for many gradings in a row.

    Raises:
        CourseError: there is nothing to grade at `candidate`; the text says what was looked for.
    """
    files, notes = submitted_files(lesson, candidate)
    return grade_files(lesson, files, notes=notes, time_limit_s=time_limit_s, warm=warm)


def warm_for(lesson: Lesson) -> Warm:
    """Start a process for many gradings of one lesson. Close it, or use it as a context manager."""
    return Warm(modules_of(lesson), _environment(lesson.path))


def grade_files(
    lesson: Lesson,
    files: Mapping[str, bytes],
    *,
    notes: Sequence[str] = (),
    time_limit_s: float = TIME_LIMIT_S,
    warm: Warm | None = None,
    expected: Mapping[str, int] | None = None,
) -> Graded:
    """Grade the files of an answer: name relative to the lesson's folder -> content. Else as `grade`.

    `expected` is what `expected_items` returned, for many gradings in a row.
    """
    expected = expected_items(lesson) if expected is None else expected
    started = time.monotonic()
    with workspace(lesson, files) as folder:
        canary = f"zz{secrets.token_hex(6)}"  # sorts last: what the submission patched while it ran shows here
        (folder / f"test_{canary}.py").write_text(CANARIES.format(name=canary), encoding="utf-8")
        run = _run(folder, time_limit_s, warm=warm)
        todos = open_todos(folder)
    return _verdict(lesson, run, expected, canary, todos, list(notes), time.monotonic() - started)


def submitted_files(lesson: Lesson, candidate: Path) -> tuple[dict[str, bytes], list[str]]:
    """Find the files that count in what was handed in, and note what was left aside.

    Returns:
        Name relative to the lesson's folder -> content, for the files that the reference has too; and the notes.

    Raises:
        CourseError: none of them is there.
    """
    names = lesson.answer_files()
    notes: list[str] = []
    if candidate.is_file():
        found = {"app.py": candidate}
    else:
        places = (candidate, candidate / lesson.folder, candidate / "lessons" / lesson.folder)
        home = next((place for place in places if (place / "app.py").is_file()), None)
        if home is None:
            raise CourseError(
                f"Nothing to grade at {candidate}: looked for app.py there, in {lesson.folder}/ and in "
                f"lessons/{lesson.folder}/. Name the file, the lesson's folder or the clone."
            )
        found = {name: home / name for name in names if (home / name).is_file()}
        ours = {lesson.suite.name, "README.md", "lesson.toml", "__init__.py", *lesson.data, *names}
        extra = sorted(path.name for path in home.iterdir() if path.is_file() and path.name not in ours)
        if extra:
            notes.append(f"left aside: {', '.join(extra[:10])}{' …' if len(extra) > 10 else ''}")
    files: dict[str, bytes] = {}
    for name, path in found.items():
        if path.stat().st_size > FILE_LIMIT:
            raise CourseError(f"{path} is {path.stat().st_size:,} bytes; more than {FILE_LIMIT:,} is not graded.")
        files[name] = path.read_bytes()
    return files, notes


@contextlib.contextmanager
def workspace(lesson: Lesson, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Give the lesson's folder in a temporary course: our suite, their files; gone afterwards.

    A file of the answer that was not handed in is missing there too.

    Raises:
        CourseError: a file of ours is missing.
    """
    with tempfile.TemporaryDirectory(prefix="coach-") as temporary:
        root = Path(temporary).resolve()
        folder = root / "lessons" / lesson.folder
        folder.mkdir(parents=True)
        (root / "pytest.ini").write_text(CONFIG, encoding="utf-8")
        for name, content in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        # Ours last: nothing that was handed in stands in for them.
        for name in (lesson.suite.name, "lesson.toml", *lesson.data_files()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copy(lesson.path / name, folder / name)
            except FileNotFoundError:
                ours = shown(lesson.path / name)
                raise CourseError(f"{ours} is missing. `git checkout -- {ours}` brings it back.") from None
        if lesson.capstone:
            lend_capstone(lesson, root)
        yield folder


def lend_capstone(lesson: Lesson, root: Path) -> None:
    """Let the capstone be imported in `root`, and the other lessons' references, which serve in it."""
    course = lesson.path.parent.parent
    (root / "capstone").symlink_to(course / "capstone")
    (root / "solutions").mkdir(exist_ok=True)
    for folder in lesson_folders(course):
        if folder != lesson.path:
            (root / "solutions" / folder.name).symlink_to(course / "solutions" / folder.name)


def expected_items(lesson: Lesson) -> dict[str, int]:
    """Return every test of the suite, with parameters, and its task: collected with the reference, never the candidate.

    Kept below `.coach/` under the hash of the suite, since it takes a run of pytest.

    Raises:
        CourseError: the suite cannot be collected with the reference.
    """
    reference = {name: (lesson.solution / name).read_bytes() for name in lesson.answer_files()}
    cache = lesson.path.parent.parent / ".coach" / "expected" / f"{lesson.folder}-{suite_hash(lesson)[:16]}.json"
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(cache.read_text(encoding="utf-8")))
    with workspace(lesson, reference) as folder:
        run = _run(folder, TIME_LIMIT_S, "--collect-only")
    collected = next((one for one in run.records if one["kind"] == "collected"), {"tests": [], "broken": ""})
    tasks = lesson.expected_tests()
    items = {name: tasks[name.split("[")[0]] for name in collected["tests"] if name.split("[")[0] in tasks}
    if collected["broken"] or {name.split("[")[0] for name in items} != set(tasks):
        why = collected["broken"] or run.output[-2000:]
        raise CourseError(f"{shown(lesson.suite)} cannot be collected with the reference:\n{why}")
    with contextlib.suppress(OSError):
        write_whole(cache, json.dumps(items))
    return items


@dataclass(frozen=True)
class _Run:
    records: list[dict[str, Any]]
    output: str  # the end of what was printed
    stopped: str  # why the run was ended from outside, "" if it was not


def _run(folder: Path, time_limit_s: float, *options: str, warm: Warm | None = None) -> _Run:
    """Run pytest on a lesson's folder in a process of its own, ended with all its children when a limit is reached."""
    ours, theirs = socket.socketpair()
    key = secrets.token_bytes(seal.KEY_BYTES)
    ours.sendall(key)
    printed_here, printed_there = os.pipe()
    root = folder.parent.parent
    arguments = [
        str(folder), "-c", str(root / "pytest.ini"), "--rootdir", str(root),
        "--import-mode=importlib", "--assert=plain", "--noconftest", "--tb=no", "-q", "-p", "no:cacheprovider",
        "--coach-records={records}", *options,
    ]  # fmt: skip
    for plugin in PLUGINS:
        arguments += ["-p", plugin]
    environment = _environment(root)
    with contextlib.ExitStack() as failed, theirs, os.fdopen(printed_there, "wb") as output:
        failed.callback(ours.close)
        failed.callback(os.close, printed_here)
        if warm:
            process: Fork | subprocess.Popen[bytes] = warm.start(
                arguments, cwd=root, env=environment, output=output.fileno(), records=theirs.fileno()
            )
        else:
            # -P -s: neither the current folder nor the user's packages come before ours.
            process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "pytest"]
                + [argument.replace("{records}", str(theirs.fileno())) for argument in arguments],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        failed.pop_all()
    records = bytearray()
    tail = bytearray()
    stopped: list[str] = []

    def read_records() -> None:
        while data := ours.recv(65536):
            records.extend(data)

    def read_output() -> None:
        printed = 0
        while data := os.read(printed_here, 65536):
            printed += len(data)
            tail.extend(data)
            del tail[:-20_000]
            if printed > OUTPUT_LIMIT and not stopped:
                stopped.append(f"it printed more than {OUTPUT_LIMIT // 1_000_000} MB and was stopped")
                _end(process)

    readers = [threading.Thread(target=read_records, daemon=True), threading.Thread(target=read_output, daemon=True)]
    for reader in readers:
        reader.start()
    try:
        process.wait(time_limit_s)
    except subprocess.TimeoutExpired:
        stopped.append(f"it was still running after {time_limit_s:g} s and was stopped")
    finally:
        _end(process)
        process.wait()
    for reader in readers:
        reader.join(5)  # a grandchild may hold the pipes open; what it writes later counts for nothing
    if not readers[1].is_alive():
        os.close(printed_here)
    ours.close()
    return _Run(seal.read(key, bytes(records)), tail.decode(errors="replace"), stopped[0] if stopped else "")


def _end(process: "Fork | subprocess.Popen[bytes]") -> None:
    """End a process and everything it started in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment(root: Path) -> dict[str, str]:
    """Only what Python needs: no key, no proxy, no PYTHONPATH, no user's settings."""
    keep = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "COACH_PATIENCE_S")
    kept = {name: os.environ[name] for name in keep if name in os.environ}
    return {
        **kept,
        "HOME": str(root),
        "TMPDIR": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def _verdict(
    lesson: Lesson,
    run: _Run,
    expected: Mapping[str, int],
    canary: str,
    todos: Mapping[str, str],
    notes: list[str],
    duration_s: float,
) -> Graded:
    """Form the scorecard from genuine records alone: every expected test exactly once, the canaries failed, an end."""
    records = [record for record in run.records if record["kind"] == "test"]
    names = [record["test"] for record in records]
    outcomes = [
        Outcome.from_record(record)
        for record in records
        if names.count(record["test"]) == 1 and expected.get(record["test"]) == record["task"]
    ]
    notes += [problem for record in run.records if record["kind"] == "sandbox" for problem in record["problems"]]
    end = next((record for record in run.records if record["kind"] == "end"), None)
    canaries = [record["finding"]["result"] for record in records if canary in record["test"]]
    if end is None or (len(canaries) < CANARIES.count("@") and not end["broken"]):
        broken = f"nothing counts: {run.stopped or 'the process ended before the suite did'}"
    elif len(names) != len(set(names)):
        broken = "nothing counts: tests left two results, as a suite does that runs twice"
    elif end["broken"]:
        broken = end["broken"]
    elif set(canaries) != {"failed"}:
        broken = "nothing counts: tests that can only fail were kept from failing"
    else:
        broken = ""
    seen = {outcome.test for outcome in outcomes}
    gone = [
        Outcome(test, id, Finding("failed", seen="this test left no result, or two"))
        for test, id in expected.items()
        if test not in seen
    ]
    card = score(lesson, [*outcomes, *gone], expected=expected, open_todos=todos, broken=broken, duration_s=duration_s)
    return Graded(card, suite_hash(lesson), tuple(notes))
