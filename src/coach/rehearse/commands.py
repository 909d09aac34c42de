"""The command `coach quiz`: asks, shows, takes ratings."""

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from coach.lesson import STATE_COLORS, course_root

# Nothing of fsrs or the questions is loaded before the command runs: `coach --help` reads this module too.


def quiz(
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="Only this topic: async, or its number, 03.")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Questions of this sitting.")] = 10,
    due_only: Annotated[bool, typer.Option("--due", help="Only what is due; nothing new.")] = False,
    stats: Annotated[bool, typer.Option("--stats", help="Show what is due and what is strong; ask nothing.")] = False,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw what --stats shows.")] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=RATING", help="Rate an answer: again, hard, good, easy. May be given repeatedly."),
    ] = None,
    export: Annotated[Path | None, typer.Option("--export", metavar="FILE", help="Write every answer so far.")] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take over an export; nothing is counted twice.")
    ] = None,
    as_data: Annotated[bool, typer.Option("--json", help="Print JSON and ask nothing.")] = False,
) -> None:
    """Rehearse interview questions: say the answer aloud, compare, rate yourself; they come back when it is time."""
    from coach.questions import read_topics
    from coach.rehearse import quiz as q
    from coach.rehearse.memory import Memory, known
    from coach.rehearse.picture import draw, standing_lines

    root = course_root()
    now = datetime.now(UTC)
    every = [question for one in read_topics(root) for question in one.questions]
    questions = q.pick_topic(every, topic)
    memory = Memory(root / ".coach" / "quiz.sqlite")
    if import_:
        taken = memory.add(q.read_export(_read(import_), import_.name))
        _say(f"{_answers(taken)} taken over.", to_stderr=as_data)
    if rate:
        memory.add(q.read_ratings(rate, every, now))
    reviews = memory.reviews()
    standing = known(reviews)
    if export:
        _write(export, q.write_export(reviews))
        _say(f"{_answers(len(reviews), 'is', 'are')} in {export}.", to_stderr=as_data)
    if svg:
        _write(svg, draw(q.stand(questions, standing, now)))
        _say(f"The picture is in {svg}.", to_stderr=as_data)
    if stats or rate or export or import_ or svg:
        if stats and as_data:
            _print_json(q.stand(questions, standing, now))
        elif stats:
            _print(standing_lines(q.stand(questions, standing, now), _width()))
        elif rate:
            rated = dict.fromkeys(word.partition("=")[0] for word in rate)
            _tell_due([(id, standing[id].due) for id in rated], now, as_data=as_data)
        return
    picked = q.pick_questions(questions, standing, now, count=count, new=not due_only)
    if as_data:
        data = [q.as_json(one, standing.get(one.id), now) for one in picked]
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return
    if not picked:
        comes = min((standing[one.id].due for one in questions if one.id in standing), default=None)
        _say(f"Nothing is due. The next question comes {q.in_words(comes, now)}." if comes else "Nothing is due.")
        _say("See how you stand: coach quiz --stats", style="dim")
        return
    from coach.rehearse.sitting import Sitting

    Sitting(memory, sys.stdin, sys.stdout, _width()).ask(picked)


def _tell_due(dues: Sequence[tuple[str, datetime]], now: datetime, *, as_data: bool) -> None:
    from coach.rehearse.quiz import in_words

    if as_data:
        sys.stdout.write(json.dumps({id: due.isoformat() for id, due in dues}, indent=2) + "\n")
        return
    for id, due in dues:
        _say(f"{id} comes back {in_words(due, now)}.")


def _print_json(standing: object) -> None:
    from dataclasses import asdict

    sys.stdout.write(json.dumps(asdict(standing), indent=2, default=str) + "\n")  # type: ignore[call-overload]


def _answers(count: int, one: str = "was", many: str = "were") -> str:
    return f"1 answer {one}" if count == 1 else f"{count} answers {many}"


def _read(file: Path) -> str:
    from coach.lesson import CourseError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{file} cannot be read: {error}.") from None


def _write(file: Path, text: str) -> None:
    from coach.lesson import CourseError
    from coach.progress import write_whole

    try:
        write_whole(file, text)
    except OSError as error:
        raise CourseError(f"{file} cannot be written: {error}.") from None


def _print(lines: Sequence[tuple[str, str]]) -> None:
    for text, style in lines:
        typer.secho(text, bold=style == "title" or None, dim=style == "dim" or None, fg=STATE_COLORS.get(style))


def _say(text: str, style: str = "", *, to_stderr: bool = False) -> None:
    typer.secho(text, dim=style == "dim" or None, err=to_stderr)


def _width() -> int:
    return shutil.get_terminal_size().columns
