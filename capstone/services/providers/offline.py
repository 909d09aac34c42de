"""No provider: the course's fake, in this process, over its real wire format. Every answer says that it is offline."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2 as httpx

from capstone.errors import ProviderError
from capstone.parts import calls
from mockllm import LLMTransport, MockLLM


@dataclass(frozen=True, slots=True)
class HttpxAnswer:
    """An answer over httpx."""

    response: httpx.Response

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the provider asks us to wait."""
        return calls.read_retry_after(self.response.headers)

    async def read(self) -> bytes:
        """Return the whole body."""
        try:
            return await self.response.aread()
        except httpx.RequestError as error:
            raise ProviderError(f"the answer broke off: {error!r}") from error

    async def chunks(self, first_s: float, next_s: float) -> AsyncIterator[bytes]:  # the fake is never silent
        """Yield the body as it comes."""
        try:
            async for chunk in self.response.aiter_bytes():
                yield chunk
        except httpx.RequestError as error:
            raise ProviderError(f"the answer broke off: {error!r}") from error

    async def close(self) -> None:
        """Leave."""
        if not self.response.is_closed:
            await self.response.aclose()


@dataclass(frozen=True)
class OfflineWire:
    """The wire to the fake."""

    client: httpx.AsyncClient
    blocking: httpx.Client  # the same fake

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, silence_s: float
    ) -> HttpxAnswer:
        """Send a request and wait for the status."""
        request = self.client.build_request(method, url, headers=dict(headers), content=body)
        try:
            if url.endswith("/embeddings"):  # computed, not waited for: a book would hold up every stream
                return HttpxAnswer(await asyncio.to_thread(self.blocking.send, request))
            return HttpxAnswer(await self.client.send(request, stream=True))
        except httpx.RequestError as error:
            raise ProviderError(f"no answer: {error!r}") from error


@asynccontextmanager
async def open_offline() -> AsyncIterator[OfflineWire]:
    """Hold open what reaches the fake and nothing else."""
    transport = LLMTransport(MockLLM.offline())
    async with httpx.AsyncClient(transport=transport, timeout=None) as client:
        with httpx.Client(transport=transport, timeout=None) as blocking:
            yield OfflineWire(client, blocking)
