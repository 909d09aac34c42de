"""A reader that does the splitting itself, line by line, without a parser."""

import json
from collections.abc import AsyncIterator

import httpx2 as httpx


class ChatFailed(Exception):
    pass


async def read_chat(client: httpx.AsyncClient, url: str, prompt: str) -> AsyncIterator[str]:
    rest, name = b"", ""
    request = client.build_request("POST", url, json={"prompt": prompt}, timeout=httpx.Timeout(10.0, read=None))
    response = await client.send(request, stream=True)
    try:
        if not response.is_success:
            raise ChatFailed(f"status {response.status_code}")
        async for chunk in response.aiter_raw():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                key, _, value = line.rstrip(b"\r").decode().partition(": ")
                if key == "event":
                    name = value
                elif key == "data" and name == "delta":
                    yield json.loads(value)["text"]
                elif key == "data" and name == "error":
                    raise ChatFailed(json.loads(value)["message"])
                elif key == "data" and name == "done":
                    return
        raise ChatFailed("no done")
    except httpx.HTTPError as error:
        raise ChatFailed("connection lost") from error
    finally:
        await response.aclose()
