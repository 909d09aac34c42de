"""The door for people and for tests over a real socket: the fake on localhost, under uvicorn."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .mock import MockLLM
from .status import with_status_page

HOST = "127.0.0.1"
STARTED_WITHIN_S = 10.0


def serve(port: int = 8001, fake: MockLLM | None = None) -> None:
    """Serve on localhost until Ctrl-C.

    Args:
        port: 1024 to 65535; 0 takes a free one.
        fake: what answers; by default one that says that it is offline.

    Raises:
        OSError: the port is taken.
    """
    fake = fake or MockLLM.offline()
    listener = _listen(port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    print(
        f"Fake OpenAI and Anthropic on {url} (open it to see calls and to script faults). Ctrl-C stops it.\n\n"
        f"  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=mock\n"
        f"  export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=mock\n",
        flush=True,
    )
    try:
        _server(fake).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()


@dataclass(frozen=True)
class Served:
    """A fake that listens. `url` is Anthropic's base URL, `url + "/v1"` is OpenAI's."""

    url: str
    fake: MockLLM


@contextmanager
def serve_in_thread(fake: MockLLM | None = None) -> Iterator[Served]:
    """Serve on a free port of localhost while the block runs.

    Raises:
        RuntimeError: the server did not start.
    """
    fake = fake or MockLLM()
    listener = _listen(0)
    server = _server(fake)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="mockllm", daemon=True)
    thread.start()
    try:
        if not server.ready.wait(STARTED_WITHIN_S):
            raise RuntimeError(f"the fake did not start within {STARTED_WITHIN_S:g} s")
        yield Served(f"http://{HOST}:{listener.getsockname()[1]}", fake)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(STARTED_WITHIN_S)
        listener.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)  # before the address is printed: who connects early waits instead of being refused
    except OSError as error:
        listener.close()
        words = f"cannot listen on {HOST}:{port} ({error.strerror}); take another port, or 0 for a free one"
        raise OSError(error.errno, words) from None
    return listener


class _Server(uvicorn.Server):
    """Says when it accepts connections, and does not wait for calls that hang."""

    def __init__(self, config: uvicorn.Config, fake: MockLLM) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._fake = fake

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._fake.close()  # a call that hangs would hold up the end
        await super().shutdown(sockets)


def _server(fake: MockLLM) -> _Server:
    class Protocol(H11Protocol):
        """Counts connections, and hands each call its transport, so that a script can reset it."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            fake.connections += 1
            self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}
            super().connection_made(transport)

    # asyncio's own loop: a transport of uvloop does not hand out its socket for a reset.
    config = uvicorn.Config(
        with_status_page(fake),
        http=Protocol,
        loop="asyncio",
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,  # seconds for streams that are still running
    )
    return _Server(config, fake)
