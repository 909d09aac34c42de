"""How long a learner waits for feedback: a solved lesson against bare pytest.

    python benchmarks/feedback.py [LESSON ...] [--runs 7]

The bare run has as many tests, each of them empty, and imports what the lesson and its suite import, with the same
options of pytest but without `coach`: so Python collects garbage as it usually does, which a lesson's run puts off
(decision 0029). Runs alternate, so that a busy moment of the machine meets both; medians count.
Processor time is the steadier figure on a machine that does other things too.
"""

import argparse
import ast
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coach.lesson import Lesson, course_root, find_lesson, lesson_folders, read_lesson
from coach.workspace import expected_items, lend_capstone


@dataclass(frozen=True)
class Timing:
    """One run of pytest, in seconds."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Measure the lessons that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", metavar="LESSON")
    parser.add_argument("--runs", type=int, default=7, help="runs of each, at least 7 for a figure to quote")
    options = parser.parse_args()
    root = course_root()
    folders = lesson_folders(root)
    lessons = [find_lesson(root, one) for one in options.lessons] or [read_lesson(folder) for folder in folders]
    print(f"{'lesson':<14} {'tests':>5} {'lesson':>9} {'bare':>9} {'ratio':>6} {'cpu':>6}   medians of {options.runs}")
    for lesson in lessons:
        solved, bare = measure(root, lesson, options.runs)
        wall = median_wall(solved) / median_wall(bare)
        cpu = statistics.median(one.cpu_s for one in solved) / statistics.median(one.cpu_s for one in bare)
        seconds = f"{median_wall(solved):>7.2f} s {median_wall(bare):>7.2f} s"
        print(f"{lesson.folder:<14} {len(expected_items(lesson)):>5} {seconds} {wall:>6.2f} {cpu:>6.2f}", flush=True)


def median_wall(timings: Sequence[Timing]) -> float:
    """Return the median of the wall times, in seconds."""
    return statistics.median(one.wall_s for one in timings)


def measure(root: Path, lesson: Lesson, runs: int) -> tuple[list[Timing], list[Timing]]:
    """Run the solved lesson and its bare counterpart in turn; return their timings."""
    with tempfile.TemporaryDirectory() as temporary:
        solved_root = Path(temporary).resolve() / "solved"
        bare_root = Path(temporary).resolve() / "bare"
        folder = solved_root / "lessons" / lesson.folder
        shutil.copytree(lesson.path, folder)
        shutil.copytree(lesson.solution, solved_root / "solutions" / lesson.folder)
        shutil.copytree(lesson.solution, folder, dirs_exist_ok=True)
        bare_root.mkdir()
        for place in (solved_root, bare_root):
            shutil.copy(root / "pyproject.toml", place)
            if lesson.capstone:
                lend_capstone(lesson, place)
        (bare_root / "test_bare.py").write_text(bare_suite(lesson), encoding="utf-8")
        solved = ["lessons/" + lesson.number]
        bare = ["test_bare.py"]
        for plugin in ("coach", "mockllm", "looptime_plugin", "looptime_chronometers", "looptime_timeproxies"):
            bare += ["-p", f"no:{plugin}"]
        run(solved_root, solved)
        run(bare_root, bare)  # once each, so that the byte code is there
        timings = [(run(solved_root, solved), run(bare_root, bare)) for _ in range(runs)]
    return [one for one, _ in timings], [two for _, two in timings]


def bare_suite(lesson: Lesson) -> str:
    """Return a suite of empty tests, as many as the lesson has and async where its are, with the same imports."""
    source = lesson.suite.read_text(encoding="utf-8")
    suite = ast.parse(source)
    imports: list[str] = []
    answer = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(lesson.solution.glob("*.py"))]
    for node in (
        node for tree in [suite, *answer] for node in ast.walk(tree)
    ):  # those inside functions too: tests run them
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        if isinstance(node, ast.Import | ast.ImportFrom) and not relative:
            imports.append(ast.unparse(node))
    if any(asks_for_llm(node) for node in suite.body):
        imports.append("import respx")  # the fake's router needs it
    # An async test pays for an event loop of its own, in both runs.
    with_loop = {node.name for node in suite.body if isinstance(node, ast.AsyncFunctionDef)}
    tests = [
        f"{'async def' if item.split('[')[0] in with_loop else 'def'} test_{at}():\n    pass\n"
        for at, item in enumerate(expected_items(lesson))
    ]
    return "\n".join(dict.fromkeys(imports)) + "\n\n" + "\n".join(tests)


def asks_for_llm(node: ast.stmt) -> bool:
    """Tell whether a test or a fixture asks for the fixture `llm`."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    fixture = any("pytest.fixture" in ast.unparse(one) for one in node.decorator_list)
    return (fixture or node.name.startswith("test_")) and any(one.arg == "llm" for one in node.args.args)


def run(folder: Path, arguments: list[str]) -> Timing:
    """Run pytest once, all of whose tests must pass."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"A run that should pass failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return Timing(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
