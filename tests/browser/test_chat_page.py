"""The chat page of the capstone as users have it: real service, real browser, a provider that the test holds back."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mockllm import MockLLM, serve_in_thread
from tests.capstone.service import Service, serve

pytestmark = pytest.mark.timeout(120)
QUESTION = "What do parrots say?"
NOTES = "# Parrots\n\nParrots say good morning in the evening. They live on seeds and on attention.\n"


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, MockLLM]]:
    """A service in front of a fake provider, and one document to be asked about."""
    with (
        serve_in_thread() as provider,
        serve(
            tmp_path_factory.mktemp("chat") / "data",
            OPENAI_BASE_URL=f"{provider.url}/v1",
            OPENAI_API_KEY="sk-test",
        ) as service,
    ):
        service.client.post("/rag/documents", files={"file": ("parrots.md", NOTES)})
        service.until("/rag/documents", lambda said: said["items"] and said["items"][0]["state"] == "ready")
        yield service, provider.fake


@pytest.fixture
def llm(chat: tuple[Service, MockLLM], page: Page) -> MockLLM:
    """The provider, with nothing scripted, and the page opened."""
    service, fake = chat
    fake.forget_scripts()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{service.url}/chat")
    expect(page.locator("#provider")).to_be_visible()
    assert not problems
    return fake


def ask(page: Page, question: str = QUESTION) -> None:
    """Type a question and press Enter."""
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def answer(page: Page) -> str:
    """The latest answer, as it can be read."""
    return page.locator(".turn.model").last.inner_text()


@pytest.mark.parametrize("sourced", [True, False], ids=["from documents", "from the model"])
def test_the_answer_fills_token_by_token(page: Page, llm: MockLLM, sourced: bool) -> None:
    gate = llm.tokens(["Good ", "morning ", "[1]."]).step()
    if not sourced:
        page.get_by_label("from the documents").uncheck()
    ask(page)

    gate.release()
    expect(page.locator(".turn.model").last).to_have_text("Good ")
    expect(page.locator("#state")).to_have_text("Answering …")
    gate.release()
    expect(page.locator(".turn.model").last).to_have_text("Good morning ")
    gate.open()
    expect(page.locator("#state")).to_have_text("Done.")


def test_a_citation_opens_its_source(page: Page, llm: MockLLM) -> None:
    llm.reply("They say good morning [1].")
    ask(page)

    page.get_by_role("button", name="Source 1").click()
    expect(page.locator(".sources blockquote").first).to_contain_text("Parrots say good morning in the evening.")
    expect(page.locator(".sources summary").first).to_have_text(
        re.compile(r"^\[1\] parrots\.md, characters \d+ to \d+$")
    )


@pytest.mark.parametrize("sourced", [True, False], ids=["from documents", "from the model"])
def test_stop_ends_the_call_that_is_paid_for(page: Page, llm: MockLLM, sourced: bool) -> None:
    left = len(llm.closed_early)
    gate = llm.tokens(["Good ", *["morning "] * 50]).step()
    if not sourced:
        page.get_by_label("from the documents").uncheck()
    ask(page)
    gate.release()
    expect(page.locator(".turn.model").last).to_have_text("Good ")

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped.")
    until(lambda: len(llm.closed_early) > left, "the provider's stream is still open")
    assert answer(page).startswith("Good")
    llm.reply("Again.")
    ask(page)
    expect(page.locator(".turn.model").last).to_contain_text("Again.")


def until(ready: object, complaint: str) -> None:
    """Wait for what another process does."""
    assert callable(ready)
    deadline = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.02)


def test_everything_can_be_reached_by_keyboard(page: Page, llm: MockLLM) -> None:
    gate = llm.tokens(["Good ", "morning"]).step()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the prompt")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Briefly.")
    page.keyboard.press("Enter")
    gate.release()
    expect(page.locator(".turn.user").last).to_have_text(f"{QUESTION}\nBriefly.")
    expect(page.locator(".turn.model").last).to_have_text("Good ")

    page.keyboard.press("Escape")
    expect(page.locator("#state")).to_contain_text("Stopped.")
    expect(page.get_by_label("Your question")).to_be_focused()
    reached: set[str] = set()
    page.keyboard.press("Shift+Tab")
    for _ in range(12):
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        page.keyboard.press("Shift+Tab")
    assert {"show-parts", "show-documents"} <= reached


def test_what_a_model_writes_is_text(page: Page, llm: MockLLM) -> None:
    llm.reply('<img src="x" onerror="document.title=1"> **bold** <script>document.title=2</script>')
    ask(page)

    expect(page.locator("#state")).to_have_text("Done.")
    assert '<img src="x"' in answer(page)
    assert page.locator(".turn img").count() == 0
    assert page.title() == "Capstone"


def test_a_break_in_the_middle_is_said_and_nothing_is_lost(page: Page, llm: MockLLM) -> None:
    llm.tokens(["Good ", "morning ", "and"]).cut(after=2)
    ask(page)

    expect(page.locator(".turn.model .note").last).to_contain_text("broke off")
    assert answer(page).startswith("Good morning")
    expect(page.get_by_label("Your question")).to_have_value(QUESTION)


def test_an_unknown_key_is_said_and_asked_for(page: Page, llm: MockLLM) -> None:
    page.locator("#key").fill("sk_nobody")
    ask(page)
    expect(page.locator(".turn.model .note").last).to_contain_text("This key is not known")
    expect(page.locator("#key")).to_be_focused()


def test_a_document_is_uploaded_cited_and_deleted(page: Page, llm: MockLLM, tmp_path: Path) -> None:
    file = tmp_path / "penguins.txt"
    file.write_text("Penguins say nothing on Mondays. They keep their feet warm.")
    page.get_by_role("button", name="Documents").click()
    page.get_by_label("Text, Markdown or PDF").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    row = page.locator("#document-rows li", has_text="penguins.txt")
    expect(row).to_be_visible()
    expect(row.locator(".ready")).to_be_attached(timeout=15_000)

    llm.reply("Nothing [1].")
    ask(page, "What do penguins say on Mondays?")
    expect(page.locator(".sources summary").first).to_contain_text("penguins.txt")
    page.get_by_role("button", name="Delete penguins.txt").click()
    expect(page.locator("#document-rows li", has_text="penguins.txt")).to_have_count(0)


def test_parts_are_shown_with_their_owner(page: Page, llm: MockLLM) -> None:
    page.get_by_role("button", name="Parts").click()
    expect(page.locator("#part-rows tr").first).to_contain_text("01_basics")
    expect(page.locator("#part-rows .reference").first).to_have_text("reference")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_shows_everything(page: Page, llm: MockLLM, scheme: str) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    llm.reply("word " * 300 + "[1]")
    ask(page)
    expect(page.locator("#state")).to_have_text("Done.")

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.get_by_label("Your question")).to_be_in_viewport()
    style = "getComputedStyle(document.querySelector('.turn.model'))"
    ink, ground = page.evaluate(f"[{style}.color, {style}.backgroundColor]")
    assert contrast(ink, ground) >= 7


def contrast(one: str, other: str) -> float:
    """Contrast of two colors as WCAG counts it, from 1 to 21."""

    def luminance(color: str) -> float:
        parts = [int(value) / 255 for value in re.findall(r"\d+", color)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_too_many_questions_are_refused_kindly(page: Page, tmp_path: Path) -> None:
    with (
        serve_in_thread() as provider,
        serve(
            tmp_path / "data",
            OPENAI_BASE_URL=f"{provider.url}/v1",
            OPENAI_API_KEY="sk-test",
            CAPSTONE_REQUESTS_PER_MINUTE=1,
        ) as service,
    ):
        page.goto(f"{service.url}/chat")
        page.get_by_label("from the documents").uncheck()
        for _ in range(2):
            ask(page)
            expect(page.locator("#ask")).to_be_enabled()
        note = page.locator(".turn.model .note").last
        expect(note).to_have_text(re.compile(r"one question too many\. There is room again in \d+ s\."))
        expect(page.get_by_label("Your question")).to_have_value(QUESTION)


@pytest.mark.parametrize(("path", "drawn"), [("/docs", ".opblock"), ("/redoc", "[data-section-id^='operation/']")])
def test_the_documentation_is_drawn_without_another_host(
    chat: tuple[Service, MockLLM], page: Page, path: str, drawn: str
) -> None:
    service, _ = chat
    operations = sum(len(methods) for methods in service.client.get("/openapi.json").json()["paths"].values())
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)

    page.goto(f"{service.url}{path}", wait_until="networkidle")

    expect(page.locator(drawn).first).to_be_visible(timeout=20_000)
    assert page.locator(drawn).count() >= operations
    assert problems == []
