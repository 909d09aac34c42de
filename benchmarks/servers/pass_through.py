"""The floor: a bare ASGI application that hands each call on to the provider through aiohttp, and nothing else."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

UPSTREAM = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
HEADERS = {"content-type": "application/json", "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
session: aiohttp.ClientSession | None = None


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Pass a request on, and its answer back, chunk by chunk."""
    global session
    if scope["type"] != "http":
        return
    if session is None:
        connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    async with session.post(UPSTREAM, data=body, headers=HEADERS) as response:
        content_type = response.headers.get("content-type", "application/json").encode()
        head: list[tuple[bytes, bytes]] = [(b"content-type", content_type)]
        if response.content_length is not None:
            head.append((b"content-length", str(response.content_length).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": head})
        async for data in response.content.iter_any():
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
