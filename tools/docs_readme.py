"""Write the parts of README.md and docs/index.md that follow from the course: the lesson table and one scorecard.

python tools/docs_readme.py

Each part stands between two comments, `<!-- lessons: ... -->` and `<!-- /lessons -->`; the rest of the page is prose.
"""

import re
import tempfile
from pathlib import Path

from coach import workspace
from coach.lesson import Lesson, find_lesson, lesson_folders, read_lesson
from coach.scorecard import card_lines, finding_lines, next_step
from coach.stubs import regions

ROOT = Path(__file__).resolve().parents[1]
PAGES = {ROOT / "README.md": "lessons/{folder}/README.md", ROOT / "docs" / "index.md": "lessons/{folder}.md"}

OPEN = ("01.4", "01.6")
"""The tasks that the scorecard's answer has not begun."""

RIGHT = "    await run_in_threadpool(backend.save, session)\n"
WRONG = "    backend.save(session)\n"
"""The line of task 01.3 that it has got wrong."""


def render(page: Path) -> str:
    """Return a page with its written parts as they should be now."""
    text = page.read_text(encoding="utf-8")
    text = _between(text, "lessons", lesson_table(PAGES[page]))
    text = _between(text, "tasks", task_list(PAGES[page]))
    return (
        _between(text, "scorecard", f"```text\n$ pytest lessons/01\n{scorecard()}\n```")
        if "<!-- scorecard" in text
        else text
    )


def lesson_table(link: str) -> str:
    """Return the table of the lessons that have a page; `link` is where a lesson's title leads."""
    rows = ["| lesson | you build | minutes | asked in interviews |", "|---|---|---:|---|"]
    for folder in lesson_folders(ROOT):
        if not (ROOT / "docs" / "lessons" / f"{folder.name}.md").is_file():
            continue  # still being written; `coach check` asks for the page
        lesson = read_lesson(folder)
        title = f"[{lesson.number} {lesson.name}]({link.format(folder=lesson.folder)})"
        rows.append(f"| {title} | {lesson.builds} | {lesson.minutes} | {lesson.asked} |")
    return "\n".join(rows)


def task_list(link: str) -> str:
    """Return what each lesson asks for, task by task, in the words of its `lesson.toml`."""
    lines = []
    for folder in lesson_folders(ROOT):
        lesson = read_lesson(folder)
        tasks = "; ".join(task.title for task in lesson.tasks)
        lines.append(f"- [{lesson.number} {lesson.name}]({link.format(folder=lesson.folder)}): {tasks}.")
    return "\n".join(lines)


def scorecard() -> str:
    """Return what `pytest lessons/01` prints under its dots for an answer half way: right, wrong and not begun."""
    lesson = find_lesson(ROOT, "01")
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "app.py"
        answer.write_text(half_way(lesson), encoding="utf-8")
        card = workspace.grade(lesson, answer).card
    lines = [text for text, _ in finding_lines(card, 80) + card_lines(card, 80)]
    return "\n".join([*lines, "", f" {next_step(card)}"])


def half_way(lesson: Lesson) -> str:
    """Return the reference with some tasks put back to their TODOs and one line wrong."""
    text = (lesson.solution / "app.py").read_text(encoding="utf-8")
    if RIGHT not in text:
        raise SystemExit(f"tools/docs_readme.py: {lesson.folder} has no line {RIGHT.strip()!r} to get wrong any more.")
    lines = text.splitlines(keepends=True)
    for region in reversed(regions(text, "app.py")):
        if region.number in OPEN:
            lines[region.start : region.end] = region.stub
    return "".join(lines).replace(RIGHT, WRONG)


def _between(text: str, name: str, body: str) -> str:
    found = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return found.sub(lambda match: f"{match[1]}\n{body}\n\n{match[2]}", text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(render(page), encoding="utf-8")
        print(f"wrote {page.relative_to(ROOT)}")
