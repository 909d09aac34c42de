"""Write `docs/capstone/settings.md`, the settings of the capstone, from the class that reads them.

python -m tools.docs_settings
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from capstone.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "capstone" / "settings.md"

HEAD = """\
# Settings of the capstone

This page is written by `python -m tools.docs_settings` from `capstone/settings.py`.

Every setting is a variable of the environment, or a line in a file `.env` where the service is started.
All of them have a default that works on a fresh clone; what is set to nothing counts as unset.
A list of names is written `a,b`, a mapping as JSON.
A setting that cannot be read stops the start, and the message names it without showing any value.
"""


def render() -> str:
    """Return the page."""
    parts = [HEAD.rstrip()]
    for title, names in groups().items():
        parts += ["", f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
        parts += [row(name, Settings.model_fields[name]) for name in names]
    return "\n".join(parts) + "\n"


def groups() -> dict[str, list[str]]:
    """Return the settings under the headings that stand above them as comments."""
    found: dict[str, list[str]] = {"What serves": []}
    for line in inspect.getsource(Settings).splitlines():
        if heading := re.fullmatch(r"    # ([A-Z].*)\.", line):
            found[heading[1]] = []
        elif (name := re.match(r"    (\w+):", line)) and name[1] in Settings.model_fields:
            found[list(found)[-1]].append(name[1])
    return found


def row(name: str, field: FieldInfo) -> str:
    """Return one row of a table."""
    alias = field.validation_alias
    variable = alias if isinstance(alias, str) else f"CAPSTONE_{name.upper()}"
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    return f"| `{variable}` | {shown(field.default)} | {meaning} |"


def shown(value: Any) -> str:
    """Return a default as a person would write it."""
    if value in (None, (), {}, PydanticUndefined) or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool | dict):
        return f"`{json.dumps(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
