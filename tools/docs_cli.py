"""Write `docs/cli.md`, the reference of the `coach` command, from the command itself.

python tools/docs_cli.py
"""

from pathlib import Path
from typing import Any

import typer.main

from coach.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cli.md"

HEAD = """\
# The `coach` command

This page is written by `tools/docs_cli.py` from the command itself; `coach COMMAND --help` says the same.

Activate the environment once per terminal with `. .venv/bin/activate`, or write `.venv/bin/coach`.
A lesson is named by its number or its noun: `03`, `3` or `async`.
A task is named by both numbers: `03.4`.

A command exits with status 0 when all went well.
Status 1 is a "no" that was asked for: a lesson that is not done, a stub that is stale, a package that differs.
Status 2 is a call or a course that could not be understood; one line on standard error says why, and what helps.
"""

TAIL = """\
## Settings

| variable | default | meaning |
|---|---|---|
| `COACH_PATIENCE_S` | `10` | Seconds until code that does not end is interrupted: a guard, no measure of speed. |
| `COACH_LESSON` | set by `coach run` | Folder of the lesson that the server it starts shall load. |
| `CAPSTONE_PARTS` | `auto` | Whose lessons the capstone serves: `auto`, `yours` or `reference`; `.env` may say it. |
| `COLUMNS` | the window's width | Columns that the scorecard may use, from 40 to 100. |
"""


def render() -> str:
    """Return the page."""
    command: Any = typer.main.get_command(app)
    parts = [HEAD]
    parts += ["| command | what it does |", "|---|---|"]
    parts += [f"| [`coach {name}`](#coach-{name}) | {_cell(one.help)} |" for name, one in command.commands.items()]
    for name, one in command.commands.items():
        parts += ["", f"## coach {name}", "", one.help.strip(), "", "```", _usage(name, one), "```"]
        if rows := [_row(parameter) for parameter in one.params]:
            parts += ["", "| argument or option | default | meaning |", "|---|---|---|", *rows]
    return "\n".join(parts) + "\n\n" + TAIL


def _usage(name: str, command: Any) -> str:
    words = ["coach", name]
    words += ["[OPTIONS]"] if any(not _is_argument(one) for one in command.params) else []
    for one in filter(_is_argument, command.params):
        words.append(_metavar(one) if one.required else f"[{_metavar(one)}]")
    return " ".join(words)


def _row(parameter: Any) -> str:
    if _is_argument(parameter):
        default = "required" if parameter.required else ""
        return f"| {_code(_metavar(parameter))} | {default} | {_cell(parameter.help)} |"
    names = [*parameter.opts, *parameter.secondary_opts]
    value = "" if parameter.is_flag else f" {_metavar(parameter)}"
    shown = " ".join(_code(name + value) for name in names)
    if parameter.is_flag:
        default = f"`{parameter.opts[0]}`" if parameter.default and parameter.secondary_opts else ""
    else:
        default = "" if parameter.default is None else f"`{parameter.default:g}`"
    return f"| {shown} | {default} | {_cell(parameter.help)} |"


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _metavar(parameter: Any) -> str:
    return (parameter.metavar or parameter.name.upper()).strip("[]")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _code(text: str) -> str:
    # In a table neither GitHub nor Python-Markdown reads a bar between backticks the way the other does.
    return f"<code>{text.replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
