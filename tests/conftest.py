"""What the repository's own tests share: the real course's folder, and a tiny course to try the engine on."""

from pathlib import Path

import pytest

from tests.tiny_course import TinyCourse

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def tiny(tmp_path: Path) -> TinyCourse:
    return TinyCourse(tmp_path / "course")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
