"""The packages that the project installs: what the image of the capstone does, and what a part of yours brings."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from coach.export.names import normal
from coach.lesson import CourseError

# Packages that no line imports, and what needs them.
NOT_IMPORTED = {
    "aiosqlite": "SQLAlchemy, for sqlite+aiosqlite://",
    "asyncpg": "SQLAlchemy, for postgresql+asyncpg://",
    "python-multipart": "FastAPI, for forms and uploads",
    "uvicorn": "you, on the command line",
}
TOOLS = ("pytest", "ruff")  # of requirements-dev.txt


def pins(file: Path) -> dict[str, str]:
    """Return the lines of a lock file by package: "uvloop" -> "uvloop==0.22.1 ; sys_platform != 'win32'"."""
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*==[^\\\n]*)", file.read_text(encoding="utf-8"), flags=re.M)
    return {normal(line.split("==")[0]): line.strip() for line in lines}


def imported_modules(texts: Iterable[str]) -> set[str]:
    """Return the top-level modules that texts import from elsewhere."""
    found: set[str] = set()
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"app", "tests"}


@dataclass(frozen=True)
class Packages:
    """What the project installs."""

    direct: list[str]  # '"fastapi>=0.165"'
    locked: list[str]  # "fastapi==0.165.0"
    tools: list[str]

    @property
    def names(self) -> set[str]:
        """The names of all, as indexes compare them."""
        return {normal(re.split(r"[\[=<>~; ]", one)[0]) for one in (*self.locked, *self.tools)}


def packages(root: Path, texts: Iterable[str]) -> Packages:
    """Find out what the project installs: what the image of the capstone does, and what only a part of yours imports.

    Raises:
        CourseError: a part imports a module that belongs to no installed package.
    """
    course = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    given = [*course["project"]["dependencies"], *course["project"]["optional-dependencies"]["dev"]]
    least = {normal(name): version for name, version in map(split, given)}
    every, service = (
        pins(root / "requirements-dev.lock") | pins(root / "requirements.lock"),
        pins(root / "requirements-service.lock"),
    )
    known = importlib.metadata.packages_distributions()
    modules = imported_modules(texts)
    owners = {module: [normal(one) for one in known.get(module, ())] for module in modules}
    wanted: dict[str, str] = {}
    for given in course["dependency-groups"]["service"]:
        name = normal(split(given)[0])
        provides = {module for module, names in known.items() if name in map(normal, names)}
        if name in NOT_IMPORTED or not provides or provides & modules:
            wanted[name] = f"{given}{least.get(name, '')}"
    locked = {name: every.get(name, line) for name, line in service.items()}
    for module, names in sorted(owners.items()):
        if any(name in locked for name in [*names, normal(module)]):  # some are locked and need not be installed here
            continue
        if not names:
            raise CourseError(
                f"A part imports {module!r}, which belongs to no installed package: pip install it first."
            )
        name = names[0]
        locked[name] = every.get(name, f"{name}=={importlib.metadata.version(name)}")
        wanted[name] = f"{name}>={importlib.metadata.version(name)}"
        for other in needs(name):
            locked.setdefault(other, every.get(other, f"{other}=={importlib.metadata.version(other)}"))
    tools = {name: every[name] for tool in TOOLS for name in (tool, *needs(tool)) if name not in locked}
    return Packages(
        [f'  "{wanted[name]}",' for name in sorted(wanted)],
        [locked[name] for name in sorted(locked)],
        [tools[name] for name in sorted(tools)],
    )


def split(requirement: str) -> tuple[str, str]:
    """Return name and version of a requirement: ("openai", ">=3.54") of "openai[aiohttp]>=3.54"."""
    name, version = re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?\s*(.*)$", requirement)[0]
    return name, version


def needs(name: str) -> list[str]:
    """Return the packages that an installed one needs here, and those that these need."""
    found: list[str] = []
    queue = [name]
    while queue:
        for line in importlib.metadata.requires(queue.pop()) or ():
            requirement, _, marker = line.partition(";")
            other = normal(split(requirement.strip())[0])
            if "extra ==" in marker or other in found:
                continue
            try:
                importlib.metadata.version(other)
            except importlib.metadata.PackageNotFoundError:  # for another system or an older Python
                continue
            found.append(other)
            queue.append(other)
    return sorted(found)
