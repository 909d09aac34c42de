"""The pages in a real browser: nothing leaves the machine, nothing goes wrong, diagrams are drawn, words are found."""

import functools
import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from tools import docs_notebooks

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
SOURCES = sorted({*WRITTEN, *(name for name in docs_notebooks.pages(ROOT) if name.endswith(".md"))})
DESKTOP, PHONE = 1440, 390
WIDTHS = (DESKTOP, 820, PHONE)
READABLE = 4.5  # the contrast that WCAG's AA asks of text
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # what a page asks of another host fails at once

# The contrast of a page's words with what lies behind them, in the colors that the browser has computed.
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const light = (color, behind) => {
        for (const one of [behind, color]) { canvas.fillStyle = one; canvas.fillRect(0, 0, 1, 1); }
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
            const part = value / 255;
            return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = getComputedStyle(document.body).backgroundColor;
    const words = getComputedStyle(document.querySelector("article p, article li, article td")).color;
    const [low, high] = [light(behind, behind), light(words, behind)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
}"""
DRAWN = "wanted => [...document.querySelectorAll('div.mermaid')].filter(one => one.offsetHeight > 60).length === wanted"


@dataclass
class Reader:
    """Somebody with one window, and what the window asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda one: self.requests.append(one.url))
        self.page.on("console", lambda one: self.errors.append(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda one: self.errors.append(str(one)))

    def faults(self) -> list[str]:
        """Return what went wrong since the last time, and which requests left the machine."""
        left = [one for one in self.requests if urlsplit(one).hostname not in ("127.0.0.1", None)]
        found = [*self.errors, *left]
        self.requests.clear()
        self.errors.clear()
        return found


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One window for all pages: scripts and styles are fetched once, which is most of what a page costs here."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium on PATH: apt-get install chromium")
        pytest.skip("apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[ALONE])
        yield Reader(browser.new_page())
        browser.close()


class Site(http.server.SimpleHTTPRequestHandler):
    """The site, as any server of files serves it."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class WithoutWords(Site):
    """The site with nothing to find: reading a megabyte of words is half of what a page costs, and not its subject."""

    def do_GET(self) -> None:
        if not self.path.endswith("/search_index.json"):
            return super().do_GET()
        index = json.loads(Path(self.translate_path(self.path)).read_bytes())
        body = json.dumps({**index, "docs": index["docs"][:1]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None


@contextmanager
def served(site: Path, handler: type[Site]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site, WithoutWords) as address:
        yield address


@pytest.fixture(scope="module")
def with_words(site: Path) -> Iterator[str]:
    with served(site, Site) as address:
        yield address


def url(address: str, source: str) -> str:
    """Where a page of docs/ is served."""
    return address + re.sub(r"(^|/)index\.md$", r"\1", source).replace(".md", "/")


def diagrams(html: str) -> list[str]:
    """The sources of the diagrams of a built page."""
    return [unescape(text) for text in re.findall(r'<pre class="mermaid"><code>(.*?)</code>', html, flags=re.S)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_page_stays_at_home_draws_and_fits(reader: Reader, address: str, site: Path, source: str) -> None:
    page = reader.page
    wanted = diagrams((site / url("", source) / "index.html").read_text(encoding="utf-8"))
    page.set_viewport_size({"width": DESKTOP, "height": 900})
    page.emulate_media(color_scheme="light")

    page.goto(url(address, source), wait_until="load")

    page.wait_for_function(DRAWN, arg=len(wanted), timeout=20_000)
    for text in wanted:
        assert page.evaluate("text => mermaid.parse(text)", text), text
    contrasts = [page.evaluate(CONTRAST)]
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")
    contrasts.append(page.evaluate(CONTRAST))
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        # What slides in or out after a change of width is given its time; what is too wide stays so.
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width, timeout=10_000)
    page.wait_for_function(DRAWN, arg=len(wanted))

    assert min(contrasts) >= READABLE, contrasts
    assert reader.faults() == []


@pytest.mark.parametrize(
    ("words", "place", "width"),
    [
        ("canaries", "decisions/", DESKTOP),
        ("Retry-After", "lessons/03_async/", DESKTOP),
        ("CAPSTONE_DATABASE_URL", "capstone/settings/", DESKTOP),
        ("interview jitter", "notebooks/03_async/", DESKTOP),
        ("mangum", "systems/lambda/", PHONE),
    ],
)
def test_the_search_finds(reader: Reader, with_words: str, words: str, place: str, width: int) -> None:
    page = reader.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(with_words, wait_until="load")
    if width == PHONE:
        page.locator("label.md-header__button[for=__search]").click()
    # Typed, not filled in: the theme searches when a key comes up.
    page.locator("input.md-search__input").press_sequentially(words)
    page.wait_for_selector(f".md-search-result__item a[href*='{place}']", state="attached")

    page.wait_for_load_state("networkidle")
    assert reader.faults() == []
