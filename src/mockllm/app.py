"""The fake as an ASGI app: any ASGI server can put it on a socket."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .exchange import Exchange
from .mock import MockLLM

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class LLMApp:
    """Answers every path as the two APIs do, streams, and stops when the client leaves."""

    def __init__(self, fake: MockLLM) -> None:
        self.fake = fake

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one call.

        Source: https://asgi.readthedocs.io/en/latest/specs/www.html
        """
        if scope["type"] != "http":
            raise ValueError(f"the fake speaks HTTP only, got {scope['type']!r}")
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        exchange = self._begin(scope, body)
        answering = asyncio.ensure_future(_answer(exchange, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answering, leaving):
                task.cancel()
            _, broken = await asyncio.gather(leaving, answering, return_exceptions=True)
            exchange.leave()
        if isinstance(broken, ConnectionResetError):
            _reset_connection(scope)
        elif isinstance(broken, Exception):
            raise broken

    def _begin(self, scope: Message, body: bytes) -> Exchange:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        host = next((value for name, value in headers if name == "host"), "localhost")
        peer = scope.get("client")
        client = f"{peer[0]}:{peer[1]}" if peer else ""
        url = f"{scope['scheme']}://{host}{scope['path']}"
        return self.fake.begin(scope["method"], url, scope["path"], headers, body, client)


async def _answer(exchange: Exchange, send: Send) -> None:
    await exchange.start()
    headers = [(name.encode(), value.encode()) for name, value in exchange.headers.items()]
    await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
    while (chunk := await exchange.next_chunk()) is not None:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset_connection(scope: Message) -> None:
    """Send a TCP reset if the server gave us its transport (`server.Protocol` does), else let the server cut."""
    transport: asyncio.Transport | None = scope.get("state", {}).get("transport")
    if transport is None:
        raise ConnectionResetError("scripted reset")
    raw = transport.get_extra_info("socket")
    # To linger for zero seconds makes close() a reset, and not an orderly end: socket(7).
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
