"""The model behind every server under test: it answers any request after a fixed time, as OpenAI's chat API would."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

DELAY_S = float(os.environ["UPSTREAM_DELAY_S"])
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "slow",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "An answer." * 20}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 60, "total_tokens": 69},
    }
).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Read the request, wait, answer."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(DELAY_S)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
