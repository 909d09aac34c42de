"""The command `coach interview`: at a terminal a sitting, elsewhere one step at a time."""

import io
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from coach.lesson import CourseError, course_root

if TYPE_CHECKING:
    from coach.interview.state import Interview
    from coach.interview.store import Store

# Nothing of the interview is loaded before the command runs: `coach --help` reads this module too.

STEPS = ("next", "answer", "rate", "submit", "pause", "report", "drop")
MINUTES = 45


def interview(
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="STEP",
            help="One step without a sitting: next, answer TEXT, rate y p n, submit, pause, report, drop.",
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORDS", help="Of `answer`: what you say, or - to read it. Of `rate`: y, p or n."),
    ] = None,
    minutes: Annotated[
        int | None, typer.Option(min=15, max=180, help="For everything; by default 45.", show_default=False)
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Only this topic: async, or its number, 03.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same interview, whatever was asked before.")
    ] = None,
    as_data: Annotated[bool, typer.Option("--json", help="Print JSON; alone it is `next`.")] = False,
) -> None:
    """Sit a mock interview by the clock: questions to answer aloud, code, a report. Interrupted, it goes on."""
    from coach.interview.store import Store

    if step is not None and step not in STEPS:
        raise CourseError(f"There is no step {step!r}. The steps are {', '.join(STEPS)}; without one a sitting begins.")
    if words and step not in ("answer", "rate"):
        raise CourseError(f"`coach interview {step}` takes no words, and got {' '.join(words)!r}.")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ is no reason to lose an interview
    root = course_root()
    store = Store(root)
    with store.alone():
        if step == "drop":
            _drop(root, store, as_data=as_data)
            return
        opened = store.read()
        if opened and (minutes or topic or seed is not None):
            raise CourseError(
                f"An interview is open, {_left(opened)}. Go on with `coach interview`, end it with "
                "`coach interview report`, or put it aside with `coach interview drop`; then begin another."
            )
        if opened is None and step not in (None, "next"):
            _without_one(store, root, step, as_data=as_data)
            return
        current = opened or _begin(root, store, minutes or MINUTES, topic, seed)
        if step is None and not as_data:
            _sit(root, store, current, resumed=opened is not None)
        else:
            _step(root, store, current, step or "next", words or [], as_data=as_data)


def _begin(root: Path, store: "Store", minutes: int, topic: str | None, seed: int | None) -> "Interview":
    import secrets

    from coach.interview.plan import find_topic, make_plan
    from coach.interview.state import begin
    from coach.interview.variants import read_variants
    from coach.questions import read_topics

    topics, variants = read_topics(root), read_variants(root)
    questions = [question for one in topics for question in one.questions]
    about = find_topic(topic, topics, variants) if topic else None
    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    seen = store.seen() if seed is None else {}
    plan = make_plan(questions, variants, drawn, minutes=minutes, topic=about, seen=seen)
    started = begin(root, plan, seed=drawn, seed_given=seed is not None, minutes=minutes, topic=about)
    store.write(started)
    return started


def _sit(root: Path, store: "Store", current: "Interview", *, resumed: bool) -> None:
    from coach.interview.sitting import Sitting

    current.stop()
    if Sitting(root, store, current, _stdin(), sys.stdout, _width()).go_on(resumed=resumed):
        _report(root, store, current, as_data=False)


def _step(root: Path, store: "Store", current: "Interview", step: str, words: Sequence[str], *, as_data: bool) -> None:
    from coach.interview.coding import grade, hand_out

    current.stop()
    match step, current.phase:
        case "report", _:
            current.phase = "over"
        case "pause", _:
            store.write(current)
            _tell(current, as_data=as_data, paused=True)
            return
        case "next", "task":
            hand_out(root, current)
        case "next", _:
            pass
        case "answer", "question":
            current.answered(_said(words))
        case "rate", "rating":
            current.rated(_ratings(words, len(current.question.listens_for)))
            if current.phase == "task":
                hand_out(root, current)
        case "submit", "task":
            current.coding.submissions.append(grade(root, current))
            if all(one.met for one in current.coding.submissions[-1].criteria):
                current.phase = "over"
        case _:
            raise CourseError(f"`coach interview {step}` does not fit here. {NEXT[current.phase]}")
    if current.phase == "over":
        _report(root, store, current, as_data=as_data)
        return
    current.run()
    store.write(current)
    _tell(current, as_data=as_data, graded=step == "submit")


NEXT = {
    "question": "Now comes: coach interview answer TEXT (or - to read it from standard input)",
    "rating": "Now comes, with y (yes), p (partly) or n (no) for each point in order: coach interview rate y p n ...",
    "task": "Now comes, once app.py is edited: coach interview submit. Or end without: coach interview report",
    "over": "Now comes: coach interview report",
}


def _said(words: Sequence[str]) -> str:
    text = _stdin().read() if list(words) == ["-"] else " ".join(words)
    return text.strip()


def _ratings(words: Sequence[str], count: int) -> list[str]:
    from coach.interview.state import KEYS

    ratings = [KEYS.get(word.lower(), word.lower()) for word in words]
    if len(ratings) != count or not set(ratings) <= set(KEYS.values()):
        example = " ".join("ypn"[n % 3] for n in range(count))
        raise CourseError(
            f"{count} criteria want {count} ratings, each y, p or n: `coach interview rate {example}`. "
            f"Got {' '.join(words) or 'none'}."
        )
    return ratings


def _tell(current: "Interview", *, as_data: bool, graded: bool = False, paused: bool = False) -> None:
    """Print where an interview stands and what comes next."""
    from coach.interview.shown import as_json, step_lines

    if as_data:
        _print_json(as_json(current) | {"paused": paused})
        return
    if paused:
        typer.echo(f"The clock stands, {_left(current)}. Go on: coach interview next")
        return
    for line in step_lines(current, _width(), graded=graded):
        typer.echo(line)
    typer.echo()
    room = max(40, min(_width(), 100))
    typer.echo(textwrap.fill(f"{_left(current)[0].upper()}{_left(current)[1:]}. {NEXT[current.phase]}", room))


def _report(root: Path, store: "Store", current: "Interview", *, as_data: bool) -> None:
    from coach.interview.report import write_report
    from coach.interview.shown import result_json, result_lines

    files = write_report(root, current)
    store.close(current)
    if as_data:
        _print_json(result_json(current, [file.relative_to(root).as_posix() for file in files]))
        return
    for line in result_lines(current, [file.relative_to(root).as_posix() for file in files]):
        typer.echo(line)


def _without_one(store: "Store", root: Path, step: str | None, *, as_data: bool) -> None:
    """Answer a step for which an interview would have to be open."""
    from coach.interview.report import write_report
    from coach.interview.shown import result_json, result_lines

    earlier = [one for one in store.earlier() if not one.dropped]
    if step != "report" or not earlier:
        raise CourseError("No interview is open. Begin one: coach interview, or coach interview next")
    files = [file.relative_to(root).as_posix() for file in write_report(root, earlier[-1])]
    if as_data:
        _print_json(result_json(earlier[-1], files))
        return
    for line in result_lines(earlier[-1], files):
        typer.echo(line)


def _drop(root: Path, store: "Store", *, as_data: bool) -> None:
    kept = store.put_aside().relative_to(root).as_posix()
    if as_data:
        _print_json({"step": "dropped", "kept": kept})
    else:
        typer.echo(f"Put aside as {kept}. Begin another: coach interview")


def _left(current: "Interview") -> str:
    from coach.interview.report import clock

    if current.left_s <= 0:
        return f"the time of {current.minutes} minutes is over"
    return f"{clock(current.left_s)} of {clock(current.minutes * 60)} left"


def _print_json(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def _stdin() -> TextIO:
    """Standard input, of which any byte can be read; an empty one where it is closed."""
    if sys.stdin is None:
        return io.StringIO()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    return sys.stdin


def _width() -> int:
    return shutil.get_terminal_size().columns
