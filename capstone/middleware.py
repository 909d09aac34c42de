"""What stands between the server and the routes, beside the lessons' parts: pure ASGI, because each layer costs.

OneShape      every error has the same form, whoever made it
LocalOnly     while the key `demo` lets in, nobody but this machine gets in
Authenticate  whose credential it is, found out once
"""

import ipaddress
import json
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capstone.errors import openai_error
from capstone.logs import CALLER
from capstone.parts import production
from capstone.services import tracing

LOCAL = "capstone.local"
NAMES = {"localhost", "127.0.0.1", "[::1]", "::1"}  # of this machine


class OneShape:
    """Give every error one form: ours, and on /v1 OpenAI's. Each of the lessons' parts has its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; hold back what it says of an error until it can be put into form."""
        head: Message | None = None
        parts: list[bytes] = []

        async def send_on(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start" and message["status"] >= 400:
                head = message
            elif head is None:
                await send(message)
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    await self._send(head, b"".join(parts), scope, send)

        await self.app(scope, receive, send_on if scope["type"] == "http" else send)

    async def _send(self, head: Message, said: bytes, scope: Scope, send: Send) -> None:
        body = json.dumps(shaped(head["status"], said, scope["path"])).encode()
        headers = MutableHeaders(raw=list(head["headers"]))
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(body))
        await send({**head, "headers": headers.raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def shaped(status: int, said: bytes, path: str) -> dict[str, Any]:
    """Return an error in the form that callers of this path know. `said` is what a part made of it."""
    told: Any
    try:
        told = json.loads(said)
    except ValueError:
        told = said.decode(errors="replace")[:200]
    if not isinstance(told, dict):
        told = {"error": told if isinstance(told, str) else ""}
    message = next(
        (one for one in (told.get("message"), told.get("error"), told.get("detail")) if isinstance(one, str)), ""
    )
    fields: dict[str, Any] = told["fields"] if isinstance(told.get("fields"), dict) else {}
    code = told.get("code") or (told.get("error") if told.get("message") else None)
    request_id = production.REQUEST_ID.get()
    if path.startswith("/v1/"):
        param = told.get("param") or next(iter(fields), None)
        if fields:
            message += ": " + "; ".join(f"{name}: {why}" for name, why in fields.items())
        return {**openai_error(status, message, code=code, param=param), "request_id": request_id}
    if told.get("param"):
        fields = {told["param"]: message}
    return {"error": message, "code": code, "fields": fields, "request_id": request_id}


class LocalOnly:
    """Let in this machine and nobody else.

    The server does not tell an application its address, so the application looks at who comes: from where, and by
    which name. The name keeps out web pages that have made their own name mean this machine (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for a caller of this machine; 403 for any other."""
        if scope["type"] == "lifespan" or scope.get(LOCAL) or is_local(scope):
            scope[LOCAL] = True  # looked at once, however many of us stand in a row
            await self.app(scope, receive, send)
            return
        words = (
            "The key `demo` works, so only this machine is served, under the name localhost. To serve others, set "
            "CAPSTONE_HOST and CAPSTONE_SECRET: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
        body = json.dumps({"message": words, "code": "demo_is_local"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def is_local(scope: Scope) -> bool:
    """Say whether a request comes from this machine, and asks for it by a name that is no other's."""
    host = (
        scope["client"][0] if scope.get("client") else ""
    )  # none on a Unix socket: whoever listens there speaks for many
    if host != "127.0.0.1":
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if not (getattr(address, "ipv4_mapped", None) or address).is_loopback:
            return False
    name = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"host"), "")
    if not name.endswith("]"):  # not an IPv6 address without a port
        name = name.rpartition(":")[0] or name
    return name.lower() in NAMES


class Authenticate:
    """Find out once whose credential a request shows. Refusing is left to the routes: each says what it needs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with `state.services`, which knows whose credential it is."""
        if scope["type"] == "http":
            state = scope["state"]
            for name, value in scope["headers"]:
                if name == b"authorization":
                    asked = state["services"] = await state["access"].asked_with(value.decode("latin-1"))
                    if asked.principal:
                        CALLER.set(asked.principal.id)
                    break
            else:
                state["services"] = state["access"].nobody
            if "fastapi.telemetry" in scope:
                tracing.tell_the_request(caller_of(scope))
        await self.app(scope, receive, send)


def caller_of(scope: Scope) -> str | None:
    """Return who asks, by the credential that was checked; None for nobody we know."""
    principal = scope["state"]["services"].principal
    return principal and principal.id
