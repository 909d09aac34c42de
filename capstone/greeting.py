"""What a newcomer sees in a terminal, behind the server's own last line."""

import asyncio
import shutil
import sys
import textwrap
from collections.abc import Sequence

from coach.parts import Part

LEAST, MOST = 40, 100  # columns


def greet(names: Sequence[str], parts: Sequence[Part]) -> None:
    """Say where to look, if somebody is looking. The server's last line comes when the start is done."""
    if sys.stderr.isatty():
        loop, text = asyncio.get_running_loop(), banner(names, parts, shutil.get_terminal_size().columns)
        # What is left of the start holds the loop up; the clock begins to run when that is done.
        loop.call_soon(loop.call_later, 0.2, sys.stderr.write, text)


def banner(names: Sequence[str], parts: Sequence[Part], columns: int = 80) -> str:
    """Return who answers, whose code runs, where to look, and a command to try: no line is longer than the terminal.

    A command is one line, however narrow it is: whoever copies it copies all of it.
    """
    yours = [part.lesson for part in parts if part.whose == "yours"]
    others = [part.lesson for part in parts if part.whose != "yours"]
    here = f"http://127.0.0.1:{port()}"
    who = ", ".join(names)
    rows = [
        ("Chat", f"{here}/chat"),
        ("API", f"{here}/docs"),
        ("Answers", "a fake model; set OPENAI_API_KEY for a real one" if who == "offline" else f"from {who}"),
        ("Yours", ", ".join(yours) or "nothing yet: finish a lesson, and it serves"),
        ("Reference", ", ".join(others) or "nothing: all parts are yours"),
        ("Key", "demo, on this machine alone"),
    ]
    width = max(len(name) for name, _ in rows)
    lines: list[str] = []
    for name, text in rows:
        first = f"  {name:<{width}}  "
        room = min(max(columns, LEAST), MOST)
        lines += textwrap.wrap(
            text,
            room,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
    lines += ["", f"  curl {here}/v1/models -H 'Authorization: Bearer demo'"]
    return "\n" + "\n".join(lines) + "\n\n"


def port() -> str:
    """Return the port that the server was told on its command line; nobody else tells us."""
    words = " ".join(sys.argv).replace("=", " ").split()
    return words[words.index("--port") + 1] if "--port" in words[:-1] else "8000"
