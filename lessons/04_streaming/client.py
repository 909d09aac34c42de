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
    # TODO 04.8: read the events of POST /chat, however long the model thinks, and notice when the answer is not whole.
    raise NotImplementedError("TODO 04.8")
    yield ""


async def main(prompt: str) -> None:
    """Given: ask the service that `coach run 04` started."""
    async with httpx.AsyncClient() as client:
        async for text in read_chat(client, "http://127.0.0.1:8000/api/chat", prompt):
            sys.stdout.write(text)
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Hello"))
