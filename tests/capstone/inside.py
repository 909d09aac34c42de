"""Capstones and a fake provider in threads of this process: a real uvicorn, real sockets, and a start costs little."""

import asyncio
import io
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import uvicorn
from fastapi import FastAPI

from capstone.main import create_app
from capstone.settings import Settings
from mockllm import MockLLM
from mockllm.server import serve_in_thread

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "mock-large", "messages": HELLO}
PATIENCE_S = 20.0
# One that tries once, waits for nothing long, and may be asked often.
QUICK: dict[str, Any] = {"retries": 0, "whole_answer_s": 0.4, "first_token_s": 0.4, "next_token_s": 0.3}
QUICK["requests_per_minute"] = 10**6


@dataclass
class Running:
    """A capstone that serves."""

    url: str
    app: FastAPI
    client: httpx.Client  # with the key `demo`
    fake: MockLLM | None
    log: io.StringIO
    loop: asyncio.AbstractEventLoop
    server: uvicorn.Server

    @property
    def service(self) -> Any:
        """What its lifespan opened."""
        return self.app.state.service

    def chat(self, **changes: Any) -> httpx.Response:
        """Ask, without a stream."""
        return self.client.post("/v1/chat/completions", json={**CHAT, **changes})

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return what a coroutine returns that runs on the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(PATIENCE_S)

    def usage(self) -> list[Any]:
        """Return the records of the tenant `demo`, the newest first; what waits is written before."""

        async def read() -> list[Any]:
            await self.service.usage.flush()
            return await self.service.store.usage.latest("demo")

        return self.run(read)

    def key(self, **wanted: Any) -> dict[str, str]:
        """Issue a key and return the headers that show it."""
        answer = self.client.post("/auth/keys", json=wanted)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['key']}"}


@contextmanager
def capstone(data: Path, fake: MockLLM | None = None, **settings: Any) -> Iterator[Running]:
    """Serve a capstone, over a fake provider behind a socket if there is one, else offline."""
    with _provider(fake) as url:
        known: dict[str, Any] = {
            "OPENAI_API_KEY": "sk-mock" if fake else None,
            "OPENAI_BASE_URL": f"{url}/v1" if fake else None,
            "ANTHROPIC_API_KEY": None,
            "ANTHROPIC_BASE_URL": None,
        }
        if settings.pop("anthropic", False):
            known |= {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}
            known |= {
                "ANTHROPIC_API_KEY": "sk-ant-mock",
                "ANTHROPIC_BASE_URL": url,
                "anthropic_models": ("mock-large",),
            }
        chosen = {**known, "data": data, "corpus": None, "parts": "reference", **settings}
        log = io.StringIO()
        before = list(logging.getLogger().handlers)
        app = create_app(Settings(_env_file=None, **chosen), log)  # type: ignore[call-arg]
        with (
            _serving(app) as (address, loop, server),
            httpx.Client(base_url=address, headers={"Authorization": "Bearer demo"}, timeout=PATIENCE_S) as client,
        ):
            yield Running(address, app, client, fake, log, loop, server)
        logging.getLogger().handlers[:] = before  # one that was started earlier logs on


@contextmanager
def _provider(fake: MockLLM | None) -> Iterator[str]:
    if fake is None:
        yield ""
    else:
        with serve_in_thread(fake) as served:
            yield served.url


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def _serving(app: FastAPI) -> Iterator[tuple[str, asyncio.AbstractEventLoop, uvicorn.Server]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = _Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="capstone", daemon=True)
    thread.start()
    try:
        assert server.ready.wait(PATIENCE_S), "the capstone did not start"
        assert server.loop is not None
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server.loop, server
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()
