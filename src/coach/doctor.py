"""Is this machine ready? Python, environment, packages against the lock, tools that some parts can use."""

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPTIONAL = {
    "node": "grades the JavaScript of lesson 04: install Node.js 20 or newer",
    "chromium": "pictures and browser tests of the repository: apt-get install chromium",
    "redis-server": "tests of the repository that count across workers: apt-get install redis-server",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `level` is ok, optional or wrong; `mend` is the command that helps, or ""."""

    level: str
    text: str
    mend: str = ""


def findings(root: Path) -> Iterator[Finding]:
    """Look at everything, in the order in which it has to be mended."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("ok", f"Python {version}")  # an older one could not have imported this file
    if sys.prefix == sys.base_prefix:
        yield Finding("wrong", "no virtual environment is active", "make start && . .venv/bin/activate")
    else:
        yield Finding("ok", f"virtual environment {Path(sys.prefix).name}")
    yield _packages(root / "requirements.lock")
    for tool, use in OPTIONAL.items():
        if shutil.which(tool) or (tool == "chromium" and shutil.which("google-chrome")):
            yield Finding("ok", tool)
        else:
            yield Finding("optional", f"{tool} is not here. {use}")


def _packages(lock: Path) -> Finding:
    wrong = [
        f"{name} is {have or 'missing'}, locked is {want}"
        for name, want in locked(lock).items()
        if (have := _installed(name)) != want
    ]
    if not wrong:
        return Finding("ok", "packages are those of requirements.lock")
    return Finding(
        "wrong", f"{len(wrong)} packages differ from requirements.lock: {'; '.join(wrong[:5])}", "make start"
    )


def locked(lock: Path) -> dict[str, str]:
    """Return the packages that a lock asks for on this machine: name -> version."""
    from packaging.markers import Marker

    found: dict[str, str] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        requirement, _, marker = line.partition(" ; ")
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", requirement.strip())
        if match and (not marker or Marker(marker).evaluate()):
            found[match[1]] = match[2]
    return found


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
