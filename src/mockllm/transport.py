"""The door without a socket: an httpx2 transport, for async and blocking clients.

It streams, raises what a real connection raises, heeds the client's read timeout, and sees when the client leaves.
`httpx2.ASGITransport` would collect the whole body first.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx2

from .exchange import Exchange
from .mock import MockLLM


class LLMTransport(httpx2.AsyncBaseTransport, httpx2.BaseTransport):
    """Answers whatever host is asked: `httpx2.AsyncClient(transport=LLMTransport(MockLLM()))`."""

    def __init__(self, fake: MockLLM) -> None:
        self.fake = fake

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer an async client."""
        await request.aread()
        exchange = begin(self.fake, request, request.url.path)
        return await respond(exchange, request)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a blocking client."""
        request.read()
        exchange = begin(self.fake, request, request.url.path)
        return respond_blocking(exchange, request)


def begin(fake: MockLLM, request: httpx2.Request, path: str, client: str = "") -> Exchange:
    """Hand a request whose body was read to the fake; `client` names where it came from."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    return fake.begin(request.method, str(request.url), path, headers, request.content, client)


async def respond(exchange: Exchange, request: httpx2.Request) -> httpx2.Response:
    """Wait for the status line; the body streams."""
    limit_s = _read_timeout(request)
    try:
        await exchange.start(limit_s)
    except (TimeoutError, ConnectionResetError) as error:
        raise _as_httpx(error, request) from None
    body = _Body(exchange, request, limit_s)
    return httpx2.Response(exchange.status, headers=exchange.headers, stream=body, request=request)


def respond_blocking(exchange: Exchange, request: httpx2.Request) -> httpx2.Response:
    """Do as `respond` for a client that is not async."""
    limit_s = _read_timeout(request)
    try:
        exchange.request.blocked_loop = asyncio.get_running_loop() is not None
    except RuntimeError:
        exchange.request.blocked_loop = False
    try:
        exchange.start_blocking(limit_s)
    except (TimeoutError, ConnectionResetError) as error:
        raise _as_httpx(error, request) from None
    body = _Body(exchange, request, limit_s)
    return httpx2.Response(exchange.status, headers=exchange.headers, stream=body, request=request)


class _Body(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """The body of a response, as it comes."""

    def __init__(self, exchange: Exchange, request: httpx2.Request, limit_s: float | None) -> None:
        self._exchange = exchange
        self._request = request
        self._limit_s = limit_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (chunk := await self._exchange.next_chunk(self._limit_s)) is not None:
                yield chunk
        except (TimeoutError, ConnectionResetError) as error:
            raise _as_httpx(error, self._request) from None

    def __iter__(self) -> Iterator[bytes]:
        try:
            while (chunk := self._exchange.next_chunk_blocking(self._limit_s)) is not None:
                yield chunk
        except (TimeoutError, ConnectionResetError) as error:
            raise _as_httpx(error, self._request) from None

    async def aclose(self) -> None:
        self._exchange.leave()

    def close(self) -> None:
        self._exchange.leave()


def _read_timeout(request: httpx2.Request) -> float | None:
    """Seconds that this client waits for the next bytes; None is for ever."""
    return request.extensions.get("timeout", {}).get("read")


def _as_httpx(error: Exception, request: httpx2.Request) -> httpx2.TransportError:
    if isinstance(error, TimeoutError):
        return httpx2.ReadTimeout("The read operation timed out", request=request)
    return httpx2.ReadError(str(error), request=request)
