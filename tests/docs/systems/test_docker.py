"""Docker: what enters an image besides the code. Shown on docs/systems/docker.md."""

from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from tests.docs.traps.deployment.files import hadolint

BROKEN = """
# --8<-- [start:broken]
FROM python:3.13.9-slim-trixie
WORKDIR /app
COPY . .
CMD ["uvicorn", "main:app", "--host", "0.0.0.0"]
# --8<-- [end:broken]
"""

REPAIRED = """
# --8<-- [start:repaired]
# .dockerignore: nothing comes along but this
*
!requirements.txt
!app
**/__pycache__
**/.env
# --8<-- [end:repaired]
"""


def patterns(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service as it lies on a laptop."""
    for name in ("app/main.py", "app/.env", ".env", ".git/config", "requirements.txt", "data/chats.db", "venv/x.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    return tmp_path


def files(folder: Path, dockerignore: str) -> set[str]:
    """What a builder is given of a folder: `.dockerignore` as Docker's own client reads it."""
    found = exclude_paths(str(folder), patterns(dockerignore))
    return {name for name in found if (folder / name).is_file()} - {".dockerignore", "Dockerfile"}


def test_copy_all_copies_all(folder: Path) -> None:
    # --8<-- [start:seen]
    # in a layer, for ever
    inside = files(folder, dockerignore="")
    assert {".env", ".git/config", "data/chats.db"} <= inside
    assert hadolint(BROKEN) == []  # and no linter says a word
    # --8<-- [end:seen]


def test_a_list_of_what_may_come_along_forgets_nothing(folder: Path) -> None:
    assert files(folder, REPAIRED) == {"app/main.py", "requirements.txt"}


def test_deleting_it_in_a_later_step_deletes_it_in_no_layer() -> None:
    assert hadolint(BROKEN.replace("CMD", "RUN rm .env\nCMD")) == [], "which no linter knows either"
