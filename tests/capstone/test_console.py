"""What whoever starts the service sees: short lines in a terminal, JSON in a pipe, and where to look."""

import io
import json
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from capstone.console import Console, for_whoever_reads
from capstone.greeting import banner
from tests.capstone.service import APP, ROOT

LINE = {
    "event": "request",
    "level": "info",
    "logger": "capstone.requests",
    "timestamp": "2026-11-24T17:43:21.123456Z",
    "request_id": "0123456789abcdef",
    "method": "POST",
    "route": "/v1/chat/completions",
    "status": 200,
    "seconds": 0.0124,
    "complete": True,
    "caller": "key:demo",
}


class Terminal(io.StringIO):
    """A stream that somebody reads."""

    def isatty(self) -> bool:
        return True


def shown(*lines: Any, **changes: Any) -> str:
    """What a console without colors makes of lines."""
    out = io.StringIO()
    console = Console(out)
    for line in lines:
        console.write((line if isinstance(line, str) else json.dumps({**line, **changes})) + "\n")
    return out.getvalue()


def test_a_line_is_short_for_people_and_keeps_what_they_look_for() -> None:
    assert shown(LINE) == (
        "17:43:21 [info] 200 POST /v1/chat/completions in 12 ms request_id=0123456789abcdef caller=key:demo\n"
    )
    assert "no such path in 12 ms, cut off" in shown(LINE, route=None, complete=False)
    failed = {**LINE, "event": "it broke", "level": "error", "exception": "Traceback ...\nValueError: x"}
    assert shown(failed).endswith("Traceback ...\nValueError: x\n")
    assert shown("no JSON", "[1]", '{"a": 1}') == 'no JSON\n[1]\n{"a": 1}\n', "what it does not know, it leaves"


def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    out = io.StringIO()
    console = Console(out)
    for letter in json.dumps(LINE) + "\n":
        console.write(letter)
    assert out.getvalue().count("\n") == 1
    assert "200 POST" in out.getvalue()


@pytest.mark.parametrize(
    ("stream", "wanted", "readable"),
    [
        (Terminal(), "auto", True),
        (io.StringIO(), "auto", False),
        (Terminal(), "json", False),
        (io.StringIO(), "console", True),
    ],
)
def test_who_reads_decides_or_the_setting_does(stream: Any, wanted: str, readable: bool) -> None:
    settings: Any = SimpleNamespace(log_format=wanted)
    assert isinstance(for_whoever_reads(stream, settings), Console) == readable


@pytest.mark.parametrize("columns", [20, 60, 80, 160])
def test_no_line_of_the_greeting_is_longer_than_the_terminal(columns: int) -> None:
    names = [
        "01_basics",
        "02_models",
        "03_async",
        "04_streaming",
        "05_rag",
        "06_production",
        "07_deployment",
        "08_auth",
    ]
    parts: list[Any] = [SimpleNamespace(lesson=name, whose="yours" if name > "05" else "reference") for name in names]
    text = banner(["openai", "anthropic"], parts, columns)
    lines = [line for line in text.splitlines() if "curl" not in line]
    assert max(map(len, lines)) <= max(columns, 40)
    told = re.sub(r"\s+", " ", text)
    assert "Answers from openai, anthropic" in told
    assert "Yours 05_rag, 06_production, 07_deployment, 08_auth Reference 01_basics, 02_models, 03_async" in told
    assert "/chat" in told
    assert "a fake model" in banner(["offline"], parts, columns)


def test_in_a_terminal_a_newcomer_reads_where_to_look_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    known = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    given = {**known, "CAPSTONE_DATA": str(tmp_path), "CAPSTONE_PARTS": "reference", "CAPSTONE_CORPUS": "nowhere"}
    command = [sys.executable, "-m", "uvicorn", APP, "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text, deadline = "", time.monotonic() + 30
    try:
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            assert time.monotonic() < deadline, text
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    text += os.read(ours, 65_536).decode(errors="replace")
                except OSError:  # the last of them has closed it
                    break
            if "curl http" in text and process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(15)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert process.returncode == 0
    assert re.search(r"\[info *\] part 01_basics: reference", plain)
    assert plain.index("running on http") < plain.index("Chat "), "it is the last that one sees"
    assert '{"event"' not in plain
    assert "Traceback" not in plain


def test_a_library_that_logs_past_us_is_readable_too() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(Console(out))  # type: ignore[arg-type]
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "plain words", (), None))
    assert out.getvalue() == "plain words\n"
