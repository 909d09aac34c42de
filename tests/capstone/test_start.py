"""A start that fails: one line in words, whatever is wrong, and nothing secret in it."""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from capstone import startup
from capstone.logs import worth_a_line
from tests.capstone.service import APP, ROOT


def record(name: str, message: str, error: BaseException | None = None) -> logging.LogRecord:
    info: Any = (type(error), error, None) if error else None
    return logging.LogRecord(name, logging.ERROR, "", 0, message, (), info)


def test_a_folder_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    startup.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0, "for nobody else's eyes"
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(
        startup.CannotStart, match=r"CAPSTONE_DATA is .*file/data, where nothing can be written: Not a dir"
    ):
        startup.make_folder(tmp_path / "file" / "data")


def test_what_does_not_start_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    known = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    given = {**known, "CAPSTONE_DATA": str(tmp_path / "file" / "data"), "CAPSTONE_PARTS": "reference"}
    command = [sys.executable, "-m", "uvicorn", APP, "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert done.stderr.count("the service cannot start: CAPSTONE_DATA is") == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 6


def test_a_bug_in_the_start_keeps_its_traceback() -> None:
    bug = record("uvicorn.error", "Traceback (most recent call last):\n  File ...\nValueError: x")
    assert worth_a_line(bug)
    assert bug.getMessage().endswith("ValueError: x")
    assert worth_a_line(record("service", "unexpected error", ValueError("x")))
    assert not worth_a_line(record("service", "unexpected error", startup.CannotStart("x")))


def test_a_connection_that_the_end_cuts_off_is_no_error() -> None:
    assert not worth_a_line(record("sqlalchemy.pool.impl.X", "Exception during reset", asyncio.CancelledError()))
    assert worth_a_line(record("sqlalchemy.pool.impl.X", "Exception during reset", OSError()))
    assert worth_a_line(record("capstone", "x", asyncio.CancelledError()))


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"])
def test_an_address_without_a_scheme_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "localhost:8000/v1")
    with pytest.raises(startup.BadSettings, match=f"{name}: has to begin with http:// or https://"):
        startup.read_settings()
