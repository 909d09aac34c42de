"""What is written from source is fresh, and what prose names exists."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from capstone.settings import Settings
from coach.cli import app
from coach.doctor import locked
from coach.lesson import read_lesson
from coach.stubs import make_stub, regions
from tests.docs.prose import NAMES, PROSE
from tools import docs_cli, docs_readme, docs_settings

ROOT = Path(__file__).resolve().parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_command_reference_is_fresh() -> None:
    assert text("docs/cli.md") == docs_cli.render(), "write it anew: python tools/docs_cli.py"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", docs_readme.PAGES, ids=lambda path: path.name)
def test_table_and_scorecard_are_fresh(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == docs_readme.render(page), "write it anew: python tools/docs_readme.py"


def test_the_readme_has_its_parts_in_order() -> None:
    readme = text("README.md")
    parts = ["make start", "make test", "9/15 points", "| lesson | you build |", "pytest lessons/01`", "mkdocs serve"]
    parts += ["jupyter lab notebooks", "uvicorn capstone.main:app", "`capstone/`", "coach doctor", "CONTRIBUTING.md"]
    places = [readme.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("page", PROSE, ids=NAMES)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), flags=re.M))
    assert named <= targets


@pytest.mark.parametrize("page", PROSE, ids=NAMES)
def test_every_coach_command_that_is_named_exists(page: Path) -> None:
    command = typer.main.get_command(app)
    known = set(getattr(command, "commands", {}))
    named = set(re.findall(r"(?:^|`|-> )coach ([a-z]+)", page.read_text(encoding="utf-8"), flags=re.M))
    assert named <= known


@pytest.mark.parametrize("page", PROSE, ids=NAMES)
def test_every_setting_that_is_named_is_documented(page: Path) -> None:
    named = set(re.findall(r"\b(?:COACH|CAPSTONE)_[A-Z_]+", page.read_text(encoding="utf-8")))
    documented = text("docs/cli.md") + text("docs/capstone/settings.md")
    assert {name for name in named if f"| `{name}` |" not in documented} == set()


def test_every_setting_of_the_engine_is_documented() -> None:
    used = {
        name
        for path in ROOT.glob("src/coach/*.py")
        for name in re.findall(r"\bCOACH_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    assert used == set(re.findall(r"^\| `(COACH_[A-Z_]+)` \|", text("docs/cli.md"), flags=re.M))


def test_the_settings_of_the_capstone_are_fresh_and_each_has_a_meaning() -> None:
    page = text("docs/capstone/settings.md")
    assert page == docs_settings.render(), "write it anew: python -m tools.docs_settings"
    rows = re.findall(r"^\| `([A-Z_]+)` \| .*? \| .{10,} \|$", page, flags=re.M)
    assert len(rows) == len(Settings.model_fields)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[\[>=<~]", one)[0] for one in wanted]
    rows = re.findall(r"^\| ([\w-]+) \| [\w.]+ \| \d{4}-\d\d \| .{10,} \|$", text("docs/dependencies.md"), flags=re.M)
    assert rows == names


def test_every_documented_version_is_the_locked_one() -> None:
    versions = locked(ROOT / "requirements-dev.lock")
    rows = re.findall(r"^\| ([\w-]+) \| ([\w.]+) \| \d{4}", text("docs/dependencies.md"), flags=re.M)
    assert dict(rows) == {name: versions[name] for name, _ in rows}


def test_every_hostile_case_is_in_the_threat_model() -> None:
    cases = {path.stem for path in (ROOT / "tests" / "hostile").iterdir() if path.name[0] not in "._"}
    assert {case for case in cases if f"`{case}`" not in text("SECURITY.md")} == set()


def test_the_regions_in_the_authors_guide_are_regions() -> None:
    shown = [block for block in re.findall(r"```python\n(.*?)```", text("CONTRIBUTING.md"), re.S) if ">>>" in block]
    assert [region.number for block in shown for region in regions(block, "app.py")] == ["10.2", "10.1"]
    assert 'raise NotImplementedError("TODO 10.1")' in make_stub(shown[1], "app.py")


def test_the_lesson_toml_in_the_authors_guide_can_be_read(tmp_path: Path) -> None:
    shown = re.search(r"```toml\n(.*?)```", text("CONTRIBUTING.md"), re.S)
    assert shown
    folder = tmp_path / "lessons" / "10_tools"
    folder.mkdir(parents=True)
    (folder / "lesson.toml").write_text(shown[1])
    assert read_lesson(folder).tasks[0].number == "10.1"


def test_the_editor_finds_the_lessons_at_once() -> None:
    settings = json.loads(text(".vscode/settings.json"))
    assert settings["python.testing.pytestEnabled"] is True
    assert settings["python.testing.pytestArgs"] == ["lessons"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")


def test_a_container_starts_with_the_first_command_of_the_readme() -> None:
    assert json.loads(text(".devcontainer/devcontainer.json"))["postCreateCommand"] == "make start"


def test_the_workflow_runs_what_everybody_runs() -> None:
    assert "run: bash .ci/run" in text(".github/workflows/ci.yml")
