"""What stands around the code: README, settings, image, neighbors, and the module that says whose each part is."""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coach.export.chosen import Chosen
from coach.export.names import normal
from coach.export.parts import Wanted
from coach.export.prose import Words
from coach.lesson import CourseError

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Placed:
    """A part, and where it is in the project."""

    chosen: Chosen
    path: str  # "app/core/auth.py"

    @property
    def name(self) -> str:
        """What it is called: "auth"."""
        return self.path.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]


def filled(file: str, **values: str) -> str:
    """Return a template with its values."""
    text = (TEMPLATES / f"{file}.tmpl").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text


def image_of(name: str) -> str:
    """Return what the project's image is called."""
    return f"{normal(name)}:0.1.0"


def parts_module(parts: Sequence[Placed]) -> str:
    """Return `app/parts.py`: what `GET /parts` and the log say."""
    told = [(one.name, "yours" if one.chosen.yours else "reference", one.path, reason(one.chosen)) for one in parts]
    rows = "".join(f"    Part({', '.join(map(json.dumps, row))}),\n" for row in told)
    return f'''"""The parts that the service is built from, and who wrote each; `GET /parts` and the log say it too."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Part:
    """One part of the service."""

    name: str
    whose: str  # "yours" or "reference"
    file: str
    reason: str


PARTS = (
{rows})
'''


def reason(chosen: Chosen) -> str:
    """Return in a word why a part is whose it is."""
    if chosen.yours:
        return "finished"
    return "not finished" if chosen.why_not.startswith("to do") else "not usable" if chosen.why_not else ""


def parts_table(parts: Sequence[Placed], use: Wanted) -> str:
    """Return the rows of the README's table."""
    rows: list[str] = []
    for one in parts:
        does = use.subjects.get(one.chosen.lesson.number) or "What opens when, and who stands in front of whom."
        whose = "**yours**" if one.chosen.yours else "reference"
        rows.append(f"| {one.name} | `{one.path.removesuffix('__init__.py')}` | {whose} | {does} |")
    return "\n".join(rows)


def whose(parts: Sequence[Placed]) -> str:
    """Return the README's words on who wrote the parts."""
    course = 'the course "Serve LLMs with FastAPI"'
    yours = [one for one in parts if one.chosen.yours]
    if not yours:
        return f"All of them are the reference of {course}."
    others = "" if len(yours) == len(parts) else " The others are its reference."
    return f"Those called **yours** were written by whoever took this project home from {course}.{others}"


def remark(parts: Sequence[Placed]) -> str:
    """Return why some of the parts are the reference's."""
    broken = [one for one in parts if one.chosen.why_not and not one.chosen.why_not.startswith("to do")]
    if not broken:
        return ""
    lines = [f"- {one.name}: {one.chosen.why_not}." for one in broken]
    return "\nYours could not be taken here:\n\n" + "\n".join(lines) + "\n"


def env_example(config: str) -> str:
    """Return every setting with its default and what it means, made of the settings' own file."""
    (settings,) = [one for one in ast.parse(config).body if isinstance(one, ast.ClassDef) and one.name == "Settings"]
    lines = config.splitlines()
    said = ["# Every setting, with its default. Copy this file to .env, and take the `#` from what you change."]
    said += ["# What is set to nothing counts as unset. A list is written a,b and a mapping as JSON."]
    for place, node in enumerate(settings.body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        above = lines[node.lineno - 2].strip()
        if above.startswith("# "):
            said += ["", "", f"# {above.removeprefix('# ').rstrip('.').upper()}"]
        text = settings.body[place + 1] if place + 1 < len(settings.body) else None
        said.append("")
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            said.append(f"# {' '.join(str(text.value.value).split())}")
        said.append(f"#{variable(node)}={default(node.value)}")
    return "\n".join(said) + "\n"


def variable(node: ast.AnnAssign) -> str:
    """Return the variable that a setting is read from."""
    for keyword in node.value.keywords if isinstance(node.value, ast.Call) else ():
        if keyword.arg == "validation_alias" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return f"APP_{ast.unparse(node.target).upper()}"


def default(value: "ast.expr | None") -> str:
    """Return a default as a person would write it into a file of settings, "" for none."""
    match value:
        case ast.Call(func=ast.Name(id="Path"), args=[ast.Constant(value=text)]):
            return str(text)
        case ast.Call(keywords=keywords):
            return next((default(one.value) for one in keywords if one.arg == "default"), "")
        case ast.Constant(value=None) | None:
            return ""
        case ast.Constant(value=bool(flag)):
            return str(flag).lower()
        case ast.Tuple(elts=[]) | ast.Dict(keys=[]):
            return ""
        case ast.Constant(value=other):
            return str(other)
        case _:
            return str(value_of(value))


def value_of(node: ast.expr) -> object:
    """Return what an expression of numbers is: `8 * 1024 * 1024`."""
    return eval(compile(ast.Expression(node), "settings", "eval"), {"__builtins__": {}})  # noqa: S307 - our own file


def compose(root: Path, words: Words, name: str) -> str:
    """Return the project's compose file: the capstone's, in the project's words."""
    kept = [
        line for line in (root / "compose.yaml").read_text(encoding="utf-8").splitlines() if not is_of_the_course(line)
    ]
    text = words.prose("\n".join(kept) + "\n")
    text = re.sub(r"^name: .*$", f"name: {normal(name).replace('.', '-')}", text, flags=re.M)
    return re.sub(r"^(\s*image: )app:\S+$", rf"\g<1>{image_of(name)}", text, flags=re.M)


def is_of_the_course(line: str) -> bool:
    """Say whether a line is a comment about a page of the course."""
    return line.lstrip().startswith("#") and "docs/" in line


def python_image(root: Path) -> str:
    """Return the Python image that the capstone is built on.

    Raises:
        CourseError: its Dockerfile names none.
    """
    found = re.search(r"^FROM (python:\S+)", (root / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
    if not found:
        raise CourseError("Dockerfile begins with no `FROM python:...`, so the project's has nothing to begin with.")
    return found[1]


def text_file(text: str, words: Words) -> str:
    """Return a page, a script or a template of the capstone in the project's words."""
    return words.prose(re.sub(r"\.lesson\b", ".name", text))
