"""The pages in a real browser: nothing leaves the machine, nothing goes wrong, diagrams are drawn."""

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))
WIDTHS = (1280, 768, 360)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium on PATH: apt-get install chromium")
        pytest.skip("apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One reader for all pages: scripts and styles are fetched once, which is most of what a page costs here."""
    context = browser.new_context()
    yield context
    context.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def url(address: str, source: str) -> str:
    """Where a page of docs/ is served."""
    return address + re.sub(r"(^|/)index\.md$", r"\1", source).replace(".md", "/")


def diagrams(html: str) -> list[str]:
    """The sources of the diagrams of a built page."""
    return [unescape(text) for text in re.findall(r'<pre class="mermaid"><code>(.*?)</code>', html, flags=re.S)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_page_opens_alone_without_error_and_fits(context: BrowserContext, address: str, source: str) -> None:
    page = context.new_page()
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))

    page.goto(url(address, source), wait_until="networkidle")

    assert {urlsplit(one).hostname for one in requests if not one.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert errors == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        # What slides in or out after a change of width is given its time; what is too wide stays so.
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width, timeout=10_000)
    page.close()


def test_every_diagram_is_drawn(browser: Browser, address: str, site: Path) -> None:
    drawn = 0
    for source in SOURCES:
        wanted = diagrams((site / url("", source) / "index.html").read_text(encoding="utf-8"))
        if not wanted:
            continue
        page = browser.new_page()
        page.goto(url(address, source))
        page.wait_for_function(f"document.querySelectorAll('div.mermaid').length === {len(wanted)}")
        heights = page.evaluate("[...document.querySelectorAll('div.mermaid')].map(one => one.offsetHeight)")
        assert min(heights) > 60, f"{source}: a diagram is {min(heights)} pixels high"
        for text in wanted:
            assert page.evaluate("text => mermaid.parse(text)", text), source
        drawn += len(wanted)
        page.close()
    assert drawn >= 5


def test_the_search_finds_a_word_of_a_page(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address, wait_until="networkidle")
    # Typed, not filled in: the theme searches when a key comes up.
    page.locator("input.md-search__input").press_sequentially("canaries")
    result = page.wait_for_selector(".md-search-result__item a")
    assert result
    assert "decisions/" in (result.get_attribute("href") or "")
    page.close()
