"""A real Chromium for pages of ours; a page that asks another host fails its test."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if not chromium and os.environ.get("CI") == "true":
        pytest.fail("CI has to run the browser tests: apt-get install chromium")
    if not chromium:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab that asks nobody but this machine."""
    context = browser.new_context()
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    yield tab
    context.close()
    outside = [url for url in asked if not re.match(r"(blob:)?http://127\.0\.0\.1:\d+/|data:", url)]
    assert not outside, f"the page asked {outside}"
