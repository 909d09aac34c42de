"""The pages on systems: one style, nothing typed in that no test has run, and nothing named that is not there."""

import re
import textwrap
from pathlib import Path

import pytest

from coach.lesson import read_lesson
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "systems"
INDEX = (FOLDER / "index.md").read_text(encoding="utf-8")
PROVIDERS = ROOT / "docs" / "providers.md"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")
EVERY = [*PAGES, FOLDER / "index.md", PROVIDERS]
PARTS = ["What for", "The smallest example", "The trap: ", "Asked in interviews", "Where it works here"]
PLACES = (
    r"`((?:capstone|deploy|lessons|notebooks|solutions|src|tests)/[\w./-]+|Dockerfile|\.dockerignore|compose\.yaml)`"
)
COLUMNS = 80  # what a window of 1,440 pixels shows without scrolling
MINUTES = 3
WORDS_A_MINUTE = 200

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
every = pytest.mark.parametrize("page", EVERY, ids=lambda path: path.stem)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def snippets(text: str) -> list[str]:
    return re.findall(r'--8<-- "([^"]+)"', text)


@pages
def test_a_page_has_its_parts_in_order(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", read(page), flags=re.M)
    assert len(headings) == len(PARTS)
    assert all(found.startswith(part) for found, part in zip(headings, PARTS, strict=True)), headings
    last = read(page).split("## Where it works here\n")[1]
    assert re.findall(r"^- (\*\*\w+\*\*)", last, flags=re.M)[:2] == ["**Lesson**", "**Capstone**"]
    spoken = re.search(r'## Asked in interviews\n\n!!! quote ".+[?.]"\n\n((?:    .+\n)+)', read(page))
    assert spoken, "a question, and an answer to say"
    assert 3 <= len(spoken[1].splitlines()) <= 7, "sentences"


@pages
def test_a_page_is_read_in_three_minutes(page: Path) -> None:
    text = re.sub(r"```.*?```", "", read(page), flags=re.S)
    assert len(text.split()) <= MINUTES * WORDS_A_MINUTE


@every
def test_all_code_is_included_from_a_test(page: Path) -> None:
    for block in re.findall(r"^```\w+.*?\n(.*?)^```", read(page), flags=re.M | re.S):
        assert re.fullmatch(r'--8<-- "tests/docs/[^"]+"\n', block), block


def test_no_line_of_code_is_wider_than_the_page() -> None:
    wide = []
    for file in [*Path(__file__).parent.glob("*.py"), *Path(__file__).parent.glob("commands/*.sh")]:
        text = file.read_text(encoding="utf-8")
        shown = re.findall(r"-8<-- \[start:\w+\]\n(.*?)[^\n]*-8<-- \[end", text, flags=re.S)
        for block in [text] if file.suffix == ".sh" else shown:
            wide += [f"{file.name}: {line}" for line in textwrap.dedent(block).splitlines() if len(line) > COLUMNS]
    assert wide == []


def test_every_section_is_shown_and_is_there() -> None:
    shown = {one for page in EVERY for one in snippets(read(page))}
    here = Path(__file__).parent
    written = {
        f"{file.relative_to(ROOT)}:{name}"
        for file in here.glob("*.py")
        for name in re.findall(r"-8<-- \[start:(\w+)\]", file.read_text(encoding="utf-8"))
    }
    written |= {str(file.relative_to(ROOT)) for file in here.glob("commands/*.sh")}
    assert written - shown == set()
    assert {one for one in shown - written if not one.startswith("tests/docs/traps/")} == set()


@every
def test_every_place_that_is_named_exists(page: Path) -> None:
    missing = [name for name in re.findall(PLACES, read(page)) if not (ROOT / name).exists()]
    assert missing == []


@pages
def test_every_task_and_question_that_is_named_exists(page: Path) -> None:
    known = {task.number for folder in ROOT.glob("lessons/[0-9]*") for task in read_lesson(folder).tasks}
    assert set(re.findall(r"\b(\d\d\.\d)\b", read(page).split("## Where it works here")[1])) <= known
    for notebook, question in re.findall(r'`notebooks/(\w+)\.ipynb`: "(.+)"', read(page)):
        assert f"\n# ## {question}\n" in (ROOT / "notebooks" / "src" / f"{notebook}.py").read_text(encoding="utf-8")


@pages
def test_the_lessons_of_a_page_lead_back_to_it(page: Path) -> None:
    (line,) = re.findall(r"^- \*\*Lesson\*\*: .*", read(page), flags=re.M)
    lessons = re.findall(r"\(\.\./(lessons/\w+\.md)\)", line)
    assert lessons
    assert [one for one in lessons if f"(../systems/{page.name})" not in read(ROOT / "docs" / one)] == []


def test_every_file_of_the_index_is_there() -> None:
    for name in re.findall(r"`([\w./]+\.(?:py|yaml)|Dockerfile|deploy/lambda/)`", INDEX):
        places = [ROOT / name, *(ROOT / "capstone").rglob(name)]
        assert any(place.exists() for place in places), name


def test_the_index_names_every_page_once() -> None:
    assert sorted(re.findall(r"^\| \[[^\]]+\]\(([\w-]+\.md)\)", INDEX, flags=re.M)) == [page.name for page in PAGES]
