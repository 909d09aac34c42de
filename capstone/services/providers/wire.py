"""The wire: the process's one HTTP client, aiohttp's own. What it costs and what others would: `docs/capstone`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from capstone.errors import ProviderError
from capstone.parts import calls


class Answer(Protocol):
    """A provider's answer whose status has come."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the provider asks us to wait."""
        ...

    async def read(self) -> bytes:
        """Return the whole body; ProviderError if it breaks off."""
        ...

    def chunks(self, silence_s: float) -> AsyncIterator[bytes]:
        """Yield the body as it comes; ProviderError if the connection breaks, or after `silence_s` without a byte."""
        ...

    async def close(self) -> None:
        """Leave; the provider sees it, unless all was read."""
        ...


class Wire(Protocol):
    """How a provider is reached."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send a request and wait for the status; ProviderError if none comes."""
        ...


@dataclass(frozen=True, slots=True)
class AioAnswer:
    """An answer over aiohttp."""

    response: aiohttp.ClientResponse

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the provider asks us to wait."""
        return calls.read_retry_after({name.lower(): value for name, value in self.response.headers.items()})

    async def read(self) -> bytes:
        """Return the whole body."""
        try:
            return await self.response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderError(f"the answer broke off: {error!r}") from error

    async def chunks(self, silence_s: float) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        connection = self.response.connection
        if connection and connection.protocol:  # none: all of it is here already
            connection.protocol.read_timeout = silence_s  # its clock stands still while our reader is slow
        try:
            async for chunk in self.response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderError(f"the answer broke off: {error!r}") from error

    async def close(self) -> None:
        """Leave."""
        self.response.close()  # no release(): half an answer is in the way of the next


@dataclass(frozen=True)
class AioWire:
    """The wire over aiohttp's session."""

    session: aiohttp.ClientSession

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> AioAnswer:
        """Send a request and wait for the status."""
        try:
            return AioAnswer(await self.session.request(method, url, headers=headers, data=body))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderError(f"no answer: {error!r}") from error
