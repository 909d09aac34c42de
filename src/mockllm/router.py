"""The door for tests: one respx router that lesson code, the official clients and LangChain all go through."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import respx
from respx.mocks import HTTPCoreMocker
from respx.models import AllMockedAssertionError

from .mock import MockLLM
from .transport import begin, respond, respond_blocking

_POOL = "mockllm.pool"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@contextmanager
def routed(fake: MockLLM) -> Iterator[respx.MockRouter]:
    """Send every HTTP call of this process to `fake` while the block runs.

    Calls to this machine pass through, so that a test may run a server. Any other host is an error: a test never
    reaches the network. What is yielded takes further respx routes.
    """
    router = _Router(fake)
    router.route(host__in=_THIS_MACHINE).pass_through()
    with router:
        yield router


@contextmanager
def way_in() -> Iterator[None]:
    """Keep respx's hold on the HTTP client while the block runs: each `routed` in it then starts at once."""
    _PoolMocker.kept += 1
    _PoolMocker.start()
    try:
        yield
    finally:
        _PoolMocker.kept -= 1
        _PoolMocker.stop()


class _PoolMocker(HTTPCoreMocker):
    """respx's own way in, but each request says which connection pool it came through: a client has one."""

    name = "mockllm"
    kept = 0  # how many `way_in` are open

    @classmethod
    def stop(cls, force: bool = False) -> None:
        if force or not cls.kept:
            super().stop(force)

    @classmethod
    def mock(cls, spec: Any) -> Any:
        watched = super().mock(spec)

        def send(*args: Any, **kwargs: Any) -> Any:
            return (watched if cls.routers else spec)(*args, **kwargs)

        return spec if watched is spec else send

    @classmethod
    def _send_sync_request(cls, httpx_request: Any, *, target_spec: Any, instance: Any, **kwargs: Any) -> Any:
        httpx_request.extensions[_POOL] = instance
        return super()._send_sync_request(httpx_request, target_spec=target_spec, instance=instance, **kwargs)

    @classmethod
    async def _send_async_request(cls, httpx_request: Any, *, target_spec: Any, instance: Any, **kwargs: Any) -> Any:
        httpx_request.extensions[_POOL] = instance
        return await super()._send_async_request(httpx_request, target_spec=target_spec, instance=instance, **kwargs)


class _Router(respx.MockRouter):
    """respx finds the calls of every client; what they are answered, and in which chunks, is the fake's business.

    The types are httpx's for respx and httpx2's for us: `mockllm.alias` has made them one.
    """

    def __init__(self, fake: MockLLM) -> None:
        super().__init__(assert_all_called=False, using=_PoolMocker.name)
        self._fake = fake
        self._pools: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def handler(self, request: Any) -> Any:
        if (path := self._path_below_base(request)) is not None:
            return respond_blocking(begin(self._fake, request, path, self._client(request)), request)
        try:
            return super().handler(request)
        except AllMockedAssertionError:
            raise self._nobody_there(request) from None

    async def async_handler(self, request: Any) -> Any:
        if (path := self._path_below_base(request)) is not None:
            return await respond(begin(self._fake, request, path, self._client(request)), request)
        try:
            return await super().async_handler(request)
        except AllMockedAssertionError:
            raise self._nobody_there(request) from None

    def _client(self, request: Any) -> str:
        pool = request.extensions.get(_POOL)
        if pool is not None and pool not in self._pools:
            self._fake.connections += 1
            self._pools[pool] = f"client {self._fake.connections}"
        return self._pools.get(pool, "")

    def _path_below_base(self, request: Any) -> str | None:
        url = str(request.url.copy_with(query=None))
        base = next((base for base in self._fake.base_urls if url == base or url.startswith(f"{base}/")), None)
        return None if base is None else url.removeprefix(base)

    def _nobody_there(self, request: Any) -> AllMockedAssertionError:
        return AllMockedAssertionError(
            f"{request.method} {request.url}: tests do not reach the network, and the fake answers only at "
            f"{', '.join(self._fake.base_urls)}. For another address: llm.also_at(base_url)"
        )
