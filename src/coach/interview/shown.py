"""What one step of an interview shows, as lines and as data. Prints nothing."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from coach.interview.report import clock, figures
from coach.interview.state import Interview, Submission


def step_lines(interview: Interview, width: int, *, graded: bool = False) -> Iterator[str]:
    """Yield what the current step says, wrapped to a width; after a grading that instead of the brief."""
    room = max(40, min(width, 100))
    question = interview.question if interview.phase in ("question", "rating") else None
    if question and interview.phase == "question":
        yield f"Question {interview.at + 1} of {len(interview.questions)}, {question.topic}, {question.level}"
        yield ""
        yield from textwrap.wrap(question.title, room)
    elif question:
        for head, text in (("An answer to say", question.spoken), ("The usual wrong answer", question.wrong)):
            yield from (head, *_paragraphs(text, room), "")
        yield "Did you say"
        for number, one in enumerate(question.listens_for, start=1):
            yield from textwrap.wrap(f"{number}. {one}", room, subsequent_indent="   ")
    elif graded and interview.coding.submissions:
        yield from graded_lines(interview.coding.submissions[-1], room)
    else:
        yield from _paragraphs(interview.coding.brief, room)
        yield ""
        yield f"Edit {interview.coding.folder}/app.py"
        yield f"Try   pytest {interview.coding.folder}"


def result_lines(interview: Interview, files: Sequence[str]) -> Iterator[str]:
    """Yield what an interview came to, and where its report lies."""
    count = figures(interview)
    last = interview.coding.submissions[-1] if interview.coding.submissions else None
    handed_in = f" {count.met} of {count.code_criteria} criteria" if last else " nothing was handed in"
    late = f", {clock(count.late_s)} after the end" if count.late_s else ""
    yield ""
    yield f" spoken  {count.said:g} of {count.criteria} criteria, {count.asked} of {count.questions} questions answered"
    yield f" code   {handed_in}{late}"
    yield f" clock   {clock(interview.used_s)} of {clock(interview.minutes * 60)}"
    yield ""
    yield " The report, with what to read:"
    yield from (f"   {file}" for file in files)


def as_json(interview: Interview) -> dict[str, Any]:
    """Return the current step as data. What is to come is not told."""
    data: dict[str, Any] = {
        "step": interview.phase,
        "seed": interview.seed,
        "minutes": interview.minutes,
        "left_s": round(interview.left_s, 1),
    }
    if interview.phase in ("question", "rating"):
        question = interview.question
        shown = ["id", "topic", "level", "title"]
        if interview.phase == "rating":
            shown += ["said", "spoken", "listens_for", "wrong"]
        data |= {"number": interview.at + 1, "of": len(interview.questions)}
        data["question"] = {name: getattr(question, name) for name in shown}
    elif interview.phase == "task":
        coding = interview.coding
        data["task"] = {name: getattr(coding, name) for name in ("title", "minutes", "brief", "folder")}
        data["submission"] = _submission(coding.submissions[-1]) if coding.submissions else None
    return data


def result_json(interview: Interview, files: Sequence[str]) -> dict[str, Any]:
    """Return what an interview came to as data."""
    coding = interview.coding
    last = coding.submissions[-1] if coding.submissions else None
    return {
        "step": "report",
        "seed": interview.seed,
        "minutes": interview.minutes,
        "used_s": round(interview.used_s, 1),
        "figures": asdict(figures(interview)),
        "questions": [
            {
                "id": one.id,
                "said": one.said,
                "used_s": round(one.used_s, 1),
                "criteria": dict(zip(one.listens_for, one.ratings, strict=False)),
                "read": one.read,
            }
            for one in interview.questions
        ],
        "code": {
            "variant": coding.variant,
            "task": coding.task,
            "changed": coding.changed,
            "folder": coding.folder,
            "submission": _submission(last) if last else None,
            "read": coding.read,
        },
        "files": list(files),
    }


def _submission(one: Submission) -> dict[str, Any]:
    return {
        "used_s": round(one.used_s, 1),
        "broken": one.broken,
        "criteria": [asdict(judged) for judged in one.criteria],
    }


def graded_lines(submission: Submission, room: int) -> Iterator[str]:
    """Yield what a grading has found, criterion by criterion."""
    if submission.broken:
        yield from textwrap.wrap(submission.broken, room)
        return
    for one in submission.criteria:
        yield from textwrap.wrap(f"{'✓' if one.met else '✗'} {one.says}", room, subsequent_indent="  ")
        for paragraph in "" if one.met else one.seen.splitlines():
            yield from textwrap.wrap(paragraph, room, initial_indent="    ", subsequent_indent="    ")


def _paragraphs(text: str, room: int) -> Iterator[str]:
    """Wrap Markdown to a width: lists, tables and code keep their lines."""
    for line in text.splitlines():
        if line.startswith(("    ", "|")):
            yield line
        else:
            yield from textwrap.wrap(line, room, subsequent_indent="  " if line.startswith("- ") else "") or [""]
