"""The capstone as its users meet it: no key, no network, and it says whose code runs."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    from capstone.main import create_app
    from capstone.settings import Settings

    known: dict[str, Any] = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "ANTHROPIC_API_KEY": None}
    settings = Settings(_env_file=None, data=tmp_path_factory.mktemp("data"), corpus=None, parts="reference", **known)  # type: ignore[call-arg]
    app = create_app(settings, io.StringIO())
    headers = {"Authorization": "Bearer demo"}
    with TestClient(app, "http://127.0.0.1", headers=headers, client=("127.0.0.1", 50_000)) as client:
        yield client


def test_it_is_healthy_without_a_key(client: TestClient) -> None:
    assert client.get("/health", headers={"Authorization": ""}).json() == {"status": "ok"}


def test_parts_tell_whose_code_runs(client: TestClient) -> None:
    parts = client.get("/parts").json()
    assert [part["lesson"][:2] for part in parts] == ["01", "02", "03", "04", "05", "06", "07", "08", "09"]
    assert {part["whose"] for part in parts} == {"reference"}
    assert parts[0]["file"] == "solutions/01_basics/app.py"


def test_a_chat_is_answered_offline_and_says_so(client: TestClient) -> None:
    body = {"model": "mock-large", "messages": [{"role": "user", "content": "What is RAG?"}]}
    answer = client.post("/v1/chat/completions", json=body).json()
    assert answer["object"] == "chat.completion"
    assert "[offline]" in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


def test_the_official_client_gets_an_answer(client: TestClient) -> None:
    from openai import OpenAI

    openai = OpenAI(api_key="demo", base_url="http://127.0.0.1/v1", http_client=client, max_retries=0)
    answer = openai.chat.completions.create(model="mock-small", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens > 0


def test_a_bad_request_names_its_field_and_does_not_echo_it(client: TestClient) -> None:
    body = {"model": "mock-large", "messages": [{"role": "pirate", "content": "Arr, my secret"}]}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "messages.0.role"
    assert "messages.0.role" in answer.json()["error"]["message"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_asks_no_other_host(client: TestClient, page: str) -> None:
    text = client.get(page).text
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    for link in links:
        assert link.startswith("/"), link
        assert client.get(link).status_code == 200


def test_unfinished_lessons_cannot_be_insisted_on(root: Path, tmp_path: Path) -> None:
    """On a copy of the untouched stubs, so that a learner's progress does not matter."""
    from coach.lesson import lesson_folders, read_lesson
    from coach.stubs import stub_files

    for folder in lesson_folders(root):
        lesson = read_lesson(folder)
        for name, text in stub_files(lesson).items():
            target = tmp_path / "lessons" / lesson.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        (tmp_path / "lessons" / lesson.folder / "lesson.toml").write_text((folder / "lesson.toml").read_text())
    for copied in ("solutions", "capstone"):
        shutil.copytree(root / copied, tmp_path / copied)
    done = subprocess.run(
        [sys.executable, "-c", "import capstone.parts"],
        cwd=tmp_path,
        env={**os.environ, "CAPSTONE_PARTS": "yours"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "capstone: to do: 01.1" in done.stderr
    assert "Traceback" not in done.stderr
