"""A project that somebody takes home: it is whole, it says nothing of the course, and it works without it."""

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

from capstone.settings import Settings
from coach.export import export
from coach.export.layout import PICKS, files_below, moved
from coach.export.packages import imported_modules, pins
from coach.export.told import told
from tests.conftest import ROOT
from tests.export.conftest import Home

pytestmark = pytest.mark.timeout(300)
# What a project may say of where it is from: its README names the course, and whose code is what.
ALLOWED = {"README.md", "LICENSE"}
COURSE = re.compile(
    r"(?<!\w)lessons?\b|\bcoach\b|capstone|# Given\b|\"\"\"Given\b|# TODO|>>> solution|<<< solution|--- stub|"
    r"\bsolutions/|the course|(?-i:(?<!app\.)(?<!app/)\bmockllm[./])",
    flags=re.I,
)


@pytest.mark.parametrize("which", ["untouched", "done"])
def test_nothing_in_it_speaks_of_the_course(which: str, request: pytest.FixtureRequest) -> None:
    home: Home = request.getfixturevalue(which)
    yours = {one.path for one in home.told.parts if one.chosen.yours}
    left = [
        f"{name}:{number}: {line.strip()}"
        for name, content in home.files().items()
        if name not in ALLOWED and name not in yours and not name.startswith("corpus/")
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1)
        if COURSE.search(line)
    ]
    assert not left, (
        "An exported project says this, and nobody at home knows what it means. Say it in the capstone as `lesson 08` "
        "or `the parts`, which is translated, or teach src/coach/export/prose.py the phrase:\n" + "\n".join(left)
    )


def test_every_file_of_the_capstone_goes_along_with_all_that_it_defines(untouched: Home) -> None:
    missing: list[str] = []
    for file in files_below(untouched.course / "capstone"):
        name = file.relative_to(untouched.course).as_posix()
        if name == PICKS.replace(".", "/") + ".py":
            continue
        there = untouched.path / moved(name)
        if not there.is_file():
            missing.append(f"{name} is not in the project as {moved(name)}")
        elif file.suffix == ".py":
            lost = defined(file) - defined(there)
            missing += [f"{name} defines {one}, and {moved(name)} does not" for one in sorted(lost)]
    assert not missing, "`coach export` loses what the capstone has:\n" + "\n".join(missing)


def defined(file: Path) -> set[str]:
    """Names of functions, classes and what these hold."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
    return found


def test_every_setting_is_in_the_example_with_its_default(untouched: Home) -> None:
    said = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", untouched.read(".env.example"), flags=re.M))
    fields = {name: field for name, field in Settings.model_fields.items() if name != "parts"}
    names = {name: field.validation_alias or f"APP_{name.upper()}" for name, field in fields.items()}
    assert set(said) == set(names.values())
    for name, variable in names.items():
        if said[variable]:
            key = str(fields[name].validation_alias or name)
            read = Settings(_env_file=None, **{key: said[variable]})  # type: ignore[call-arg, arg-type]
            wanted = fields[name].default
            assert getattr(read, name) == (Path("corpus") if name == "corpus" else wanted), variable


def test_every_package_that_it_imports_is_pinned(done: Home) -> None:
    import importlib.metadata

    texts = [content.decode() for name, content in done.files().items() if name.endswith(".py")]
    have = pins(done.path / "requirements.txt") | pins(done.path / "requirements-dev.txt")
    known = importlib.metadata.packages_distributions()
    for module in imported_modules(texts):
        owners = [re.sub(r"[-_.]+", "-", name).lower() for name in known[module]]
        assert any(name in have for name in owners), f"{module} of {owners} is in no requirements file"


@pytest.mark.parametrize("which", ["untouched", "done"])
def test_ruff_finds_nothing_wrong_in_it(which: str, request: pytest.FixtureRequest) -> None:
    home: Home = request.getfixturevalue(which)
    for words in (["check", "--output-format", "concise"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache"],
            cwd=home.path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_ruff_says_of_a_part_of_yours_is_let_be_in_that_file_alone(done: Home) -> None:
    assert done.told.left, "answers in other styles break some rule of ours"
    mine = {one.path for one in done.told.parts if one.chosen.yours}
    for path in done.told.left:
        assert any(path.startswith(one.removesuffix("__init__.py")) for one in mine), f"{path} is not yours"


def test_the_same_course_gives_the_same_bytes(untouched: Home, tmp_path: Path) -> None:
    export(untouched.course, tmp_path / "other", "harbor")
    again = Home(untouched.course, tmp_path / "other", untouched.told)
    assert again.files() == untouched.files()


def test_the_image_and_its_neighbors_are_the_capstone_s(untouched: Home) -> None:
    tools = Path(sys.executable).parent
    linted = subprocess.run(
        [tools / "hadolint", untouched.path / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout
    command = [tools / "docker-compose", "--file", untouched.path / "compose.yaml", "config", "--format", "json"]
    read = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert read.returncode == 0, read.stderr
    ours, theirs = yaml.safe_load((ROOT / "compose.yaml").read_text()), json.loads(read.stdout)
    assert theirs["name"] == "harbor"
    assert theirs["services"].keys() == ours["services"].keys()
    assert theirs["services"]["api"]["image"] == "harbor:0.1.0"
    for service in theirs["services"].values():
        for word in service.get("command") or []:
            if re.fullmatch(r"app/\S+|--app=app\.\S+|app\.\w+(:\w+)?", word):  # a file, or a module of a command
                name = word.removeprefix("--app=").partition(":")[0]
                file = name if "/" in name else f"{name.replace('.', '/')}.py"
                assert (untouched.path / file).is_file(), f"compose.yaml runs {word}, and there is no {file}"
    secrets = {Path(one["file"]).name for one in theirs["secrets"].values()}
    made = set(re.findall(r'folder / "([\w.]+)"', untouched.read("deploy/make_secrets.py")))
    assert secrets == made, "what compose.yaml mounts is what deploy/make_secrets.py makes"


def test_it_says_whose_each_part_is(untouched: Home, done: Home) -> None:
    assert {one.chosen.yours for one in untouched.told.parts} == {False}
    assert "**yours**" not in untouched.read("README.md")
    whose = {one.name: one.chosen.yours for one in done.told.parts}
    assert whose == {name: name not in ("payloads", "application") for name in whose}, (
        "these cannot leave their lessons"
    )
    assert "away from its lesson" in done.read("README.md")
    assert "takes 'nothing' from tests" in done.read("README.md")
    for one in done.told.parts:
        assert f'("{one.name}", "{"yours" if one.chosen.yours else "reference"}", "{one.path}"' in re.sub(
            r"\s+", " ", done.read("app/parts.py").replace("(\n", "(")
        )
        assert f"| {one.name} |" in done.read("README.md")


def test_a_part_of_yours_goes_along_whole_but_for_its_own_application(done: Home) -> None:
    assert done.read("app/core/auth/greeting.txt") == "Ahoy"
    auth = done.read("app/core/auth/__init__.py")
    assert "def nobody_asks_this_yet" in auth
    assert "from .mine import greeting" in auth
    assert not re.search(r"^app = ", auth, flags=re.M)
    rag = done.path / "app/core/rag"
    assert {"__init__.py", "evaluation.py", "retrieval.py", "store.py"} <= {file.name for file in rag.iterdir()}
    for one in done.told.parts:
        if one.chosen.yours and one.chosen.lesson.number != "09":
            names = defined(done.path / one.path) | set(re.findall(r"\w+", done.read(one.path)))
            assert set(one.chosen.lesson.exports) <= names, one.path


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_the_terminal_says_whose_each_part_is_and_what_to_type(done: Home, columns: int) -> None:
    lines = told(done.told, done.path.parent, columns)
    text = "\n".join(line for line, _ in lines)
    assert f" harbor: {len(done.files())} files" in text
    for one in done.told.parts:
        assert re.search(rf"^ {one.name} +{'yours' if one.chosen.yours else 'reference'}", text, flags=re.M), text
    assert [line.strip() for line, _ in lines[-3:]] == [
        "cd harbor",
        "python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt",
        ".venv/bin/pytest && .venv/bin/uvicorn app.main:app",
    ]
    assert max(len(line) for line, _ in lines[:-3]) <= max(60, min(columns, 100)), "only commands may be longer"
    assert told(done.told, done.path, columns)[-1][0].strip() == ".venv/bin/uvicorn app.main:app"


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the packages of ours and nothing of this repository."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    inner = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # A line of a .pth file is a folder to search; the .pth files in that folder, ours among them, are not read.
    (inner / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


@pytest.mark.parametrize("which", ["untouched", "done"])
def test_its_own_tests_pass_where_this_repository_is_not(
    which: str, request: pytest.FixtureRequest, elsewhere: Path
) -> None:
    home: Home = request.getfixturevalue(which)
    env = {"PATH": os.environ["PATH"], "HOME": str(elsewhere.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    gone = [
        elsewhere,
        "-c",
        "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ('coach', 'capstone', 'mockllm'))))",
    ]
    assert subprocess.run(gone, cwd=home.path, env=env, check=False).returncode == 0, "this Python finds the repository"
    command = [elsewhere, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tried = subprocess.run(command, cwd=home.path, env=env, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout[-6_000:] + tried.stderr[-2_000:]
    assert re.search(r"\b[3-9]\d passed", tried.stdout), tried.stdout[-500:]
