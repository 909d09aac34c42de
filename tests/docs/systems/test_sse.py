"""Server-sent events: a route, and a browser that asks again. Shown on docs/systems/sse.md."""

import os
import shutil
from collections.abc import AsyncIterable, Iterator

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.testclient import TestClient
from playwright.sync_api import Page, sync_playwright

from tests.docs.traps.serving import served

pytestmark = pytest.mark.timeout(60)

BROKEN = """
// --8<-- [start:broken]
const source = new EventSource("chat?question=Why");
source.onmessage = (event) => show(JSON.parse(event.data).text);
// --8<-- [end:broken]
"""

REPAIRED = """
// --8<-- [start:repaired]
const source = new EventSource("chat?question=Why");
source.onmessage = (event) => show(JSON.parse(event.data).text);
// the end is an event, or there is none
source.addEventListener("done", () => source.close());
// --8<-- [end:repaired]
"""


class Service:
    """A chat that counts what it is asked, and pages that ask it."""

    def __init__(self) -> None:
        self.calls = 0
        self.app = app = FastAPI()

        # --8<-- [start:example]
        @app.get("/chat", response_class=EventSourceResponse)
        async def read_chat(question: str) -> AsyncIterable[ServerSentEvent]:
            self.calls += 1  # each of them is a model's answer, and is paid for
            for text in ("forty-", "two"):
                yield ServerSentEvent(data={"text": text})
            yield ServerSentEvent(event="done", data={}, retry=50)

        # --8<-- [end:example]

        @app.get("/page")
        async def read_page(script: str) -> HTMLResponse:
            show = "const show = (text) => document.body.append(text);"
            return HTMLResponse(f"<!doctype html><link rel=icon href='data:,'><body><script>{show}{script}</script>")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium")
    if not chromium:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page()
        browser.close()


def shown(page: Page, url: str, script: str, *, until: str) -> str:
    """Open a page with this script; what it shows when `until` is true in it."""
    page.goto(str(httpx.URL(f"{url}/page", params={"script": script})))
    page.wait_for_function(until)
    return page.inner_text("body")


def test_events_are_framed_and_nobody_stores_them() -> None:
    answer = TestClient(Service().app).get("/chat", params={"question": "Why"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert [event.event for event in httpx.EventSource(answer)] == ["message", "message", "done"]


def test_the_browser_asks_again_and_again(page: Page) -> None:
    service = Service()
    with served(service.app) as url:
        # --8<-- [start:seen]
        text = shown(page, url, BROKEN, until="document.body.innerText.length > 30")
        assert text.startswith("forty-twoforty-twoforty-two")  # one question
        # the stream was over, so the browser connected anew, as the standard says
        assert service.calls >= 3
        # --8<-- [end:seen]
        page.goto("about:blank")


def test_whoever_hears_the_end_closes(page: Page) -> None:
    service = Service()
    with served(service.app) as url:
        text = shown(page, url, REPAIRED, until="typeof source !== 'undefined' && source.readyState === 2")
        page.wait_for_timeout(500)  # ten times `retry`
        assert (text, service.calls) == ("forty-two", 1)
        page.goto("about:blank")
