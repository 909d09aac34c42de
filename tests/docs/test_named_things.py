"""Nothing is typed into a page that nobody has run, and what a page names is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from coach.cli import app
from coach.lesson import lesson_folders, read_lesson
from tests.conftest import ROOT
from tests.docs.prose import NAMES, PROSE

every = pytest.mark.parametrize("page", PROSE, ids=NAMES)

CODE = {"python", "py", "javascript", "js", "typescript", "yaml", "toml", "json", "dockerfile"}
TYPED_IN = {
    "CONTRIBUTING.md": "a lesson 10 that does not exist: test_written_pages cuts its regions and reads its lesson.toml",
}
"""Pages with code of their own, and what tests that instead."""
PUZZLE = "This is on the first page of every search result. What breaks?"
"""What stands above broken code in a brief; the traps of the lesson's page show it break."""
INVENTED = "10"
"""The lesson that the guide for authors makes up."""
ANY = {"lessons/3", "lessons/99", "lessons/NN"}
"""A lesson in short and one that is not there (both of decision 0002), and any lesson."""
FOLDERS = "capstone|lessons|solutions|tests|docs|src|tools|benchmarks|deploy|notebooks|interviews|data"
PLACE = re.compile(rf"`((?:{FOLDERS}|\.ci|\.github|\.devcontainer)/[\w./*-]*)`")


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """The language of each fenced block, what stands in it, and the last line of prose above it."""
    for found in re.finditer(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", text, flags=re.M | re.S):
        above = text[: found.start()].rstrip().rpartition("\n")[2]
        yield found[2], found[3], above.strip("* ")


def included(block: str) -> bool:
    return re.fullmatch(r'(?: *--8<-- "[^"]+"\n)+', block) is not None


def commands(text: str, program: str) -> list[str]:
    """Every call of a program: in backticks, in a terminal, or behind another call."""
    return re.findall(rf"(?:^ *(?:\$ )?|`|-> |&& )({program} [^`\n#]*)", text, flags=re.M)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("lessons/")])
def test_code_is_included_from_a_file_that_is_run(name: str) -> None:
    typed = [
        block for language, block, _ in blocks((ROOT / name).read_text()) if language in CODE and not included(block)
    ]
    assert bool(typed) == (name in TYPED_IN), typed


def test_code_in_a_brief_is_a_puzzle_or_calls_what_the_reader_writes() -> None:
    for brief in ROOT.glob("lessons/*/README.md"):
        solution = "".join(path.read_text() for path in ROOT.glob(f"solutions/{brief.parent.name}/**/*.py"))
        for language, block, above in blocks(brief.read_text()):
            if language != "python" or above == PUZZLE:
                continue
            calls = [node for node in ast.walk(ast.parse(_inside(block))) if isinstance(node, ast.Call)]
            called = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
            assert called, f"{brief}: {block}"
            assert {one for one in called if not re.search(rf"\b(?:def|class) {one}\b", solution)} == set()


def _inside(block: str) -> str:
    """Return the block in a function, where `async with` may stand."""
    return "async def _():\n" + re.sub("^", "    ", block, flags=re.M)


@every
def test_every_coach_command_has_the_options_and_the_task_that_are_named(page: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    tasks = {task.number for folder in lesson_folders(ROOT) for task in read_lesson(folder).tasks}
    for line in commands(page.read_text(), "coach"):
        name = line.split()[1]
        if not re.fullmatch(r"[a-z]+", name):
            continue  # `coach --version`, `coach ...`
        assert name in known, line
        options = {one for option in known[name].params for one in [*option.opts, *option.secondary_opts]} | {"--help"}
        assert set(re.findall(r"(?<!\S)(--?[a-z][\w-]*)", line)) <= options, line
        for number in re.findall(r"^coach [a-z]+ (\d\d(?:\.\d+)?)(?!\S)", line):
            assert number.startswith(INVENTED) or any(task.startswith(number) for task in tasks), line


@every
def test_what_is_started_by_its_path_is_there(page: Path) -> None:
    text = page.read_text()
    for line in commands(text, "pytest"):
        for path in re.findall(rf"(?<!\S)((?:{FOLDERS})/[\w./-]*)", line):
            assert path in ANY or path.startswith(f"lessons/{INVENTED}") or list(ROOT.glob(f"{path.rstrip('/')}*")), (
                line
            )
    for line in commands(text, "python3?"):
        for path in re.findall(r"(?<!\S)([\w./-]+\.py)", line):
            assert (ROOT / path).is_file(), line
        for module in re.findall(r"-m ((?:capstone|tools|coach|mockllm)[\w.]*)", line):
            places = [ROOT / folder / module.replace(".", "/") for folder in ("", "src")]
            assert any(place.with_suffix(".py").is_file() or (place / "__main__.py").is_file() for place in places), (
                line
            )


@every
def test_every_place_that_is_named_is_there(page: Path) -> None:
    for place in PLACE.findall(page.read_text()):
        made_up = f"/{INVENTED}_" in place or place.startswith(f"lessons/{INVENTED}")
        assert made_up or list(ROOT.glob(place)), f"{place} is not in this repository"


def test_every_figure_says_which_script_made_it() -> None:
    figures = list(ROOT.glob("docs/img/*.svg"))
    assert figures
    for figure in figures:
        script = f"benchmarks/{figure.stem}.py"
        assert (ROOT / script).is_file(), figure.name
        shown_on = [page for page in PROSE if f"img/{figure.name}" in page.read_text()]
        assert shown_on, f"no page shows {figure.name}"
        assert [page.name for page in shown_on if script not in page.read_text()] == []
