"""What the repository's own tests share: the real course's folder, and a tiny course to try the engine on."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.tiny_course import TinyCourse

# Before any test imports the capstone, which looks here once: the reference serves, whatever a learner has done so far.
os.environ["CAPSTONE_PARTS"] = "reference"

pytest_plugins = ["pytester"]
collect_ignore = [
    "home"
]  # what `coach export` takes along: tests/export runs it in projects; by hand `pytest tests/home`

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI every tool is installed, so a test that skips proves nothing there and fails."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture
def tiny(tmp_path: Path) -> TinyCourse:
    return TinyCourse(tmp_path / "course")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
