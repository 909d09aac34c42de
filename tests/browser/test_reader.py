"""The reader and the page of lesson 04 in a real Chromium: bytes cut anywhere, a page that fills token by token.

`apt-get install chromium` gives the browser. Without it these tests are skipped, in CI they fail.
"""

import importlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
import uvicorn
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from mockllm import MockLLM, serve_in_thread
from tests.conftest import ROOT

REFERENCE = ROOT / "solutions" / "04_streaming"
WRONG = ROOT / "tests" / "wrong_answers" / "04_streaming"
RIGHT = ROOT / "tests" / "right_answers" / "04_streaming"
STREAM = (
    b": ping\n\n"
    b'event: delta\ndata: {"text": "12 \xe2\x82\xac "}\n\n'
    b'event: delta\ndata: {"text": "\xf0\x9f\x99\x82\\n"}\n\n'
    b"event: done\ndata: {}\n\n"
)
TEXTS = ["12 € ", "🙂\n"]

pytestmark = pytest.mark.timeout(120)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve on a free port while the block runs."""
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn.Config(app, loop="asyncio", log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert ready.wait(10), "uvicorn did not start"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)


def reader_service(static: Path) -> Starlette:
    """Serve a reader and STREAM, cut at `?at=`: the second part leaves when `POST /go` says that the first was read."""
    go = threading.Event()

    async def read_page(_: Request) -> HTMLResponse:
        return HTMLResponse('<!doctype html><link rel="icon" href="data:,"><title>reader</title>')

    async def create_chat(request: Request) -> StreamingResponse:
        at = int(request.query_params["at"])
        go.clear()

        async def pieces() -> AsyncIterator[bytes]:
            yield STREAM[:at]
            await anyio.to_thread.run_sync(go.wait, 10, abandon_on_cancel=True)
            yield STREAM[at:]

        return StreamingResponse(pieces(), media_type="text/event-stream")

    async def proceed(_: Request) -> HTMLResponse:
        go.set()
        return HTMLResponse("")

    return Starlette(
        routes=[
            Route("/", read_page),
            Route("/chat", create_chat, methods=["POST"]),
            Route("/go", proceed, methods=["POST"]),
            Mount("/static", StaticFiles(directory=static)),
        ]
    )


# The network tells when the first part has reached the page: what `fetch` is given, a copy of the stream sees first.
READ = """
async (cuts) => {
  const { readChat } = await import("/static/reader.js");
  const seen = [];
  for (const at of cuts) {
    const one = { at, texts: [], error: null };
    const response = await fetch(`/chat?at=${at}`, { method: "POST" });
    const [mine, yours] = response.body.tee();
    (async () => {
      const reader = mine.getReader();
      await reader.read();
      await fetch("/go", { method: "POST" });
      while (!(await reader.read()).done);
    })();
    try {
      for await (const text of readChat(new Response(yours, response))) one.texts.push(text);
    } catch (error) {
      one.error = String(error.message);
    }
    seen.push(one);
  }
  return seen;
}
"""
EURO, SMILE = STREAM.index("€".encode()), STREAM.index("🙂".encode())
CUTS = [
    *range(1, len(STREAM), 10),  # in lines, in names, in JSON
    *(EURO + 1, EURO + 2, SMILE + 1, SMILE + 2, SMILE + 3),  # in characters
    *(at + 1 for at in range(len(STREAM)) if STREAM.startswith(b"\n\n", at)),  # in blank lines
]


def read_in(page: Page, static: Path, cuts: list[int]) -> list[dict[str, Any]]:
    with served(reader_service(static)) as url:
        page.goto(url)
        return page.evaluate(READ, cuts)


READERS = [REFERENCE, *(folder for folder in sorted(RIGHT.iterdir()) if (folder / "static").is_dir())]


@pytest.mark.parametrize("answer", READERS, ids=lambda folder: folder.name)
def test_a_right_reader_reads_what_is_cut_anywhere(page: Page, answer: Path) -> None:
    for one in read_in(page, answer / "static", CUTS):
        assert one["error"] is None and one["texts"] == TEXTS, one


@pytest.mark.parametrize(
    ("answer", "told"),
    [("decode_without_stream_true", "12 \ufffd"), ("a_chunk_is_an_event", "Unterminated string in JSON")],
)
def test_a_wrong_reader_breaks_on_a_split_character(page: Page, answer: str, told: str) -> None:
    """The wrong answers are wrong in a browser too, not only in node."""
    (one,) = read_in(page, WRONG / answer / "static", [EURO + 1])

    assert one["texts"] != TEXTS
    assert told in "".join(one["texts"]) + str(one["error"])


@contextmanager
def lesson_served(llm: MockLLM, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The reference of lesson 04 beside a fake provider, as `coach run 04` starts them."""
    with serve_in_thread(llm) as provider:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-offline")
        with served(importlib.import_module("solutions.04_streaming.app").app) as url:
            yield url


def test_the_page_fills_token_by_token(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = MockLLM(settle_turns=0)
    gate = llm.tokens(["12 ", "€ ", "🙂"]).split("utf8").step()
    with lesson_served(llm, monkeypatch) as url:
        page.goto(url)
        page.get_by_label("Prompt").fill("What does it cost?")
        page.get_by_role("button", name="Ask").click()
        gate.release(1)
        expect(page.locator("#answer")).to_have_text("12 ")
        assert llm.last.tokens_sent == 1
        assert json.loads(llm.last.body)["messages"][0]["content"] == "What does it cost?"

        gate.open()

        expect(page.locator("#state")).to_have_text("done, 3 tokens")
        assert page.locator("#answer").text_content() == "12 € 🙂"


@pytest.mark.parametrize("tokens", [0, 1])
def test_stop_ends_the_providers_work(page: Page, monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    llm = MockLLM(settle_turns=0)
    gate = llm.tokens(["a ", "b ", "c"]).step()
    with lesson_served(llm, monkeypatch) as url:
        page.goto(url)
        page.get_by_role("button", name="Ask").click()
        gate.arrived_blocking(1)
        gate.release(tokens)
        expect(page.locator("#answer")).to_have_text("a " if tokens else "")

        page.get_by_role("button", name="Stop").click()

        expect(page.locator("#state")).to_have_text("stopped")
        assert llm.bell.until_blocking(lambda: llm.last.state != "open", 5), "the provider writes on"
        assert llm.last.state == "abandoned"
        assert llm.last.tokens_sent == tokens


@pytest.mark.parametrize(
    ("fault", "state", "answer"),
    [
        (lambda llm: llm.fail(429, retry_after=7), "failed: the service answered 429", ""),
        (lambda llm: llm.tokens(["a ", "b"]).fail(529, after=1), "failed: Overloaded", "a "),
        (
            lambda llm: llm.tokens(["a ", "b"]).cut(after=1),
            "failed: the provider broke off in the middle of an answer",
            "a ",
        ),
        (lambda llm: llm.tokens(["a ", "b"]).cut(after=1, reset=True), "failed: the answer broke off", "a "),
    ],
    ids=["429", "error event", "cut", "reset"],
)
def test_the_page_says_what_went_wrong(
    page: Page, monkeypatch: pytest.MonkeyPatch, fault: Any, state: str, answer: str
) -> None:
    llm = MockLLM(settle_turns=0)
    fault(llm)
    with lesson_served(llm, monkeypatch) as url:
        page.goto(url)
        page.get_by_role("button", name="Ask").click()

        expect(page.locator("#state")).to_have_text(state)
        assert page.locator("#answer").text_content() == answer
