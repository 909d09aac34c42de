"""The notebooks as pages of the site: what they say, what their cells showed, their pictures, and an index.

MkDocs calls this file as a hook (`hooks:` in mkdocs.yml), so the pages are made from the notebooks at every build and
lie in no folder. A builder without hooks is given the same pages as files:

    python tools/docs_notebooks.py       writes docs/notebooks, and prints the lines for `nav:`
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SECTION = "Rehearse"
QUESTION = re.compile(r"^## (?P<title>.+)\n\n`(?P<id>[a-z]+-\d\d)` · (?P<level>.+)$", flags=re.M)
LABELS = {
    "**Spoken answer.**": "The code that shows it",
    "**Usual wrong answer.**": "The code that shows it wrong",
    "**Your turn.**": "The check",
}
"""What the folded code below a part is called."""

INDEX = """\
# Rehearse

{count} questions as they are asked, each with an answer to be said in under a minute, and a cell that proves it.
Think first, say your answer aloud, and only then read on.
What you see below a cell is what it printed or drew when it was last run; CI runs all of them.

`jupyter lab notebooks` opens them to be run, and each ends in a small function for you to write.
In the terminal, `coach quiz` asks one after another, and `coach interview` makes a timed interview of them.
Questions do not build on each other.
"""


def pages(root: Path) -> dict[str, str]:
    """Return the text of every page and picture, by its path below docs/."""
    files: dict[str, str] = {}
    tables: list[str] = []
    count = 0
    for path in sorted(root.glob("notebooks/[0-9][0-9]_*.ipynb")):
        cells = [(cell["cell_type"], "".join(cell["source"]), cell) for cell in json.loads(path.read_text())["cells"]]
        asked = [found for kind, text, _ in cells if kind == "markdown" and (found := QUESTION.match(text))]
        rows = [_row(path.stem, one) for one in asked]
        tables += ["", f"## {_title(cells)}", "", "| question | level |", "|---|---|", *rows]
        count += len(asked)
        files[f"notebooks/{path.stem}.md"] = _page(root, path.stem, cells, files)
    files["notebooks/index.md"] = INDEX.format(count=count) + "\n".join(tables) + "\n"
    return files


def navigation(files: dict[str, str]) -> list[dict[str, str]]:
    """Return what stands below "Rehearse" for these pages."""
    topics = [name for name in files if re.fullmatch(r"notebooks/\d\d_\w+\.md", name)]
    short = [{re.sub(r"^(\d\d)_", r"\1 ", Path(name).stem): name} for name in topics]
    return [{"All questions": "notebooks/index.md"}, *short]


def on_config(config: Any) -> None:
    """Put the pages into the navigation, behind what stands in their section, and watch the notebooks."""
    for section in config.nav:
        if SECTION in section:
            section[SECTION] = [*(section[SECTION] or []), *navigation(pages(ROOT))]
    config.watch.append(str(ROOT / "notebooks"))


def on_files(files: Any, config: Any) -> None:
    """Add the pages to the files of the site."""
    from mkdocs.structure.files import File

    for name, text in pages(ROOT).items():
        if written := files.get_file_from_path(name):  # by main(), some time ago
            files.remove(written)
        files.append(File.generated(config, name, content=text))


def _row(stem: str, one: re.Match[str]) -> str:
    return f"| [{one['title']}]({stem}.md#{one['id']}) | {one['level'].replace(' · ', ', ')} |"


def _title(cells: list[tuple[str, str, Any]]) -> str:
    return cells[0][1].partition("\n")[0].removeprefix("# ")


def _page(root: Path, stem: str, cells: list[tuple[str, str, Any]], files: dict[str, str]) -> str:
    """Return the page of one notebook, and put its pictures into `files`."""
    title, _, intro = cells[0][1].partition("\n")
    parts = [title, intro.strip(), _links(root, stem)]
    summary, code, turn = "The first cell, which every question builds on", [], False
    name = stem
    for kind, text, cell in cells[1:]:
        if kind == "markdown":
            parts += _folded(summary, code)
            code = []
            if found := QUESTION.match(text):
                name = found["id"]
                text = text.replace(f"## {found['title']}", f"## {found['title']} {{ #{name} }}", 1)
            for label in re.findall(r"^\*\*[^*]+\*\*", text, flags=re.M):
                summary = LABELS.get(label, summary)
            turn = "**Your turn.**" in text
            parts.append(text)
        elif turn:  # the function to write is what the reader shall see
            parts.append(_fenced("python", text))
            turn = False
        else:
            code.append(text)
            if cell["outputs"] and summary != LABELS["**Your turn.**"]:  # its check says "to do" until it is run
                parts += _folded(summary, code)
                code = []
                parts += [_output(one, name, stem, files) for one in cell["outputs"]]
    return "\n\n".join([*parts, *_folded(summary, code)]) + "\n"


def _links(root: Path, stem: str) -> str:
    """Return where else the subject of a notebook is read: its lesson, and the systems that name it."""
    lesson = [path.stem for path in root.glob(f"docs/lessons/{stem[:2]}_*.md")]
    named = [
        (re.sub(r"^# ", "", text.partition("\n")[0]), path.name)
        for path in sorted(root.glob("docs/systems/*.md"))
        if f"notebooks/{stem}" in (text := path.read_text(encoding="utf-8"))
    ]
    lines = [f"Run it: `jupyter lab notebooks`, then `{stem}.ipynb`."]
    lines += [f"The lesson: [{one.replace('_', ' ')}](../lessons/{one}.md)." for one in lesson]
    if named:
        lines.append("The systems: " + ", ".join(f"[{name}](../systems/{file})" for name, file in named) + ".")
    return "\n".join(lines)


def _fenced(language: str, text: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _folded(summary: str, code: list[str]) -> list[str]:
    """Return code that is opened by a click, if there is some."""
    if not code:
        return []
    inside = re.sub(r"^(?=.)", "    ", _fenced("python", "\n\n\n".join(code)), flags=re.M)
    return [f'??? example "{summary}"\n\n{inside}']


def _output(output: dict[str, Any], name: str, stem: str, files: dict[str, str]) -> str:
    if "image/svg+xml" not in output.get("data", {}):
        text = output["text"] if "text" in output else output["data"]["text/plain"]
        return _fenced("text", "".join(text))
    svg = "".join(output["data"]["image/svg+xml"])
    number = sum(file.startswith(f"notebooks/img/{name}-") for file in files) + 1
    files[f"notebooks/img/{name}-{number}.svg"] = svg
    says = re.search(r"<title>(.*?)</title>", svg, flags=re.S)
    picture = f"img/{name}-{number}.svg"
    return f"[![{says[1] if says else name}]({picture})]({picture})"  # a click makes it as large as the window


def main() -> None:
    """Write the pages as files, for a builder that calls no hooks."""
    files = pages(ROOT)
    for name, text in files.items():
        target = ROOT / "docs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for entry in navigation(files):
        for title, name in entry.items():
            print(f"      - {title}: {name}")


if __name__ == "__main__":
    main()
