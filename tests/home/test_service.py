"""What whoever runs the service asks of it, and what survives its end."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
from fastapi.testclient import TestClient

from capstone.parts import ROOT


def test_it_says_how_it_is(client: TestClient) -> None:
    assert client.get("/health", headers={"Authorization": ""}).json() == {"status": "ok"}
    assert client.get("/health/live").status_code == 200
    assert client.get("/ready").status_code == 200


def test_it_counts_what_it_does(client: TestClient) -> None:
    body = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.headers["x-request-id"]
    text = client.get("/metrics").text
    assert 'http_request_duration_seconds_count{method="POST",route="/v1/chat/completions",status="200"}' in text
    assert client.get("/usage").json()["tokens_today"] > 0


def test_it_says_whose_code_runs(client: TestClient) -> None:
    parts = client.get("/parts").json()
    assert {part["whose"] for part in parts} <= {"yours", "reference"}
    for part in parts:
        assert (ROOT / part["file"]).is_file(), part


def test_an_error_has_one_form_wherever_it_comes_from(client: TestClient) -> None:
    for answer in (client.get("/nowhere"), client.get("/jobs/nothing"), client.post("/rag/query", json={})):
        assert answer.status_code in (404, 422)
        said = answer.json()
        assert isinstance(said["error"], str)
        assert said["request_id"] == answer.headers["x-request-id"]


def test_its_pages_ask_no_other_host(client: TestClient) -> None:
    for page in ("/chat", "/docs", "/redoc"):
        links = re.findall(r'(?:src|href)="([^"#]+)"', client.get(page).text)
        assert links, page
        for link in links:
            assert "//" not in link, f"{page} asks {link}"
            if not link.startswith("data:"):
                assert client.get(f"/{link.removeprefix('./').lstrip('/')}").status_code == 200, f"{page}: {link}"


def test_its_description_names_every_route_with_its_errors(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "/v1/chat/completions" in paths
    assert all("default" in route["responses"] for routes in paths.values() for route in routes.values())


def test_what_it_accepted_survives_a_kill_and_a_stop_is_orderly(tmp_path: Path) -> None:
    with running(tmp_path) as (process, client):
        key = client.post("/auth/keys", json={"name": "kept"}).json()["key"]
        process.kill()
        process.wait()
    with running(tmp_path) as (process, client):
        assert client.get("/usage", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    assert "Application shutdown complete" in (tmp_path / "log").read_text()


@contextmanager
def running(data: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """Start the service as its users do: a server of its own."""
    log = data / "log"
    command = [sys.executable, "-m", "uvicorn", "capstone.main:app", "--port", "0"]
    with log.open("wb") as out:
        env = {"PATH": "", "CAPSTONE_DATA": str(data / "data")}
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 30
        while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text(errors="replace"))):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        with httpx.Client(base_url=found[1], headers={"Authorization": "Bearer demo"}, timeout=20) as client:
            yield process, client
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
