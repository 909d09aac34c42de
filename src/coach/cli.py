"""The `coach` command. Parses, prints and asks; everything else is in the modules beside it."""

import contextlib
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coach.interview.commands import interview
from coach.lesson import (
    STATE_COLORS,
    CourseError,
    Lesson,
    course_root,
    find_lesson,
    find_task,
    lesson_folders,
    read_lesson,
)
from coach.overview import Standing, course_lines, tip_lines
from coach.rehearse.commands import quiz

if TYPE_CHECKING:
    import subprocess

app = typer.Typer(
    help="Learn to serve LLMs with FastAPI: grade your lessons, get hints, run what you wrote.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
LessonArg = Annotated[str, typer.Argument(metavar="LESSON", help="A lesson: 03, 3 or async.")]


def main() -> None:
    """Run the command; a mistake in the course or the call is one line on standard error and exit status 2."""
    try:
        if sys.argv[1:] == ["status"]:
            status()  # has nothing to parse, and people run it all day: a third of the time with the parser loaded
        else:
            app()
    except CourseError as error:
        _complain(str(error))
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output left (`coach status | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _print(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines of (text, style): the name of a task's state, "title", "dim" or ""."""
    for text, style in lines:
        color = STATE_COLORS.get(style)
        typer.secho(text, fg=color, bold=style == "title" or None, dim=style == "dim" or None)


def _say(text: str, style: str = "") -> None:
    _print([(text, style)])


def _complain(text: str) -> None:
    typer.secho("coach: ", fg="red", err=True, nl=False)
    typer.echo(text, err=True)


def _width() -> int:
    return shutil.get_terminal_size().columns


def _lessons(root: Path) -> list[Lesson]:
    """Every lesson that can be read; one that cannot is named and left out."""
    found = []
    for folder in lesson_folders(root):
        try:
            found.append(read_lesson(folder))
        except CourseError as error:
            _complain(str(error))
    return found


def _standings(lessons: list[Lesson]) -> list[Standing]:
    from coach import progress

    found = []
    for lesson in lessons:
        known = progress.read(lesson)
        if known.note:
            _complain(known.note)
        edited = bool(known.answer_hash) and known.answer_hash != progress.answer_hash(lesson)
        found.append(Standing(lesson, known.points, edited))
    return found


def _first_unfinished(standings: list[Standing]) -> Lesson | None:
    return next((one.lesson for one in standings if not one.done), None)


def _on_path() -> bool:
    return (shutil.which("pytest") or "").startswith(str(Path(sys.executable).parent))


@app.command()
def status() -> None:
    """Show the lessons, your points and what to do next."""
    standings = _standings(_lessons(course_root()))
    _print(course_lines(standings, _width()))
    typer.echo()
    _print(tip_lines(_first_unfinished(standings), activated=_on_path()))


@app.command()
def start() -> None:
    """Show the course, then check the first lesson that is not finished."""
    import subprocess

    root = course_root()
    lessons = _lessons(root)
    standings = _standings(lessons)
    first = _first_unfinished(standings)
    checking = _pytest(root, first, stdout=subprocess.PIPE) if first else None  # runs while the table is drawn
    _print(course_lines(standings, _width()))
    if first and checking:
        typer.echo(f"\n Checking lesson {first.number} as it stands now, {lessons.index(first) + 1} of {len(lessons)}:")
        text, _ = checking.communicate()
        sys.stdout.write(text.decode(errors="replace"))
        sys.stdout.flush()
    typer.echo()
    _print(tip_lines(first, activated=_on_path()))


def _pytest_arguments(lesson: Lesson) -> list[str]:
    color = "yes" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else "no"
    return [f"lessons/{lesson.folder}", f"--color={color}", "-q"]


def _pytest_environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": str(_width())}


def _pytest(root: Path, lesson: Lesson, *, stdout: int | None = None) -> "subprocess.Popen[bytes]":
    import subprocess

    command = [sys.executable, "-m", "pytest", *_pytest_arguments(lesson)]
    return subprocess.Popen(command, cwd=root, stdout=stdout, env=_pytest_environment())


@app.command()
def watch(lesson: LessonArg) -> None:
    """Check a lesson again at every save, until Ctrl-C."""
    from coach.watch import changes

    root = course_root()
    found = find_lesson(root, lesson)
    with _checks(root, found) as check:
        check()
        typer.echo(f"\n Watching lessons/{found.folder}. Save a file and it is checked again; Ctrl-C ends.")
        for changed in changes(found.path):
            if sys.stdout.isatty():
                typer.echo("\x1b[2J\x1b[H", nl=False)  # a fresh screen, so that the card stands where it stood
            _say(f" {time.strftime('%H:%M:%S')}  {', '.join(changed)} changed", "dim")
            check()


@contextlib.contextmanager
def _checks(root: Path, lesson: Lesson) -> Iterator[Callable[[], object]]:
    """Give a function that checks the lesson, in forks of a process that has imported what its suite needs."""
    if not hasattr(os, "fork"):
        yield lambda: _pytest(root, lesson).wait()
        return
    from coach.warm import Warm, modules_of

    # Without rewriting: what is imported already cannot be rewritten, and every assert of a suite has its own words.
    arguments = [*_pytest_arguments(lesson), "--assert=plain"]
    with Warm(modules_of(lesson), os.environ) as warm:

        def check() -> None:
            sys.stdout.flush()
            warm.start(arguments, cwd=root, env=_pytest_environment(), output=sys.stdout.fileno()).wait()

        yield check


@app.command()
def hint(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task: 03.4.")],
    all_: Annotated[bool, typer.Option("--all", help="Show the whole ladder.")] = False,
) -> None:
    """Show the next hint for a task: a question, a pointer, nearly the answer."""
    from coach import progress

    lesson, found = find_task(course_root(), task)
    shown = len(found.hints) if all_ else progress.next_rung(lesson, found)
    _say(f" {found.number} {found.title}", "title")
    for rung, text in enumerate(found.hints[:shown], start=1):
        wrapped = textwrap.wrap(f"{rung}. {text}", max(40, min(_width(), 100)) - 2, subsequent_indent="   ")
        _print((f" {line}", "" if rung == shown or all_ else "dim") for line in wrapped)
    if shown < len(found.hints):
        _say(f" More: coach hint {found.number}", "dim")
    else:
        _say(f" That was the last one. The brief: lessons/{lesson.folder}/README.md", "dim")


@app.command()
def reset(
    what: Annotated[str, typer.Argument(metavar="LESSON|TASK", help="A lesson (03) or one task of it (03.4).")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put a lesson, or one task of it, back to its TODOs; a dated copy of yours is kept."""
    from coach.reset import put_lesson_back, put_task_back

    root = course_root()
    if "." in what and not Path(what).exists():
        lesson, task = find_task(root, what)
        plan = put_task_back(lesson, task)
    else:
        lesson = find_lesson(root, what)
        plan = put_lesson_back(lesson)
    if not plan.changed:
        typer.echo(f"{what} is at its TODOs already.")
        return
    names = ", ".join(f"lessons/{lesson.folder}/{name}" for name in plan.changed)
    if not yes and not typer.confirm(f"Put {what} back to its TODOs in {names}? A copy of yours is kept."):
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)
    kept = plan.apply()
    typer.echo(f"Done. Yours is kept in {kept.relative_to(root)}/")


@app.command()
def solution(
    lesson: LessonArg,
    give_up: Annotated[bool, typer.Option("--give-up", help="Show it though the lesson is not done.")] = False,
) -> None:
    """Show how the reference differs from your answer, once the lesson is done."""
    import difflib

    from coach import progress

    root = course_root()
    found = find_lesson(root, lesson)
    known = progress.read(found)
    if known.points < found.points and not give_up:
        raise CourseError(
            f"Lesson {found.number} stands at {known.points} of {found.points} points. Check it with "
            f"`pytest lessons/{found.number}`, or see it all the same: coach solution {found.number} --give-up"
        )
    for name in found.answer_files():
        mine = found.path / name
        yours = mine.read_text(encoding="utf-8").splitlines() if mine.is_file() else []
        reference = (found.solution / name).read_text(encoding="utf-8").splitlines()
        reference = [line for line in reference if not line.lstrip().startswith(("# >>> solution", "# <<< solution"))]
        lines = list(
            difflib.unified_diff(
                yours,
                reference,
                f"yours: lessons/{found.folder}/{name}",
                f"solution: solutions/{found.folder}/{name}",
                lineterm="",
            )
        )
        if not lines:
            typer.echo(f"{name}: yours is the reference, letter by letter.")
        for line in lines:
            color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            typer.secho(line, fg=color)


@app.command()
def run(
    lesson: LessonArg,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8000,
    llm_port: Annotated[int, typer.Option(help="Port of the fake provider, where the lesson talks to one.")] = 8001,
    reload: Annotated[bool, typer.Option(help="Load again at every save.")] = True,
) -> None:
    """Serve a lesson's app on 127.0.0.1, with the fake provider beside it where the lesson talks to one."""
    import subprocess

    root = course_root()
    found = find_lesson(root, lesson)
    for wanted in (port, *([llm_port] if found.provider else [])):
        _must_be_free(wanted)
    environment = {**os.environ, "COACH_LESSON": found.folder}
    fake: subprocess.Popen[bytes] | None = None
    if found.provider:
        fake = subprocess.Popen([sys.executable, "-m", "coach", "llm", "--port", str(llm_port)], cwd=root)
        environment |= {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{llm_port}/v1",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{llm_port}",
            "OPENAI_API_KEY": "sk-offline",
            "ANTHROPIC_API_KEY": "sk-ant-offline",
        }
    command = [sys.executable, "-m", "uvicorn", "coach.serve:lesson_app", "--factory", "--port", str(port)]
    if reload:
        command += ["--reload", "--reload-dir", f"lessons/{found.folder}"]
    typer.echo(f"Lesson {found.number} on http://127.0.0.1:{port}  (its routes: http://127.0.0.1:{port}/docs)")
    try:
        code = subprocess.run(command, cwd=root, env=environment, check=False).returncode
    except KeyboardInterrupt:
        code = 0
    finally:
        if fake:
            fake.terminate()
            fake.wait(10)
    raise typer.Exit(0 if code in (0, -2, 130) else code)


def _must_be_free(port: int) -> None:
    import socket

    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        raise CourseError(f"port {port} is taken on 127.0.0.1; choose another with --port (or --llm-port).") from None


@app.command()
def llm(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8001,
) -> None:
    """Serve the fake provider: OpenAI's and Anthropic's HTTP APIs on 127.0.0.1, with faults to order."""
    from mockllm import server

    _must_be_free(port)
    server.serve(port=port)


app.command()(quiz)
app.command()(interview)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or is empty.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The project's name; by default the folder's.")
    ] = None,
) -> None:
    """Take it home: write a project of its own, out of your finished parts and the reference for the rest."""
    try:
        from coach.export import export as write
        from coach.export.told import told
    except ModuleNotFoundError as error:
        raise CourseError(f"{error.name} is not installed here. `make start` brings the environment up.") from None
    _print(told(write(course_root(), folder, name), Path.cwd(), _width()))


@app.command()
def grade(
    lesson: LessonArg,
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="A file, a lesson's folder, a whole clone or a zip.")
    ] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Grade the reference solution.")] = False,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the result as JSON.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="For the whole run.")] = 60.0,
) -> None:
    """Grade somebody's files in a temporary folder and a process of their own; exit status 1 if not all is done."""
    import json

    from coach import __version__, workspace
    from coach.cohort import opened
    from coach.scorecard import as_json, card_lines, finding_lines

    found = find_lesson(course_root(), lesson)
    if (path is None) == (not reference):
        raise CourseError(
            f"Name what to grade: coach grade {found.number} PATH, or coach grade {found.number} --reference"
        )
    candidate = found.solution if path is None else path
    if not candidate.exists():
        raise CourseError(f"There is nothing at {candidate}.")
    with opened(found, candidate) as given:
        result = workspace.grade(found, given, time_limit_s=time_limit)
    if json_file:
        data = as_json(result.card, course_version=__version__, suite_hash=result.suite_hash, notes=result.notes)
        text = json.dumps(data, indent=2) + "\n"
        if json_file == "-":
            sys.stdout.write(text)
        else:
            Path(json_file).write_text(text, encoding="utf-8")
    if json_file != "-":
        _print(finding_lines(result.card, _width()) + card_lines(result.card, _width()))
        for note in result.notes:
            _say(f" note: {note}", "dim")
    raise typer.Exit(0 if result.card.done else 1)


@app.command()
def cohort(
    lesson: LessonArg,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One folder, .py file or .zip for each submission.")],
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a line for each.")] = None,
    gradescope: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write NAME.json for each, as Gradescope reads it.")
    ] = None,
    json_folder: Annotated[
        Path | None, typer.Option("--json", metavar="FOLDER", help="Write NAME.json for each, as `coach grade` does.")
    ] = None,
    heat_map: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw people against tasks, as SVG.")] = None,
    jobs: Annotated[int, typer.Option(help="Submissions graded at once; 0 for one per core.")] = 0,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="For each submission.")] = 60.0,
) -> None:
    """Grade many submissions of a lesson; exit status 0 when each has a verdict, whatever it says."""
    import json

    from coach import __version__, cohort
    from coach.scorecard import as_json

    found = find_lesson(course_root(), lesson)
    paths = cohort.submissions_in(folder)
    graded: list[cohort.Submission] = []
    for one in cohort.grade_all(found, paths, jobs=jobs or os.cpu_count() or 1, time_limit_s=time_limit):
        graded.append(one)
        typer.echo(f" {len(graded):>4}/{len(paths)}  {one.name}  {one.points}/{found.points}", err=True)
    graded.sort(key=lambda one: one.name)
    _print(cohort.summary_lines(found, graded, _width()))
    for target in (gradescope, json_folder):
        if target:
            target.mkdir(parents=True, exist_ok=True)
    for one in graded:
        if gradescope:
            text = json.dumps(cohort.as_gradescope(found, one), indent=2) + "\n"
            (gradescope / f"{one.name}.json").write_text(text, encoding="utf-8")
        if json_folder and one.graded:
            data = as_json(
                one.graded.card, course_version=__version__, suite_hash=one.graded.suite_hash, notes=one.graded.notes
            )
            (json_folder / f"{one.name}.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    if csv_file:
        csv_file.write_text(cohort.as_csv(found, graded), encoding="utf-8")
    if heat_map:
        heat_map.write_text(cohort.heat_map(found, graded), encoding="utf-8")
    raise typer.Exit(0 if all(one.graded for one in graded) else 1)


@app.command()
def stubs(
    lesson: Annotated[str | None, typer.Argument(metavar="LESSON", help="Only this lesson.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit status 1 if a stub is stale.")] = False,
) -> None:
    """For authors: cut the stubs in lessons/ out of solutions/."""
    from coach.stubs import stale, stub_files

    root = course_root()
    lessons = [find_lesson(root, lesson)] if lesson else _lessons(root)
    stale_ones = [(one, name) for one in lessons for name in stale(one)]
    for one, name in stale_ones:
        if not check:
            (one.path / name).parent.mkdir(parents=True, exist_ok=True)
            (one.path / name).write_text(stub_files(one)[name], encoding="utf-8")
        typer.echo(f"{'stale' if check else 'wrote'} lessons/{one.folder}/{name}")
    if not stale_ones:
        typer.echo("Every stub is fresh.")
    elif check:
        typer.echo("Write them anew with: coach stubs", err=True)
        raise typer.Exit(1)


@app.command()
def check(
    lesson: Annotated[str | None, typer.Argument(metavar="LESSON", help="Only this lesson.")] = None,
    docker: Annotated[
        bool, typer.Option("--docker", help="Build and start the images of references too; this needs an engine.")
    ] = False,
) -> None:
    """For authors: find everything that a lesson still misses. Exit status 1 if anything does."""
    from coach.check import course_problems, lesson_problems
    from coach.image import image_problems

    root = course_root()
    problems = list(lesson_problems(find_lesson(root, lesson))) if lesson else list(course_problems(root))
    if docker:
        for one in [find_lesson(root, lesson)] if lesson else _lessons(root):
            problems += image_problems(one)
    for problem in problems:
        typer.secho("✗ ", fg="red", nl=False)
        typer.echo(problem)
    if problems:
        typer.echo(f"\n{len(problems)} to mend.", err=True)
        raise typer.Exit(1)
    typer.echo("Nothing is missing.")


@app.command()
def doctor() -> None:
    """Check Python, the environment, the packages against the lock, and optional tools."""
    from coach.doctor import findings

    root = course_root()
    worst = 0
    for finding in findings(root):
        mark, color = {"ok": ("ok ", "green"), "optional": ("opt", "yellow"), "wrong": ("bad", "red")}[finding.level]
        typer.secho(f" {mark} ", fg=color, nl=False)
        typer.echo(finding.text)
        if finding.mend:
            _say(f"     {finding.mend}", "title")
        worst = max(worst, finding.level == "wrong")
    raise typer.Exit(int(worst))
