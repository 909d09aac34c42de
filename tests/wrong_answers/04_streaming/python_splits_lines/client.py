"""A Python reader of `POST /chat`. Beside `coach run 04`: `python lessons/04_streaming/client.py Hello`."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import httpx2 as httpx


class ChatFailed(Exception):
    """Given: there is no answer, or not a whole one."""


async def read_chat(client: httpx.AsyncClient, url: str, prompt: str) -> AsyncIterator[str]:
    """Ask, and yield the text of the answer as it comes.

    Raises:
        ChatFailed: the status is an error, an `error` event came, or the stream ended without `done`.
    """
    # httpx gives up after 5 s without a byte; the service sends a sign of life every 15 s.
    timeout = httpx.Timeout(5, read=60)
    try:
        async with client.stream("POST", url, json={"prompt": prompt}, timeout=timeout) as response:
            if response.status_code != 200:
                raise ChatFailed(f"the service answered {response.status_code}")
            name = ""
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                    if name == "delta":
                        yield json.loads(data)["text"]
                    elif name == "error":
                        raise ChatFailed(json.loads(data)["message"])
                    elif name == "done":
                        return
    except httpx.TransportError as error:
        raise ChatFailed(f"the connection broke: {error}") from error
    raise ChatFailed("the answer broke off")


async def main(prompt: str) -> None:
    """Given: ask the service that `coach run 04` started."""
    async with httpx.AsyncClient() as client:
        async for text in read_chat(client, "http://127.0.0.1:8000/api/chat", prompt):
            sys.stdout.write(text)
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Hello"))
