"""httpx and its continuation: one client for the process, two families of errors. Shown on docs/systems/httpx.md."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from mockllm import MockLLM


def example() -> FastAPI:
    # --8<-- [start:example]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
        # four clocks, and each has a meaning
        timeout = httpx.Timeout(connect=3, write=10, read=60, pool=5)
        limits = httpx.Limits(max_connections=500, max_keepalive_connections=500)
        async with httpx.AsyncClient(timeout=timeout, limits=limits) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)

    @app.get("/models")
    async def read_models(request: Request) -> list[str]:
        reply = await request.state.client.get(f"{OPENAI}/models", headers=KEY)
        reply.raise_for_status()  # a refusal is no answer
        return [one["id"] for one in reply.json()["data"]]

    # --8<-- [end:example]
    return app


OPENAI, KEY = "https://api.openai.com/v1", {"authorization": "Bearer sk-test"}


def test_one_client_serves_all_requests(llm: MockLLM) -> None:
    with TestClient(example()) as caller:
        assert "mock-large" in caller.get("/models").json()
        caller.get("/models")
        assert llm.connections == 1
        llm.keys = frozenset()  # now every key is wrong
        with pytest.raises(httpx.HTTPStatusError):
            caller.get("/models")


def test_the_two_families_know_nothing_of_each_other() -> None:
    script = Path(__file__).with_name("two_families.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
