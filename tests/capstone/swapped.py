"""A program: try capstones that are made of other parts, each in a fork of a process that has imported what is large.

    python swapped.py FOLDER ...     one line of JSON for each: what /parts says, and what did not work

Each folder holds a course: `lessons`, `solutions` and `capstone`. Its parts are chosen as for a learner.
"""

import importlib
import json
import os
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LARGE = (
    "mockllm.alias", "aiohttp", "aiosqlite", "alembic.command", "faiss", "fastapi.testclient", "httpx2",
    "jwt", "langchain_openai", "mangum", "numpy", "openai", "prometheus_client", "pwdlib",
    "pydantic_settings", "pypdf", "redis.asyncio", "sqlalchemy.ext.asyncio", "structlog", "uvicorn",
    "mockllm.server", "celery",
)  # fmt: skip


def wait_for(ready: Callable[[], Any], within_s: float = 20) -> Any:
    """Return what `ready` returns once that is something."""
    deadline = time.monotonic() + within_s
    while not (found := ready()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
    return found


def leave(url: str, body: dict[str, Any], arrived: Callable[[], Any]) -> None:
    """Ask, and close the connection once the provider was asked."""
    host, port = url.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer demo\r\n"
    with closing(socket.create_connection((host, int(port)))) as connection:
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        wait_for(arrived)


# What every capstone does, whosever its parts are. Each gets a running one and its fake provider.


def answers(running: Any, fake: Any) -> None:
    fake.reply("Good morning")
    answer = running.chat()
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "Good morning"
    assert answer.headers["x-request-id"]


def streams(running: Any, fake: Any) -> None:
    fake.tokens(["Good ", "né🙂"]).split("bytes")
    text = running.chat(stream=True).text
    assert "né🙂" in text
    assert text.endswith("data: [DONE]\n\n")


def refuses_in_form(running: Any, fake: Any) -> None:
    answer = running.chat(messages=[{"role": "pirate", "content": "x"}])
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["param"].startswith("messages.0"), answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert running.chat(model="nope").json()["error"]["code"] == "model_not_found"
    assert running.client.get("/nope").json()["error"]


def asks_for_a_key(running: Any, fake: Any) -> None:
    answer = running.client.get("/usage", headers={"Authorization": "Bearer nobody"})
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    key = running.key(scopes=["chat"])
    assert running.client.get("/rag/documents", headers=key).status_code == 403
    assert running.client.post("/v1/chat/completions", json={}, headers={"Authorization": ""}).status_code == 401


def ends_keys(running: Any, fake: Any) -> None:
    issued = running.client.post("/auth/keys", json={"name": "x"}).json()
    shown = {"Authorization": f"Bearer {issued['key']}"}
    assert running.client.get("/usage", headers=shown).status_code == 200
    newer = running.client.post(f"/auth/keys/{issued['id']}/rotate").json()
    assert running.client.get("/usage", headers=shown).status_code == 401
    running.client.delete(f"/auth/keys/{newer['id']}")
    shown = {"Authorization": f"Bearer {newer['key']}"}
    assert running.client.get("/usage", headers=shown).status_code == 401


def gives_tokens(running: Any, fake: Any) -> None:
    form = {"username": "demo", "password": "demo"}
    token = running.client.post("/auth/token", data=form).json()["access_token"]
    assert running.client.get("/usage", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert running.client.post("/auth/token", data={**form, "password": "x"}).status_code == 400


def passes_on_failures(running: Any, fake: Any) -> None:
    fake.fail(429, retry_after=3, message="its own words")
    answer = running.chat()
    assert answer.status_code == 429, answer.text
    assert answer.headers["retry-after"] == "3"
    fake.fail(500, message="its own words")
    answer = running.chat(stream=True)
    assert answer.status_code == 502, answer.text
    assert "own words" not in answer.text
    fake.tokens(["a", "b"]).cut(after=1)
    assert "stream_broken" in running.chat(stream=True).text


def ends_with_its_reader(running: Any, fake: Any) -> None:
    for more in ({}, {"stream": True}):
        fake.reset()
        fake.hang()
        body = {"model": "mock-large", "messages": [{"role": "user", "content": "x"}], **more}
        leave(running.url, body, lambda: fake.in_flight)
        wait_for(lambda: fake.cancelled, 5)


def keeps_quotas(running: Any, fake: Any) -> None:
    key = running.key(tokens_per_day=900)
    body = {"model": "mock-large", "messages": [{"role": "user", "content": "x"}], "max_tokens": 800}
    fake.fail(500)
    assert running.client.post("/v1/chat/completions", json=body, headers=key).status_code == 502
    fake.reply("x " * 150)
    assert running.client.post("/v1/chat/completions", json=body, headers=key).status_code == 200
    assert running.client.post("/v1/chat/completions", json=body, headers=key).status_code == 429


def tells_its_numbers(running: Any, fake: Any) -> None:
    text = running.client.get("/metrics").text
    assert 'http_request_duration_seconds_count{method="POST",route="/v1/chat/completions",status="200"}' in text
    assert "llm_tokens_total" in text
    assert running.client.get("/ready").status_code == 200
    assert running.client.get("/health").json() == {"status": "ok"}


def answers_from_documents(running: Any, fake: Any) -> None:
    page = b"The harbor of Neverland opens at seven in the morning.\n\nIts master is called Hook."
    accepted = running.client.post("/rag/documents", files={"file": ("harbor.md", page)})
    assert accepted.status_code == 202, accepted.text
    where = accepted.headers["location"]
    wait_for(lambda: running.client.get(where).json()["state"] != "queued")
    assert running.client.get(where).json()["state"] == "ready", running.client.get(where).text
    fake.reply("At seven [1].")
    question = "When does the harbor of Neverland open in the morning?"
    answer = running.client.post("/rag/query", json={"question": question})
    assert answer.status_code == 200, answer.text
    assert [one["document"] for one in answer.json()["citations"]] == ["harbor.md"], answer.text
    fake.reply("At seven [1].")
    text = running.client.post("/rag/query", json={"question": question, "stream": True}).text
    assert "event: done" in text, text


def does_jobs(running: Any, fake: Any) -> None:
    accepted = running.client.post("/jobs", json={"prompts": ["one", "two"]})
    assert accepted.status_code == 202, accepted.text
    where = accepted.headers["location"]
    wait_for(lambda: running.client.get(where).json()["state"] in ("done", "failed"))
    said = running.client.get(f"{where}/result").json()
    assert [bool(one["text"]) for one in said["answers"]] == [True, True], said


def limits(running: Any, fake: Any) -> None:
    key = running.key()
    statuses = [running.client.get("/usage", headers=key).status_code for _ in range(260)]
    assert statuses.count(200) == 250, statuses.count(200)
    assert statuses[-1] == 429


CHECKS = (
    answers, streams, refuses_in_form, asks_for_a_key, ends_keys, gives_tokens, passes_on_failures,
    ends_with_its_reader, keeps_quotas, tells_its_numbers, answers_from_documents, does_jobs, limits,
)  # fmt: skip

ALWAYS = (answers, streams, refuses_in_form, passes_on_failures, ends_with_its_reader, tells_its_numbers)
OF_LESSON = {
    "05": (answers_from_documents,), "06": (limits,), "07": (does_jobs,),
    "08": (asks_for_a_key, ends_keys, gives_tokens, keeps_quotas), "09": (asks_for_a_key, limits),
}  # fmt: skip


def trial(course: str) -> dict[str, Any]:
    """Start the capstone of a course and try it."""
    os.chdir(course)
    sys.path.insert(0, course)
    os.environ["CAPSTONE_PARTS"] = "auto"
    from mockllm import MockLLM
    from tests.capstone.inside import capstone

    failures: dict[str, str] = {}
    fake = MockLLM(settle_turns=0)
    with (
        tempfile.TemporaryDirectory() as data,
        capstone(Path(data), fake, retries=0, requests_per_minute=250, first_token_s=10, jobs_at_once=1) as running,
    ):
        parts = {one["lesson"][:2]: one["whose"] for one in running.client.get("/parts").json()}
        alone = Path(course).name  # "08": only that lesson's part is another one
        for check in (*ALWAYS, *OF_LESSON.get(alone, ())) if alone.isdigit() else CHECKS:
            fake.reset()
            running.service.chat.breakers.clear()
            try:
                check(running, fake)
            except Exception:
                failures[check.__name__] = traceback.format_exc()[-1_500:]
    return {"parts": parts, "failures": failures}


def main() -> None:
    """Try each course."""
    sys.path.append(str(ROOT))
    for name in LARGE:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    for course in sys.argv[1:]:
        pid = os.fork()
        if pid == 0:
            try:
                told = trial(course)
            except BaseException:
                told = {"parts": {}, "failures": {"start": traceback.format_exc()[-3_000:]}}
            print(json.dumps(told), flush=True)  # noqa: T201 - this is what it is for
            os._exit(0)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
