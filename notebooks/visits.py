"""One request to an ASGI application, made by hand: when each piece came, and what happens when the reader leaves."""

import asyncio
import json as json_module
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message
from virtual_time import now


@dataclass
class Visit:
    """What a request looked like from outside."""

    status: int | None = None
    """None if the application never answered."""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    """When each piece of the body came, in seconds of the loop's clock, and the piece."""
    whole: bool = False
    """Whether the last byte came; what broke off, or was left, is not whole."""
    ended_at: float = 0.0
    """When the application was done with the request, which may be long after the reader was."""
    error: Exception | None = None
    """What came out of the application; a server logs it and cuts the connection."""

    @property
    def body(self) -> bytes:
        """All pieces together."""
        return b"".join(piece for _, piece in self.pieces)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body, parsed."""
        return json_module.loads(self.body)


async def visit(
    app: ASGIApp,
    url: str = "/",
    *,
    method: str = "GET",
    json: Any = None,
    headers: dict[str, str] | None = None,
    leaves_at_s: float | None = None,
    leaves_after: int | None = None,
    into: Visit | None = None,
) -> Visit:
    """Make one request as a server does, and return what came of it once the application is done.

    Args:
        app: the application. Its lifespan does not run.
        url: path and query.
        method: GET, POST, ...
        json: the body, None for no body.
        headers: further headers.
        leaves_at_s: when the reader closes the connection, in seconds of the loop's clock; None stays to the end.
        leaves_after: after how many pieces the reader closes it.
        into: is filled while things go on, for whoever looks before the application is done.
    """
    seen, left = into or Visit(), asyncio.Event()
    body = b"" if json is None else json_module.dumps(json).encode()
    request: list[Message] = [{"type": "http.request", "body": body}]
    form = {} if json is None else {"content-type": "application/json"}
    sent = {"host": "service.test", **form, **(headers or {})}
    address = urlsplit(url)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},  # what uvicorn says
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": address.path,
        "raw_path": address.path.encode(),
        "root_path": "",
        "query_string": address.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("service.test", 80),
    }

    async def receive() -> Message:
        if request:
            return request.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        if left.is_set():
            return  # as servers do: whoever has left gets nothing more, and the application is not told
        if message["type"] == "http.response.start":
            seen.status = message["status"]
            seen.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            if message.get("body"):
                seen.pieces.append((now(), message["body"]))
            seen.whole = not message.get("more_body")
            if seen.whole or len(seen.pieces) == leaves_after:
                left.set()

    leaving = None if leaves_at_s is None else asyncio.get_running_loop().call_at(leaves_at_s, left.set)
    try:
        await app(scope, receive, send)
    except Exception as error:
        seen.error = error
    finally:
        seen.ended_at = now()
        if leaving:
            leaving.cancel()
    return seen
