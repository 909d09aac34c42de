"""The built site: strict, whole, and alone."""

import json
import re
import textwrap
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from tools import docs_notebooks

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(180)  # the first test builds the site

FETCHED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest"}


class Page(HTMLParser):
    """What a page fetches, where it links to, and which anchors it has."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a":
            self.links.append(found.get("href", ""))
            self.anchors.add(found.get("name", ""))
        elif tag == "link":
            if FETCHED_LINKS & set(found.get("rel", "").split()):
                self.fetched.append(found.get("href", ""))
        else:
            self.fetched += [found[name] for name in ("src", "srcset", "data", "poster") if name in found]


def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in sorted(site.rglob("*.html"))}


def leaves(address: str) -> bool:
    return bool(re.match(r"(?i)(?!data:|mailto:)[a-z][a-z0-9+.-]*:|//", address))


def test_the_site_builds_strictly(site: Path) -> None:
    assert (site / "index.html").is_file()
    assert (site / "lessons" / "01_basics" / "index.html").is_file()


def test_no_page_fetches_from_another_host(site: Path) -> None:
    outside = [
        f"{file.relative_to(site)}: {address}"
        for file, page in pages(site).items()
        for address in page.fetched
        if leaves(address)
    ]
    assert outside == []


def test_no_style_sheet_fetches_from_another_host(site: Path) -> None:
    outside = [
        f"{file.relative_to(site)}: {address}"
        for file in site.rglob("*.css")
        for address in re.findall(r"""(?:url\(|@import )\s*["']?([^"')\s]+)""", file.read_text(encoding="utf-8"))
        if leaves(address)
    ]
    assert outside == []


def test_every_internal_link_is_alive(site: Path) -> None:
    known = pages(site)
    dead = []
    for file, page in known.items():
        for link in page.links:
            path, anchor = urldefrag(unquote(link))
            if leaves(path) or path.startswith("mailto:"):
                continue
            target = (site / path.lstrip("/") if path.startswith("/") else file.parent / path) if path else file
            target = (target / "index.html" if target.is_dir() else target).resolve()
            if not target.is_file() or (anchor and target in known and anchor not in known[target].anchors):
                dead.append(f"{file.relative_to(site)}: {link}")
    assert dead == []


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    named = set(re.findall(r"^ +- .*?([\w./-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.M))
    assert named == {str(path.relative_to(docs)) for path in docs.rglob("*.md")}


def test_every_notebook_is_a_page_with_its_answers_and_what_its_cells_showed(site: Path) -> None:
    files = docs_notebooks.pages(ROOT)
    for notebook in ROOT.glob("notebooks/[0-9]*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        page = files[f"notebooks/{notebook.stem}.md"]
        html = (site / "notebooks" / notebook.stem / "index.html").read_text(encoding="utf-8")
        texts = ["".join(cell["source"]) for cell in cells]
        for title, id in re.findall(r"^## (.+)\n\n`(\w+-\d\d)`", "\n".join(texts), flags=re.M):
            assert f"[{title}]({notebook.stem}.md#{id})" in files["notebooks/index.md"]
            assert f'<h2 id="{id}">' in html
        for text in texts[1:]:
            said = text.partition("\n")[2] if text.startswith("## ") else text
            assert said in page or textwrap.indent(said, "    ") in page, said
        pictures = [one for cell in cells for one in cell.get("outputs", ()) if "image/svg+xml" in one.get("data", {})]
        assert html.count("<img ") == len(pictures)


def test_lessons_and_notebooks_lead_to_each_other(site: Path) -> None:
    for notebook in ROOT.glob("notebooks/[0-9]*.ipynb"):
        (lesson,) = ROOT.glob(f"docs/lessons/{notebook.stem[:2]}_*.md")
        link = f"../notebooks/{notebook.stem}.md"
        assert link in lesson.read_text(encoding="utf-8"), f"docs/lessons/{lesson.name} has no link to {link}"
        page = (site / "notebooks" / notebook.stem / "index.html").read_text(encoding="utf-8")
        assert f'href="../../lessons/{lesson.stem}/"' in page


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "index.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_every_brief_begins_with_the_heading_that_its_page_replaces() -> None:
    # The page of a lesson includes the brief from line 2 on.
    for brief in ROOT.glob("lessons/*/README.md"):
        first, second = brief.read_text(encoding="utf-8").splitlines()[:2]
        assert first.startswith(f"# {brief.parent.name[:2]} "), brief.parent.name
        assert second == "", brief.parent.name


def test_every_trap_is_shown_on_a_page() -> None:
    shown = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "lessons").glob("*.md"))
    for trap in ROOT.glob("tests/docs/traps/*/test_*.py"):
        text = trap.read_text(encoding="utf-8")
        for section in re.findall(r"\[start:(\w+)\]", text):
            assert f'"{trap.relative_to(ROOT)}:{section}"' in shown


def test_the_bundled_mermaid_is_the_version_that_is_documented() -> None:
    script = (ROOT / "docs" / "js" / "mermaid.min.js").read_text(encoding="utf-8")
    documented = re.search(r"mermaid\.min\.js` \| ([\d.]+) \|", (ROOT / "docs" / "dependencies.md").read_text())
    assert documented
    assert f'"{documented[1]}"' in script
