"""What an interview comes to: figures, then Markdown of every criterion with what to read, then the same as a page."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from coach.interview.coding import HOME
from coach.interview.state import RATINGS, Asked, Coding, Interview, Submission
from coach.lesson import CourseError
from coach.progress import write_whole

MARKS = {"yes": "✓", "partly": "~", "no": "✗"}


@dataclass(frozen=True)
class Figures:
    """What an interview comes to."""

    asked: int  # questions that were answered
    questions: int
    said: float  # criteria of the answers, a partly met one counts half
    criteria: int  # of the questions that were answered
    met: int  # criteria of the code
    code_criteria: int
    late_s: float  # seconds that the code was handed in after the end, 0 if it was in time


def figures(interview: Interview) -> Figures:
    """Count what was met."""
    answered = [one for one in interview.questions if one.ratings]
    last = _last(interview.coding)
    return Figures(
        asked=len(answered),
        questions=len(interview.questions),
        said=sum(RATINGS[rating] for one in answered for rating in one.ratings),
        criteria=sum(len(one.listens_for) for one in answered),
        met=sum(one.met for one in last.criteria) if last else 0,
        code_criteria=len(interview.coding.rubric),
        late_s=max(0.0, last.used_s - interview.minutes * 60) if last else 0.0,
    )


def write_report(root: Path, interview: Interview) -> tuple[Path, Path]:
    """Write the report as Markdown and as a page beside the candidate's code, and return where.

    Raises:
        CourseError: it cannot be written.
    """
    folder = root / (interview.coding.folder or f"{HOME}/{interview.stamp}")
    text = "\n".join(_report(interview, os.path.relpath(root, folder))) + "\n"
    markdown = text.encode("utf-8", "replace").decode()
    files = folder / "report.md", folder / "report.html"
    try:
        for file, content in zip(files, (markdown, as_page(markdown)), strict=True):
            write_whole(file, content)
    except OSError as error:
        raise CourseError(f"the report cannot be written: {error}.") from None
    return files


def as_page(markdown: str) -> str:
    """Return a report as one HTML file that needs no other."""
    from markdown_it import MarkdownIt

    # Without html: what somebody typed, or what a test saw, is text and nothing else.
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    title = markdown.partition("\n")[0].removeprefix("# ")
    return PAGE.format(title=escape(title), body=body)


def clock(seconds: float) -> str:
    """Return seconds as a clock shows them: 41:05."""
    return f"{int(max(seconds, 0)) // 60}:{int(max(seconds, 0)) % 60:02d}"


def _last(coding: Coding) -> Submission | None:
    return coding.submissions[-1] if coding.submissions else None


def _report(interview: Interview, root: str) -> Iterator[str]:
    """Yield the lines. `root` is the course, seen from where the report lies."""
    count, coding = figures(interview), interview.coding
    day = datetime.fromisoformat(interview.started).astimezone()
    yield f"# Mock interview, {day.day} {day:%B %Y}"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| spoken | {_share(count.said, count.criteria)}, {count.asked} of {count.questions} questions answered |"
    yield f"| code | {_share(count.met, count.code_criteria)}{_handed_in(coding, count)} |"
    yield f"| clock | {clock(interview.used_s)} of {clock(interview.minutes * 60)} |"
    yield f"| topic | {interview.topic or 'all'} |"
    yield f"| seed | {interview.seed}{'' if interview.seed_given else ', what was asked before left out'} |"
    yield ""
    yield "## Where to go on"
    yield ""
    yield from _gaps(interview, root)
    yield "## Spoken"
    yield ""
    for number, one in enumerate(interview.questions, start=1):
        yield from _question(number, one, root)
    yield from _code(coding, root)


def _share(met: float, of: int) -> str:
    return f"{met:g} of {of} criteria ({met / of:.0%})" if of else "nothing to rate"


def _handed_in(coding: Coding, count: Figures) -> str:
    if not coding.folder:
        return ", the clock left no time for it"
    if not coding.submissions:
        return ", nothing was handed in"
    times = f", handed in {len(coding.submissions)} times" if len(coding.submissions) > 1 else ", handed in"
    late = f", {clock(count.late_s)} after the end" if count.late_s else ""
    return f"{times} after {clock(coding.used_s)}{late}"


def _gaps(interview: Interview, root: str) -> Iterator[str]:
    """What was not met, the plain misses first, each with the place where it can be learned."""
    gaps: list[tuple[str, str]] = []
    for rating in ("no", "partly"):
        for one in interview.questions:
            said = zip(one.listens_for, one.ratings, strict=False)
            gaps += [(f"{MARKS[rating]} {text}", _links(one.read, root)) for text, rated in said if rated == rating]
    last, coding = _last(interview.coding), interview.coding
    where = _links(coding.read[:2], root)
    gaps += [(f"✗ code: {one.says}", where) for one in (last.criteria if last else ()) if not one.met]
    if last is None:
        gaps.append((f"✗ code, not handed in: {coding.title}", where))
    gaps += [(f"✗ not answered: {one.title}", _links(one.read, root)) for one in interview.questions if not one.ratings]
    if not gaps:
        yield "Every criterion that was rated is met."
        yield "Sit the next one: `coach interview`."
        yield ""
        return
    yield "| missed (✗), or said in part (~) | read |"
    yield "|---|---|"
    for text, read in gaps:
        yield f"| {_cell(text)} | {read} |"
    yield ""
    topics = dict.fromkeys(one.topic for one in interview.questions if any(rating != "yes" for rating in one.ratings))
    if topics:
        yield "Then: " + ", ".join(f"`coach quiz {topic}`" for topic in topics) + "."
        yield ""


def _question(number: int, one: Asked, root: str) -> Iterator[str]:
    yield f"### {number}. {one.title}"
    yield ""
    if not one.ratings:
        yield f"`{one.id}` · {one.level} · not answered: the clock or you had moved on."
        yield ""
        yield f"Read: {_links(one.read, root)}"
        yield ""
        return
    met = sum(RATINGS[rating] for rating in one.ratings)
    yield f"`{one.id}` · {one.level} · {clock(one.used_s)} · {met:g} of {len(one.listens_for)}"
    yield ""
    if one.said:
        yield "You noted:"
        yield ""
        yield from _fence(one.said)
    yield from (f"- {MARKS[rating]} {text}" for text, rating in zip(one.listens_for, one.ratings, strict=True))
    yield ""
    if met < len(one.listens_for):
        yield f"**An answer to say.** {one.spoken}"
        yield ""
        yield f"**The usual wrong answer.** {one.wrong}"
        yield ""
    yield f"**Then they ask.** *{one.then_asked}* {one.then_answer}"
    yield ""
    yield f"Read: {_links(one.read, root)}"
    yield ""


def _code(coding: Coding, root: str) -> Iterator[str]:
    yield f"## Code: {coding.title}"
    yield ""
    if not coding.folder:
        yield "It was not handed out: the time was over before."
        yield ""
        return
    yield f"From task {coding.task} of the lessons. {coding.changed}"
    yield ""
    last = _last(coding)
    if last is None:
        yield "Nothing was handed in."
        yield ""
    elif last.broken:
        yield f"No test could run: {last.broken}"
        yield ""
    else:
        for one in last.criteria:
            yield f"- {'✓' if one.met else '✗'} {one.says}"
            yield ""
            if not one.met:
                yield from (f"  {line}".rstrip() for line in _fence(one.seen))
    yield f"Read: {_links(coding.read, root)}"
    yield ""
    if last:
        yield "### What you handed in"
        yield ""
        yield from _fence(last.code.rstrip("\n"), "python")
    yield "### One way to write it"
    yield ""
    kept = (line for line in coding.solution.splitlines() if line.strip() not in ("# >>> solution", "# <<< solution"))
    yield from _fence("\n".join(kept), "python")


def _links(places: Iterable[str], root: str) -> str:
    return ", ".join(f"[{_name(place)}]({root}/{place})" for place in places)


def _name(place: str) -> str:
    """A file as people call it: "lesson 06.2", "notebook 06 production", "page on redis"; else its path."""
    if lesson := re.match(r"lessons/(\d\d)_\w+/README\.md(?:#(\d\d)(\d)-)?", place):
        return f"lesson {lesson[2]}.{lesson[3]}" if lesson[2] else f"lesson {lesson[1]}"
    if notebook := re.match(r"notebooks/(\d\d)_(\w+)\.ipynb", place):
        return f"notebook {notebook[1]} {notebook[2]}"
    if page := re.match(r"docs/(?:\w+/)*(?:\d+[-_])?([\w-]+)\.md", place):
        return f"page on {page[1]}"
    return place


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _fence(text: str, language: str = "text") -> Iterator[str]:
    """Lines that are shown as they are, whatever is in them."""
    marks = "```"
    while marks in text:
        marks += "`"
    yield f"{marks}{language}"
    yield from text.splitlines()
    yield marks
    yield ""


PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
  :root {{ --line: #8884; --soft: #8881; --link: #00796b; }}
  @media (prefers-color-scheme: dark) {{ :root {{ --link: #4db6ac; }} }}
  body {{ font: 1rem/1.55 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }}
  h1, h2, h3 {{ line-height: 1.25; }}
  h2 {{ border-bottom: 1px solid var(--line); padding-bottom: .25rem; margin-top: 2.5rem; }}
  h3 {{ margin-top: 2rem; }}
  a {{ color: var(--link); }}
  table {{ border-collapse: collapse; width: 100%; }}
  code, a {{ overflow-wrap: anywhere; }}
  th, td {{ text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }}
  thead:has(th:empty) {{ display: none; }}
  ul {{ list-style: none; padding-left: .5rem; }}
  li {{ margin: .3rem 0; }}
  code, pre {{ font: .9em/1.45 ui-monospace, monospace; }}
  pre {{ background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: .3rem; }}
  pre:has(.language-text) {{ white-space: pre-wrap; }}
  @media print {{ body {{ max-width: none; }} pre {{ white-space: pre-wrap; }} }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
