"""Async clients of the model by name, imported one by one, so that a server pays only for the one it uses."""

import os
from collections.abc import Callable
from typing import Any

URL = os.environ["UPSTREAM_URL"]
TIMEOUT_S = 60.0
CONNECTIONS = 2_000


def httpx_raised() -> Any:
    """Return a client of httpx 0.28 with raised limits."""
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx.AsyncClient(limits=limits, timeout=TIMEOUT_S)


def httpx_as_is() -> Any:
    """Return a client of httpx 0.28 with the limits it comes with: 100 connections, 20 of them kept."""
    import httpx

    return httpx.AsyncClient(timeout=TIMEOUT_S)


def httpx2_raised() -> Any:
    """Return a client of httpx2 with raised limits."""
    import httpx2

    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx2.AsyncClient(limits=limits, timeout=TIMEOUT_S)


def aiohttp_raised() -> Any:
    """Return the client that openai's extra `aiohttp` brings: httpx2 outside, aiohttp's connections inside."""
    import httpx2
    from openai import DefaultAioHttpClient

    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return DefaultAioHttpClient(limits=limits, timeout=TIMEOUT_S)


MAKERS: dict[str, Callable[[], Any]] = {
    "httpx": httpx_raised,
    "httpx-as-is": httpx_as_is,
    "httpx2": httpx2_raised,
    "aiohttp": aiohttp_raised,
}
make_client = MAKERS[os.environ["CLIENT"]]


async def ask(client: Any, prompt: str) -> str:
    """Ask the model through any of these clients; they speak alike."""
    response = await client.post(URL, json={"model": "slow", "messages": [{"role": "user", "content": prompt}]})
    response.raise_for_status()
    return response.json()["choices"][0]["message"]["content"]
