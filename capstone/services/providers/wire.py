"""The wire: the process's one HTTP client, aiohttp's own. What it costs and what others would: `docs/capstone`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from yarl import URL

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

    def chunks(self, first_s: float, next_s: float) -> AsyncIterator[bytes]:
        """Yield the body as it comes; ProviderError if the connection breaks, or is silent for that many seconds."""
        ...

    async def close(self) -> None:
        """Leave; the provider sees it, unless all was read."""
        ...


class Wire(Protocol):
    """How a provider is reached."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, silence_s: float
    ) -> Answer:
        """Send a request and wait for the status; ProviderError if none comes, or nothing for `silence_s` seconds."""
        ...


@dataclass(slots=True)
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

    async def chunks(self, first_s: float, next_s: float) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        connection, waits_s = self.response.connection, first_s
        try:
            async for chunk in self.response.content.iter_any():
                if waits_s != next_s and connection and connection.protocol:
                    # Its clock stands still while our reader is slow. It was set to `first_s` by `send`.
                    connection.protocol.read_timeout = waits_s = next_s
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
    connect_s: float
    urls: dict[str, URL] = field(default_factory=dict[str, URL])  # parsed once
    timeouts: dict[float, aiohttp.ClientTimeout] = field(default_factory=dict[float, aiohttp.ClientTimeout])

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, silence_s: float
    ) -> AioAnswer:
        """Send a request and wait for the status."""
        timeout = self.timeouts.get(silence_s)
        if timeout is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=self.connect_s, sock_read=silence_s)
            self.timeouts[silence_s] = timeout
        parsed = self.urls.get(url) or self.urls.setdefault(url, URL(url))
        try:
            return AioAnswer(await self.session.request(method, parsed, headers=headers, data=body, timeout=timeout))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderError(f"no answer: {error!r}") from error
