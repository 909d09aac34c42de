"""The docs page of lesson 08 in a real Chromium: the Authorize button, with a password and with an API key.

`apt-get install chromium` gives the browser. Without it these tests are skipped, in CI they fail.
"""

import importlib
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from coach.serve import serve_docs_offline
from tests.docs.traps.serving import served

lesson: Any = importlib.import_module("solutions.08_auth.app")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if not chromium and os.environ.get("CI") == "true":
        pytest.fail("CI has to run the browser tests: apt-get install chromium")
    if not chromium:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The reference as `coach run 08` serves it: ada and bob, argon2 as it is, the docs page from this machine."""
    app = FastAPI(title="Who is asking", lifespan=lesson.lifespan)
    app.router.routes = list(lesson.app.router.routes)
    serve_docs_offline(app)
    with served(app, lifespan="on") as address:
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The docs page in a tab that asks nobody but this machine."""
    context = browser.new_context()
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(f"{url}/docs")
    yield tab
    context.close()
    outside = [one for one in asked if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", one)]
    assert not outside, f"the page asked {outside}"


def scheme(page: Page, name: str) -> Locator:
    """The part of the dialog for one scheme."""
    return page.locator(".auth-container").filter(has=page.get_by_role("heading", name=name))


def log_in(page: Page, name: str, scopes: list[str]) -> None:
    """Fill the Authorize dialog as a person does."""
    page.get_by_role("button", name="Authorize").first.click()
    form = scheme(page, "OAuth2PasswordBearer")
    form.get_by_label("username").fill(name)
    form.get_by_label("password").fill("correct horse")
    for scope in scopes:
        form.locator(f'label[for^="{scope}-password"]').click()
    form.locator(".authorize").click()


def close(page: Page) -> None:
    page.locator(".dialog-ux .close-modal").click()


def operation(page: Page, path: str, method: str) -> Locator:
    """One operation, opened for trying."""
    block = page.locator(f".opblock-{method}").filter(has=page.locator(f'[data-path="{path}"]'))
    if block.locator(".try-out__btn").count() == 0:
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
    return block


def execute(block: Locator, page: Page, path: str) -> int:
    """Press Execute; return the status that came."""
    with page.expect_response(lambda answer: answer.url.endswith(path)) as came:
        block.locator(".execute").click()
    return came.value.status


def test_a_password_opens_what_its_scopes_open(page: Page) -> None:
    documents = operation(page, "/documents", "get")
    assert execute(documents, page, "/documents") == 401

    log_in(page, "ada", ["documents"])
    expect(scheme(page, "OAuth2PasswordBearer").get_by_text("Logout")).to_be_visible()
    close(page)

    assert execute(documents, page, "/documents") == 200
    expect(documents.locator(".live-responses-table")).to_contain_text("What ada wrote.")
    chat = operation(page, "/chat", "post")
    assert execute(chat, page, "/chat") == 403  # chat was not ticked


def test_a_wrong_password_is_told(page: Page) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    form = scheme(page, "OAuth2PasswordBearer")
    form.get_by_label("username").fill("ada")
    form.get_by_label("password").fill("wrong")
    form.locator(".authorize").click()
    expect(form.locator(".errors")).to_contain_text("auth error", ignore_case=True)


def test_an_api_key_opens_too_and_logging_out_closes(page: Page) -> None:
    log_in(page, "bob", ["keys", "documents"])
    close(page)
    keys = operation(page, "/keys", "post")
    keys.locator("textarea").fill('{"scopes": ["documents"]}')
    with page.expect_response(lambda answer: answer.url.endswith("/keys")) as came:
        keys.locator(".execute").click()
    key = came.value.json()["key"]

    page.get_by_role("button", name="Authorize").first.click()
    scheme(page, "OAuth2PasswordBearer").get_by_text("Logout").click()
    form = scheme(page, "APIKey")
    form.locator("input").fill(key)
    form.locator(".authorize").click()
    close(page)

    documents = operation(page, "/documents", "get")
    assert execute(documents, page, "/documents") == 200
    expect(documents.locator(".live-responses-table")).to_contain_text("What bob wrote.")

    page.get_by_role("button", name="Authorize").first.click()
    scheme(page, "APIKey").get_by_text("Logout").click()
    close(page)
    assert execute(documents, page, "/documents") == 401


def test_what_an_operation_needs_stands_beside_it(page: Page) -> None:
    """A lock on every operation but the one that gives tokens, and every scope in words."""
    expect(page.locator(".opblock")).to_have_count(5)
    expect(page.locator(".opblock .authorization__btn")).to_have_count(4)
    page.get_by_role("button", name="Authorize").first.click()
    for name, words in lesson.SCOPES.items():
        expect(scheme(page, "OAuth2PasswordBearer")).to_contain_text(name)
        expect(scheme(page, "OAuth2PasswordBearer")).to_contain_text(words)
