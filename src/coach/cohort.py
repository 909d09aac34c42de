"""Many submissions of one lesson: graded side by side, then told as a table, CSV, Gradescope's JSON and a heat map.

Nothing that is wrong with one submission stops the others: it is a row with its reason.
"""

import contextlib
import csv
import io
import queue
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

from coach import workspace
from coach.lesson import STATE_COLORS, CourseError, Lesson
from coach.scorecard import Scorecard, finding_lines
from coach.warm import Warm

SHADES = {"done": "#2e7d5b", "not yet": "#c9543f", "to do": "#d8b44a", "waits": "#5b7fb5", "not run": "#9aa3a0"}
MARKS = {"done": "■", "not yet": "▨", "to do": "□", "waits": "◇", "not run": "·"}
CELL, ROW, LEFT, TOP = 54, 22, 190, 64


@dataclass(frozen=True)
class Submission:
    """What one person handed in, and what came of it. Either a verdict, or why there is none."""

    name: str
    graded: workspace.Graded | None
    problem: str = ""

    @property
    def points(self) -> int:
        """Points; 0 where nothing could be graded."""
        return self.graded.card.points if self.graded else 0

    def state(self, at: int) -> str:
        """State of the lesson's task at this place."""
        return self.graded.card.tasks[at].state if self.graded else "not run"

    @property
    def remark(self) -> str:
        """What an instructor should know in a line: why nothing counts, else the notes."""
        if self.graded is None:
            return self.problem
        return "; ".join(filter(None, [self.graded.card.broken, *self.graded.notes]))


def submissions_in(folder: Path) -> list[Path]:
    """Return what was handed in, sorted by name: folders, Python files and zip archives; hidden ones aside.

    Raises:
        CourseError: the folder is missing or empty.
    """
    if not folder.is_dir():
        raise CourseError(
            f"There is no folder {folder}. It has to hold one folder, .py file or .zip for each submission."
        )
    found = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith((".", "_")) and (path.is_dir() or path.suffix in (".py", ".zip"))
    )
    if not found:
        raise CourseError(f"{folder} holds no submission. It has to hold one folder, .py file or .zip for each.")
    return found


def grade_all(
    lesson: Lesson, paths: Sequence[Path], *, jobs: int, time_limit_s: float = workspace.TIME_LIMIT_S
) -> Iterator[Submission]:
    """Grade submissions, `jobs` of them together; yield each when it is done, in no order.

    Args:
        lesson: the lesson.
        paths: what was handed in.
        jobs: processes at once, at least 1.
        time_limit_s: seconds for one submission.

    Raises:
        CourseError: `jobs` is below 1, or the suite cannot be collected with the reference.
    """
    if jobs < 1:
        raise CourseError(f"--jobs must be at least 1, got {jobs}.")
    expected = workspace.expected_items(lesson)  # once, from the reference, and in memory: no submission can reach it
    warm: queue.SimpleQueue[Warm] = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        for _ in range(min(jobs, len(paths))):
            warm.put(stack.enter_context(workspace.warm_for(lesson)))

        def one(path: Path) -> Submission:
            mine = warm.get()
            try:
                with opened(lesson, path) as candidate:
                    files, notes = workspace.submitted_files(lesson, candidate)
                    graded = workspace.grade_files(
                        lesson, files, notes=notes, time_limit_s=time_limit_s, warm=mine, expected=expected
                    )
                return Submission(path.stem, graded)
            except (CourseError, OSError) as error:
                return Submission(path.stem, None, str(error))
            finally:
                if not mine.alive:  # a submission of the same user may have ended it; its own verdict is nothing
                    mine = stack.enter_context(workspace.warm_for(lesson))
                warm.put(mine)

        with ThreadPoolExecutor(jobs) as pool:
            running = [pool.submit(one, path) for path in paths]
            try:
                for done in as_completed(running):
                    yield done.result()
            finally:
                for future in running:
                    future.cancel()


@contextlib.contextmanager
def opened(lesson: Lesson, path: Path) -> Iterator[Path]:
    """Give a submission as a path that can be graded. Of an archive only the lesson's own files are unpacked.

    Raises:
        CourseError: the archive cannot be read, or has no `app.py`.
    """
    if path.suffix != ".zip" or path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="coach-") as temporary:
        try:
            _unpack(lesson, path, Path(temporary))
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:  # torn, or with a password
            raise CourseError(f"{path.name} cannot be read as a zip archive: {error}.") from None
        yield Path(temporary)


def _unpack(lesson: Lesson, path: Path, into: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {PurePosixPath(one.filename): one for one in archive.infolist() if not one.is_dir()}
        homes = sorted(
            (one.parent for one in members if one.name == "app.py"),
            key=lambda home: (lesson.folder not in home.parts, len(home.parts), str(home)),
        )
        if not homes:
            raise CourseError(f"Nothing to grade in {path.name}: there is no app.py in it.")
        for name in lesson.answer_files():
            if member := members.get(homes[0] / name):
                with archive.open(member) as packed:
                    # One byte more than is graded, so that what is too large is seen to be.
                    content = packed.read(workspace.FILE_LIMIT + 1)
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)


def as_csv(lesson: Lesson, found: Sequence[Submission]) -> str:
    """Return a line for each submission: points, then state and points of each task, then the remark."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"{task.number} {what}" for task in lesson.tasks for what in ("state", "points")]
    writer.writerow(["submission", "points", "max_points", *columns, "remark"])
    for one in found:
        cells: list[object] = []
        for at in range(len(lesson.tasks)):
            cells += [one.state(at), one.graded.card.tasks[at].points if one.graded else 0]
        writer.writerow([_plain(one.name), one.points, lesson.points, *cells, _plain(one.remark)])
    return text.getvalue()


def _plain(text: str) -> str:
    """Keep a spreadsheet from running a submission's words as a formula."""
    text = " ".join(text.split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def as_gradescope(lesson: Lesson, one: Submission) -> dict[str, Any]:
    """Return the result in the form that Gradescope reads as `results.json`: a test for each task.

    Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
    """
    tests = []
    for at, task in enumerate(lesson.tasks):
        card = one.graded.card.tasks[at] if one.graded else None
        tests.append(
            {
                "name": f"{task.number} {task.title}",
                "number": task.number,
                "score": card.points if card else 0,
                "max_score": task.points,
                "status": "passed" if card and card.state == "done" else "failed",
                "output": (card.message or card.state) if card else one.problem,
            }
        )
    output = "\n".join(line for line, _ in finding_lines(one.graded.card)) if one.graded else one.problem
    return {"score": one.points, "output": output, "visibility": "visible", "tests": tests}


def summary_lines(lesson: Lesson, found: Sequence[Submission], width: int = 80) -> list[tuple[str, str]]:
    """Return the cohort as lines of (text, style): each task, what failed most, and a line for each person."""
    count = len(found)
    mean = sum(one.points for one in found) / count
    done = sum(one.points == lesson.points for one in found)
    people = f"{count} submission{'s' if count != 1 else ''}"
    lines = [
        (f" {lesson.number} {lesson.name}: {people}, {done} done, {mean:.1f} of {lesson.points} on average", "title")
    ]
    for at, task in enumerate(lesson.tasks):
        states = Counter(one.state(at) for one in found)
        told = ", ".join(f"{states[state]} {state}" for state in STATE_COLORS if states[state])
        room = max(10, width - 44)
        lines.append((f" {task.number}  {task.title[:room]:<{min(room, 40)}} {told}", ""))
    failing = common_failures(found)
    if failing:
        lines += [("", ""), (" What failed most", "title")]
        lines += [(f" {times:>4} × {number} {test}", "") for (number, test), times in failing[:8]]
    lines += [("", ""), (f" {' '.join(f'{mark} {state}' for state, mark in MARKS.items())}", "dim")]
    longest = min(max(len(one.name) for one in found), 32)
    for one in sorted(found, key=lambda one: (-one.points, one.name)):
        marks = " ".join(MARKS[one.state(at)] for at in range(len(lesson.tasks)))
        line = f" {one.name[:32]:<{longest}}  {marks}  {one.points:>3}/{lesson.points}"
        lines.append((f"{line}  {one.remark}"[:width].rstrip(), "" if one.graded else "dim"))
    return lines


def common_failures(found: Sequence[Submission]) -> list[tuple[tuple[str, str], int]]:
    """Return ((task's number, test), how many failed it), most first: what to talk about next time."""
    counted: Counter[tuple[str, str]] = Counter()
    for one in found:
        card: Scorecard | None = one.graded.card if one.graded else None
        for task in card.tasks if card else ():
            failed = {outcome.function for outcome in task.failed if outcome.finding.result == "failed"}
            counted.update((task.task.number, test) for test in failed if task.state == "not yet")
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def heat_map(lesson: Lesson, found: Sequence[Submission]) -> str:
    """Return an SVG: a row for each submission, best first, a column for each task, colored by state."""
    rows = sorted(found, key=lambda one: (-one.points, one.name))
    width = LEFT + CELL * len(lesson.tasks) + 70
    height = TOP + ROW * len(rows) + 40
    svg = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}", "role": "img",
         "font-family": "system-ui, sans-serif", "font-size": "12"},
    )  # fmt: skip
    ET.SubElement(svg, "title").text = f"Lesson {lesson.number} {lesson.name}, {len(rows)} submissions"
    ET.SubElement(svg, "rect", {"width": str(width), "height": str(height), "fill": "#ffffff"})

    def write(x: float, y: float, text: str, **more: str) -> None:
        ET.SubElement(svg, "text", {"x": str(x), "y": str(y), "fill": "#1f2933", **more}).text = text

    write(16, 26, f"{lesson.number} {lesson.name}", **{"font-size": "16", "font-weight": "600"})
    for at, task in enumerate(lesson.tasks):
        write(LEFT + CELL * at + CELL / 2, TOP - 8, task.number, **{"text-anchor": "middle"})
    for line, one in enumerate(rows):
        y = TOP + ROW * line
        write(LEFT - 10, y + 15, one.name[:26], **{"text-anchor": "end"})
        for at, task in enumerate(lesson.tasks):
            state = one.state(at)
            cell = ET.SubElement(
                svg,
                "rect",
                {"x": str(LEFT + CELL * at + 1), "y": str(y + 1), "width": str(CELL - 2), "height": str(ROW - 2),
                 "rx": "3", "fill": SHADES[state]},
            )  # fmt: skip
            ET.SubElement(cell, "title").text = f"{one.name}, {task.number} {task.title}: {state}"
        write(LEFT + CELL * len(lesson.tasks) + 10, y + 15, f"{one.points}/{lesson.points}")
    x = LEFT
    for state, shade in SHADES.items():
        ET.SubElement(svg, "rect", {"x": str(x), "y": str(height - 26), "width": "12", "height": "12", "fill": shade})
        write(x + 16, height - 16, state)
        x += 70
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"
