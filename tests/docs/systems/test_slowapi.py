"""slowapi: a limit that several workers share, and callers without a key. Shown on docs/systems/slowapi.md."""

# ruff: noqa: RET504 - what the page shows is the assignment

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.extension import _rate_limit_exceeded_handler

from tests.lessons.deployment.brokers import redis
from tests.lessons.deployment.processes import free_port

answer_429: Any = _rate_limit_exceeded_handler


def whose(request: Request) -> str:
    """Stand for lesson 08: whose key this is."""
    key = request.headers.get("authorization", "")
    if key not in ("Bearer sk_ada", "Bearer sk_bob"):
        raise HTTPException(401)
    return key


def example(REDIS: str) -> FastAPI:
    # --8<-- [start:example]
    limiter = Limiter(
        key_func=whose,  # who pays, checked; not an address
        storage_uri=REDIS,  # one count for all workers
        # Redis is away: each worker counts for itself
        in_memory_fallback_enabled=True,
        strategy="moving-window",
        headers_enabled=True,  # Retry-After among them
    )
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, answer_429)

    @app.post("/chat")  # registers what stands below it
    @limiter.limit("10/minute")
    # `def`: the count waits for Redis, in a thread
    def create_chat(request: Request, response: Response) -> str:
        return "42"

    # --8<-- [end:example]
    return app


def broken() -> Limiter:
    # --8<-- [start:broken]
    def sender(request: Request) -> str:
        return request.headers.get("x-api-key", "")

    limiter = Limiter(key_func=sender)
    # --8<-- [end:broken]
    return limiter


def repaired() -> Limiter:
    # --8<-- [start:repaired]
    limiter = Limiter(key_func=whose)  # checked, and never empty: it raises a 401
    # --8<-- [end:repaired]
    return limiter


def limited(limiter: Limiter) -> TestClient:
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, answer_429)

    @app.post("/chat")
    @limiter.limit("2/minute")
    async def create_chat(request: Request) -> str:
        return "42"

    return TestClient(app)


ADA = {"authorization": "Bearer sk_ada"}


def statuses(*workers: TestClient) -> list[int]:
    return [worker.post("/chat", headers=ADA).status_code for _ in range(6) for worker in workers]


def test_two_workers_and_one_redis_are_one_limit(tmp_path: Path) -> None:
    with redis(tmp_path) as address:
        one, other = TestClient(example(address)), TestClient(example(address))
        assert statuses(one, other) == [200] * 10 + [429] * 2
        assert int(one.post("/chat", headers=ADA).headers["retry-after"]) >= 1
        assert one.post("/chat").status_code == 401
        assert one.post("/chat", headers={"authorization": "Bearer sk_bob"}).status_code == 200


def test_without_redis_there_still_is_a_limit() -> None:
    away = f"redis://127.0.0.1:{free_port()}"
    assert statuses(TestClient(example(away)), TestClient(example(away))) == [200] * 12, "each worker has its own"
    one = TestClient(example(away))
    assert statuses(one, one) == [200] * 10 + [429] * 2


@pytest.mark.filterwarnings("ignore")
def test_whoever_sends_no_key_has_no_limit() -> None:
    limiter = broken()
    # --8<-- [start:seen]
    caller = limited(limiter)  # to two requests a minute

    def ask(**headers: str) -> int:
        return caller.post("/chat", headers=headers).status_code

    assert [ask(**{"x-api-key": "k"}) for _ in range(3)] == [200, 200, 429]
    # an empty key is not counted
    assert [ask() for _ in range(3)] == [200, 200, 200]
    # and any other is somebody new
    assert [ask(**{"x-api-key": f"k{n}"}) for n in range(3)] == [200, 200, 200]
    # --8<-- [end:seen]


def test_whoever_has_no_key_is_refused() -> None:
    caller = limited(repaired())
    assert [caller.post("/chat", headers=ADA).status_code for _ in range(3)] == [200, 200, 429]
    assert [caller.post("/chat", headers={"authorization": f"Bearer k{n}"}).status_code for n in range(3)] == [401] * 3
    assert caller.post("/chat").status_code == 401
