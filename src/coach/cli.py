"""The `coach` command. Parses, prints and asks; everything else is in the modules beside it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from coach.lesson import CourseError, Lesson, course_root, find_lesson, find_task, lesson_folders, read_lesson
from coach.scorecard import STYLES

app = typer.Typer(
    help="Learn to serve LLMs with FastAPI: grade your lessons, get hints, run what you wrote.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

LessonArg = Annotated[str, typer.Argument(metavar="LESSON", help="A lesson: 03, 3 or async.")]


def main() -> None:
    """Run the command; a mistake in the course or the call is one line on standard error and exit status 2."""
    try:
        app()
    except CourseError as error:
        err.print(f"[red]coach:[/red] {escape(str(error))}")
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output left (`coach status | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _lessons(root: Path) -> list[Lesson]:
    """Every lesson that can be read; one that cannot is named and left out."""
    found = []
    for folder in lesson_folders(root):
        try:
            found.append(read_lesson(folder))
        except CourseError as error:
            err.print(f"[red]coach:[/red] {escape(str(error))}")
    return found


def _course_table(root: Path, lessons: list[Lesson]) -> Lesson | None:
    """Print the table of lessons; return the first one that is not finished."""
    from coach import progress

    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("lesson", no_wrap=True)
    table.add_column("what you build", ratio=1)
    table.add_column("min", justify="right", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    first: Lesson | None = None
    earned = 0
    for lesson in lessons:
        known = progress.read(lesson)
        if known.note:
            err.print(f"[yellow]coach:[/yellow] {escape(known.note)}")
        earned += known.points
        done = known.points == lesson.points
        if not done and first is None:
            first = lesson
        changed = bool(known.answer_hash) and known.answer_hash != progress.answer_hash(lesson)
        points = f"{known.points}/{lesson.points}" + ("*" if changed else "")
        style = "green" if done else "" if known.points else "dim"
        table.add_row(f"{lesson.number} {lesson.name}", lesson.builds, str(lesson.minutes), Text(points, style=style))
    out.print(table)
    total = sum(lesson.points for lesson in lessons)
    out.print(
        f"\n{earned} of {total} points so far." + (" (* edited since it was last checked)" if _edited(lessons) else "")
    )
    return first


def _edited(lessons: list[Lesson]) -> bool:
    from coach import progress

    known = [(lesson, progress.read(lesson)) for lesson in lessons]
    return any(one.answer_hash and one.answer_hash != progress.answer_hash(lesson) for lesson, one in known)


def _tip(lesson: Lesson | None) -> None:
    if lesson is None:
        out.print("Every lesson is done. See them as one service: [bold]uvicorn capstone.main:app[/bold]")
        return
    out.print(f"Read  [bold]lessons/{lesson.folder}/README.md[/bold]")
    out.print(f"Edit  [bold]lessons/{lesson.folder}/app.py[/bold]")
    prefix = "" if _on_path() else ". .venv/bin/activate && "
    out.print(
        f"Check [bold]{prefix}pytest lessons/{lesson.number}[/bold]   or, at every save, [bold]coach watch {lesson.number}[/bold]"
    )


def _on_path() -> bool:
    from shutil import which

    return (which("pytest") or "").startswith(str(Path(sys.executable).parent))


@app.command()
def status() -> None:
    """Show the lessons, your points and what to do next."""
    root = course_root()
    first = _course_table(root, _lessons(root))
    out.print()
    _tip(first)


@app.command()
def start() -> None:
    """Show the course, then check the first lesson that is not finished."""
    root = course_root()
    lessons = _lessons(root)
    from coach import progress

    first = next((one for one in lessons if progress.read(one).points < one.points), None)
    checking = _pytest(root, first, stdout=subprocess.PIPE) if first else None  # runs while the table is drawn
    _course_table(root, lessons)
    if first and checking:
        out.print(f"\nChecking lesson {first.number} as it stands now ({lessons.index(first) + 1} of {len(lessons)}):")
        text, _ = checking.communicate()
        sys.stdout.write(text.decode(errors="replace"))
        sys.stdout.flush()
        out.print()
    _tip(first)


def _pytest(root: Path, lesson: Lesson, *options: str, stdout: int | None = None) -> "subprocess.Popen[bytes]":
    color = "yes" if out.is_terminal else "no"
    command = [sys.executable, "-m", "pytest", f"lessons/{lesson.folder}", f"--color={color}", "-q", *options]
    return subprocess.Popen(command, cwd=root, stdout=stdout, env={**os.environ, "COLUMNS": str(out.width)})


@app.command()
def watch(lesson: LessonArg) -> None:
    """Check a lesson again at every save, until Ctrl-C."""
    from coach.watch import changes

    root = course_root()
    found = find_lesson(root, lesson)
    _pytest(root, found).wait()
    out.print(f"\nWatching lessons/{found.folder}. Save a file and it is checked again; Ctrl-C ends.")
    for changed in changes(found.path):
        if out.is_terminal:
            out.clear()
        out.print(f"[dim]{time.strftime('%H:%M:%S')}  {escape(', '.join(changed))} changed[/dim]")
        _pytest(root, found).wait()


@app.command()
def hint(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task: 03.4.")],
    all_: Annotated[bool, typer.Option("--all", help="Show the whole ladder.")] = False,
) -> None:
    """Show the next hint for a task: a question, a pointer, nearly the answer."""
    from coach import progress

    lesson, found = find_task(course_root(), task)
    shown = len(found.hints) if all_ else progress.next_rung(lesson, found)
    out.print(f"[bold]{found.number} {escape(found.title)}[/bold]")
    for rung, text in enumerate(found.hints[:shown], start=1):
        out.print(f" {rung}. {escape(text)}", style="" if rung == shown or all_ else "dim")
    if shown < len(found.hints):
        out.print(f"[dim]More: coach hint {found.number}[/dim]")
    else:
        out.print(f"[dim]That was the last one. The brief: lessons/{lesson.folder}/README.md[/dim]")


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
        out.print(f"{what} is at its TODOs already.")
        return
    names = ", ".join(f"lessons/{lesson.folder}/{name}" for name in plan.changed)
    if not yes and not typer.confirm(f"Put {what} back to its TODOs in {names}? A copy of yours is kept."):
        out.print("Nothing was changed.")
        raise typer.Exit(1)
    kept = plan.apply()
    out.print(f"Done. Yours is kept in {kept.relative_to(root)}/")


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
            f"`pytest lessons/{found.number}`, or see the solution all the same: coach solution {found.number} --give-up"
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
            out.print(f"{name}: yours is the reference, letter by letter.")
        for line in lines:
            color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            out.print(Text(line, style=color), soft_wrap=True)


@app.command()
def run(
    lesson: LessonArg,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8000,
    llm_port: Annotated[int, typer.Option(help="Port of the fake provider, where the lesson talks to one.")] = 8001,
    reload: Annotated[bool, typer.Option(help="Load again at every save.")] = True,
) -> None:
    """Serve a lesson's app on 127.0.0.1, with the fake provider beside it where the lesson talks to one."""
    root = course_root()
    found = find_lesson(root, lesson)
    environment = dict(os.environ)
    fake: subprocess.Popen[bytes] | None = None
    if found.provider:
        fake = subprocess.Popen([sys.executable, "-m", "coach", "llm", "--port", str(llm_port)], cwd=root)
        environment |= {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{llm_port}/v1",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{llm_port}",
            "OPENAI_API_KEY": "sk-offline",
            "ANTHROPIC_API_KEY": "sk-ant-offline",
        }
    command = [sys.executable, "-m", "uvicorn", f"lessons.{found.folder}.app:app", "--port", str(port)]
    if reload:
        command += ["--reload", "--reload-dir", f"lessons/{found.folder}"]
    out.print(f"Lesson {found.number} on http://127.0.0.1:{port}  (its routes: http://127.0.0.1:{port}/docs)")
    try:
        code = subprocess.run(command, cwd=root, env=environment, check=False).returncode
    except KeyboardInterrupt:
        code = 0
    finally:
        if fake:
            fake.terminate()
            fake.wait(10)
    raise typer.Exit(0 if code in (0, -2, 130) else code)


@app.command()
def llm(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8001,
) -> None:
    """Serve the fake provider: OpenAI's and Anthropic's HTTP APIs on 127.0.0.1, with faults to order."""
    from mockllm import server

    server.serve(port=port)


@app.command()
def grade(
    lesson: LessonArg,
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="A file, a lesson's folder or a whole clone.")
    ] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Grade the reference solution.")] = False,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the result as JSON.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="For the whole run.")] = 60.0,
) -> None:
    """Grade somebody's files in a temporary folder and a process of their own; exit status 1 if not all is done."""
    from coach import __version__, workspace
    from coach.scorecard import as_json, card_lines, finding_lines

    found = find_lesson(course_root(), lesson)
    if (path is None) == (not reference):
        raise CourseError(
            f"Name what to grade: coach grade {found.number} PATH, or coach grade {found.number} --reference"
        )
    candidate = found.solution if path is None else path
    if not candidate.exists():
        raise CourseError(f"There is nothing at {candidate}.")
    result = workspace.grade(found, candidate, time_limit_s=time_limit)
    if json_file:
        data = as_json(result.card, course_version=__version__, suite_hash=result.suite_hash, notes=result.notes)
        text = json.dumps(data, indent=2) + "\n"
        if json_file == "-":
            sys.stdout.write(text)
        else:
            Path(json_file).write_text(text, encoding="utf-8")
    if json_file != "-":
        _print_lines(finding_lines(result.card, out.width) + card_lines(result.card, out.width))
        if result.card.broken:
            out.print(f"\n {escape(result.card.broken)}")
        for note in result.notes:
            out.print(f" note: {escape(note)}", style="dim")
    raise typer.Exit(0 if result.card.done else 1)


def _print_lines(lines: list[tuple[str, str]]) -> None:
    for text, style in lines:
        out.print(Text(text, style="bold" if style == "title" else STYLES.get(style, style)), soft_wrap=True)


@app.command()
def stubs(
    lesson: Annotated[str | None, typer.Argument(metavar="[LESSON]", help="Only this lesson.")] = None,
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
        out.print(f"{'stale' if check else 'wrote'} lessons/{one.folder}/{name}")
    if not stale_ones:
        out.print("Every stub is fresh.")
    elif check:
        err.print("Write them anew with: coach stubs")
        raise typer.Exit(1)


@app.command()
def check(
    lesson: Annotated[str | None, typer.Argument(metavar="[LESSON]", help="Only this lesson.")] = None,
) -> None:
    """For authors: find everything that a lesson still misses. Exit status 1 if anything does."""
    from coach.check import course_problems, lesson_problems

    root = course_root()
    if lesson:
        problems = list(lesson_problems(find_lesson(root, lesson)))
    else:
        problems = list(course_problems(root))
    for problem in problems:
        out.print(f"[red]✗[/red] {escape(problem)}", soft_wrap=True)
    if problems:
        err.print(f"\n{len(problems)} to mend.")
        raise typer.Exit(1)
    out.print("Nothing is missing.")


@app.command()
def doctor() -> None:
    """Check Python, the environment, the packages against the lock, and optional tools."""
    from coach.doctor import findings

    root = course_root()
    worst = 0
    for finding in findings(root):
        mark = {"ok": "[green]ok  [/green]", "optional": "[yellow]opt [/yellow]", "wrong": "[red]bad [/red]"}[
            finding.level
        ]
        out.print(f"{mark} {escape(finding.text)}", soft_wrap=True)
        if finding.mend:
            out.print(f"     {escape(finding.mend)}", style="bold", soft_wrap=True)
        worst = max(worst, finding.level == "wrong")
    raise typer.Exit(int(worst))
