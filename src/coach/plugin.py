"""pytest hooks, and nothing else: they translate between pytest and the modules that think.

Self-check: `pytest lessons/03` runs the suite and prints a scorecard. Graded: `coach.workspace` runs the same suite in
a temporary folder with `--coach-records`, and this plugin writes a signed record per test for the grading side.
"""

import asyncio
import contextlib
import gc
import importlib
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Generator, Iterator
from functools import cache, cached_property, partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

import pytest

from coach import explain
from coach.lesson import STATE_COLORS, CourseError, Lesson, marked_tests, read_lesson
from coach.scorecard import Outcome, Scorecard, card_lines, finding_lines, next_step, outcome_lines, score

if TYPE_CHECKING:
    from coach import seal

# Before code that does not end is interrupted: a guard, not a measure of speed. The tests of the guard shorten it.
PATIENCE_S = float(os.environ.get("COACH_PATIENCE_S", "10"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that graded mode uses."""
    group = parser.getgroup("coach")
    group.addoption(
        "--coach-records", type=int, metavar="FD", help="graded mode: write signed records to this descriptor"
    )


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Let `pytest lessons/03` mean the one folder below `lessons/` whose name starts so."""
    for at, arg in enumerate(args):
        path, colons, test = arg.partition("::")
        if re.search(r"(^|[/\\])\d{1,2}[/\\]?$", path) and not Path(path).exists():
            asked = Path(path)
            number = f"{int(asked.name):02d}"
            found = [folder for folder in asked.parent.glob(f"{number}_*") if (folder / "lesson.toml").exists()]
            if len(found) == 1:
                args[at] = str(found[0]) + colons + test


def pytest_configure(config: pytest.Config) -> None:
    """Register the part that keeps what a run found."""
    if any(map(names_lessons, config.args)):
        config.option.no_header = True  # a learner needs neither our versions nor our plugins
        # Nearly all that a short run makes stays to its end: to look for garbage in it cost a fifth of the run.
        config.add_cleanup(partial(gc.set_threshold, *gc.get_threshold()))
        gc.set_threshold(500_000, 10, 10)
    # looptime asks for the event loop before every test; with none ever set, Python 3.11 would make one and leak it.
    asyncio.set_event_loop(None)
    config.pluginmanager.register(Grader(config, _writer(config.getoption("--coach-records"))), "coach-grader")


def _writer(descriptor: int | None) -> "seal.Writer | None":
    if descriptor is None:
        return None
    from coach import seal  # graded mode alone

    return seal.Writer(descriptor)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for garbage only in what the tests make, not in the modules that were imported."""
    if any(map(names_lessons, session.config.args)):
        gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave what there is to the end of the process: pytest and Python would look through all of it once more."""
    if any(map(names_lessons, config.args)):
        gc.freeze()


class BrokenLesson(pytest.File):
    """Stands in for a suite whose lesson cannot be run: its tests by name, all with one message.

    By name, so that `-k`, one test's id and an editor's test explorer find what they look for.
    """

    message: str

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for every test of the suite, one for the lesson if even those cannot be told."""
        try:
            names = list(marked_tests(self.path))
        except CourseError:
            names = []
        for name in names or [self.path.parent.name]:
            yield BrokenItem.from_parent(self, name=name)


class BrokenItem(pytest.Item):
    """Fails with the reason why its lesson cannot be run."""

    def runtest(self) -> None:
        """Fail."""
        assert isinstance(self.parent, BrokenLesson)  # noqa: S101 - for the type checker: nothing else makes one
        pytest.fail(self.parent.message, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the lesson."""
        return self.path, None, self.name


class SealedSuite(pytest.Module):
    """A suite compiled before anything of the submission ran: rewriting the file afterwards changes nothing."""

    code: CodeType

    def _getobj(self) -> ModuleType:
        # Where pytest would read the file now. Private, but there is no hook between reading and running.
        name = module_name(self.path, self.config.rootpath)
        module = ModuleType(name)
        module.__file__ = str(self.path)
        module.__package__ = name.rpartition(".")[0]
        exec(self.code, vars(module))  # noqa: S102 - our own suite
        return module


class Grader:
    """What one run found, lesson by lesson. Under pytest-xdist the controller's instance sees every report."""

    def __init__(self, config: pytest.Config, records: "seal.Writer | None") -> None:
        self.config = config
        self.records = records
        self.lessons: dict[str, Lesson] = {}  # by folder, as text: reports travel between processes
        self.expected: dict[str, dict[str, int]] = {}  # folder -> tests of the suite, as they were collected
        self.outcomes: dict[str, list[Outcome]] = {}  # folder -> outcomes
        self.phases: dict[tuple[str, str], dict[str, tuple[explain.Finding, float]]] = {}  # test -> phase -> found, s
        self.broken: dict[str, str] = {}  # folder -> why
        self.sealed: dict[Path, CodeType] = {}
        if records:
            from coach import sandbox  # graded mode alone, and only where pass_fds works: not on Windows

            records.write({"kind": "sandbox", "problems": sandbox.enter()})
            for suite in filter(is_suite, config.rootpath.glob("lessons/*/test_*.py")):
                self.sealed[suite] = compile(suite.read_bytes(), suite, "exec", dont_inherit=True)
        self.patience_s = PATIENCE_S
        self.started = time.perf_counter()

    # Collecting.

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Import the learner's file first, guarded, so that a broken one gives one line and stops nothing else."""
        if not is_suite(module_path):
            return None
        try:
            lesson = read_lesson(module_path.parent)
        except CourseError as error:
            return self._stand_in(module_path, parent, str(error))
        self.lessons[str(lesson.path)] = lesson
        name = module_name(lesson.answer, self.config.rootpath)
        try:
            # Not raised as errors here: one deprecated line must not close the whole lesson.
            with warnings.catch_warnings(), patience(PATIENCE_S):
                warnings.simplefilter("ignore")
                importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            sys.modules.pop(name, None)
            reason = explain.broken_import(error, module_path.parent)
            return self._stand_in(module_path, parent, f"{reason.where}: {reason.seen}")
        if self.sealed:
            suite = SealedSuite.from_parent(parent, path=module_path)
            suite.code = self.sealed[module_path]
            return suite
        return None

    @pytest.hookimpl(wrapper=True, trylast=True)  # nearest to the suite: before --lf leaves any test out
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Note which tests a suite has, with parameters; its text, which need not be read then, does not tell these."""
        report = yield
        if report.passed and isinstance(collector, pytest.Module) and is_suite(collector.path):
            marks = {
                item.name: item.get_closest_marker("task") for item in report.result if isinstance(item, pytest.Item)
            }
            self.expected[str(collector.path.parent)] = {name: mark.args[0] for name, mark in marks.items() if mark}
        return report

    def _stand_in(self, module_path: Path, parent: pytest.Collector, message: str) -> pytest.Collector:
        node = BrokenLesson.from_parent(parent, path=module_path)
        node.message = message
        return node

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Tell the records which tests exist before `-k` takes any; keep pytest-timeout out of our guard's way."""
        ours = [item for item in items if is_suite(item.path)]
        for item in ours:
            # What one test leaves for the garbage collector would be raised in another, innocent one.
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
            if hasattr(signal, "SIGALRM"):
                item.add_marker(pytest.mark.timeout(0))
        if self.records:
            broken = next((item.parent.message for item in ours if isinstance(item.parent, BrokenLesson)), "")
            self.records.write({"kind": "collected", "tests": [item.name for item in ours], "broken": broken})

    # Running.

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Interrupt a set-up that does not end."""
        return (yield from self._bounded(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Interrupt a test that does not end."""
        return (yield from self._bounded(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Interrupt a clean-up that does not end: closing the loop waits for tasks that refuse to be cancelled."""
        return (yield from self._bounded(item))

    def _bounded(self, item: pytest.Item) -> Generator[None, object, object]:
        if not is_suite(item.path):
            return (yield)
        try:
            with patience(self.patience_s):
                return (yield)
        except explain.TookTooLong:
            # The next tests of the same answer may hang as well; nobody should wait the full time for each.
            self.patience_s = min(self.patience_s, PATIENCE_S / 5)
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach what a lesson's test found to its report, and cut the report to what helps."""
        if not is_suite(item.path):
            return (yield)
        style, item.config.option.tbstyle = item.config.option.tbstyle, "line"
        try:
            report = yield  # pytest would render every frame of FastAPI's stack, half a second a test, for nobody
        finally:
            item.config.option.tbstyle = style
        marker = item.get_closest_marker("task")
        task = marker.args[0] if marker and marker.args else 0
        finding = self._finding(item, call, report)
        vars(report)["coach"] = {
            "folder": str(item.path.parent),
            "test": item.name,
            "task": task,
            "finding": vars(finding).copy(),
            "broken": isinstance(item, BrokenItem),
        }
        if report.outcome == "failed":
            report.longrepr = "\n".join(outcome_lines(Outcome(item.name, task, finding)))
            report.sections = [section for section in report.sections if not section[0].startswith("Captured log")]
        return report

    def _finding(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> explain.Finding:
        doc = getattr(getattr(item, "obj", None), "__doc__", None) or ""
        why = doc.strip().split("\n")[0]
        if call.excinfo is None:
            # xfail(strict) can fail a report without an exception, xpass can pass one: neither is a pass.
            clean = report.outcome == "passed" and not hasattr(report, "wasxfail")
            return explain.Finding(
                "passed" if clean else "skipped", seen="" if clean else "was marked as expected to fail"
            )
        if report.outcome == "failed":
            if isinstance(item, BrokenItem):
                return explain.Finding("failed", seen=str(call.excinfo.value))
            from coach.stubs import owner  # here and below, because a run in which all passes has no use for it

            lesson = self.lessons[str(item.path.parent)]
            return explain.explain(call.excinfo.value, lesson.path, why=why, owner=partial(owner, lesson))
        return explain.Finding(
            "skipped", seen=f"was skipped ({call.excinfo.value}); a skipped test proves nothing", why=why
        )

    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
        """Count a lesson's failing tests as open or not yet: pytest then prints no traceback of its own for them."""
        found = vars(report).get("coach")
        if not found or report.outcome == "passed":
            return None
        if found["finding"]["result"] == "todo":
            return "to do", "-", "TO DO"
        return "not yet", "F", "NOT YET"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather a test's phases; when it is over, keep the first that went wrong and record it."""
        found = vars(report).get("coach")
        if not found or hasattr(self.config, "workerinput"):
            return
        if found["broken"]:
            if report.failed:
                self.broken.setdefault(found["folder"], found["finding"]["seen"])
            return
        phases = self.phases.setdefault((found["folder"], found["test"]), {})
        phases[report.when] = (explain.Finding(**found["finding"]), report.duration)
        if report.when != "teardown":
            return
        finding = next((finding for finding, _ in phases.values() if finding.result != "passed"), None)
        if finding is None:
            # Set-up and clean-up alone prove nothing: the call must have been seen to pass.
            finding = phases["call"][0] if "call" in phases else explain.Finding("skipped", seen="it did not run")
        duration = sum(seconds for _, seconds in phases.values())
        outcome = Outcome(found["test"], found["task"], finding, duration)
        self.outcomes.setdefault(found["folder"], []).append(outcome)
        if self.records:
            self.records.write(outcome.as_record())

    # Telling.

    @cached_property
    def scorecards(self) -> list[Scorecard]:
        """A card for every lesson that this run touched, in order; asked for when every test is over."""
        cards = []
        for folder in sorted({*self.outcomes, *self.broken}):
            with contextlib.suppress(CourseError):
                lesson = self.lessons.get(folder) or read_lesson(Path(folder))
                outcomes = self.outcomes.get(folder, [])
                cards.append(
                    score(
                        lesson,
                        outcomes,
                        expected=self.expected.get(folder) or lesson.expected_tests(),
                        open_todos=_open_todos(lesson, outcomes),
                        broken=self.broken.get(folder, ""),
                        duration_s=time.perf_counter() - self.started,
                    )
                )
        return cards

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that left a task undone, however quietly, and remember what is done."""
        if self.records:
            self.records.write({"kind": "end", "broken": next(iter(self.broken.values()), "")})
            return
        if hasattr(self.config, "workerinput"):
            return
        cards = self.scorecards
        if session.exitstatus == pytest.ExitCode.OK and any(
            card.state not in ("done", "not run") for one in cards for card in one.tasks
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        from coach import progress

        for card in cards:
            if card.complete and not card.broken:
                progress.remember(card)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what failed, then the scorecards, then the one thing to do next."""
        if self.records:
            return
        write = terminalreporter.write_line
        width = terminalreporter._tw.fullwidth
        for message in (m for folder, m in self.broken.items() if not _readable(Path(folder))):
            write(message, red=True)
        for card in self.scorecards:
            write("")
            for text, style in finding_lines(card, width) + card_lines(card, width):
                write(text, **_markup(style))
            write("")
            write(f" {next_step(card)}", bold=True)


def _open_todos(lesson: Lesson, outcomes: list[Outcome]) -> dict[str, str]:
    if all(outcome.finding.result == "passed" for outcome in outcomes):
        return {}  # what passed is done, whatever stands in the file
    from coach.stubs import open_todos

    return open_todos(lesson.path)


def _readable(folder: Path) -> bool:
    try:
        read_lesson(folder)
    except CourseError:
        return False
    return True


def _markup(style: str) -> dict[str, bool]:
    name = {"title": "bold", "dim": "light"}.get(style) or STATE_COLORS.get(style)
    return {name: True} if name else {}


def names_lessons(argument: str) -> bool:
    """Tell whether an argument of pytest stands for one lesson or for all."""
    path = Path(argument.partition("::")[0])
    return path.name == "lessons" or any((folder / "lesson.toml").is_file() for folder in (path, path.parent))


@cache  # asked for every phase of every test
def is_suite(path: Path) -> bool:
    """Tell whether a file is the suite of a lesson: it lies beside a `lesson.toml`."""
    return path.name.startswith("test_") and (path.parent / "lesson.toml").is_file()


def module_name(file: Path, root: Path) -> str:
    """Return the name under which pytest imports a file: "lessons.03_async.app"."""
    return ".".join(file.relative_to(root).with_suffix("").parts)


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise `TookTooLong` inside the block once it has run for `seconds`, and again every second it goes on.

    Works in the main thread of systems with SIGALRM; elsewhere it does nothing and pytest-timeout stays on guard.
    """
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(signum: int, frame: object) -> None:
        raise explain.TookTooLong(seconds, waiting_tasks())

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def waiting_tasks() -> str:
    """Return where the tasks of the running loop stand in lesson code, "" outside a loop."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return ""
    places = []
    for task in tasks:
        place = ""
        awaited: object = task.get_coro()
        while awaited is not None:  # from the task's own coroutine inward, as far as it says what it awaits
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
            file = Path(frame.f_code.co_filename) if frame else None
            if frame and file and (file.parent / "lesson.toml").is_file() and not is_suite(file):
                place = explain.at(file, frame.f_lineno, frame.f_code.co_name)
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
        places.append(place)
    return ", ".join(dict.fromkeys(filter(None, places)))
