"""A TCP port before a server on this machine. The way through it can be cut, frozen and mended again."""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 10.0


class Wire:
    """One way to a server. `port` stays the same, whatever happens to the way.

    Args:
        target: a port of this machine, or the path of a Unix socket.
    """

    def __init__(self, target: int | Path) -> None:
        self.target = target
        # Holds the port while nobody listens: else the system may lend it to a client, even to one that connects to it.
        self._holder = bound(0)
        self.port: int = self._holder.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._passable = asyncio.Event()
        self._passable.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._calls: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()
        self._do(self._listen())

    def cut(self) -> None:
        """Break every connection, and refuse new ones: the server is gone."""
        self._do(self._cut())

    def freeze(self) -> None:
        """Let nothing through, in no direction. Connections stay, new ones are accepted: the server hangs."""
        self._do(self._freeze())

    def mend(self) -> None:
        """Let through again what comes, and what was held up."""
        self._do(self._mend())

    def close(self) -> None:
        """End it."""
        self._do(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        self._holder.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._pass, sock=bound(self.port), backlog=512)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _freeze(self) -> None:
        self._passable.clear()

    async def _mend(self) -> None:
        self._passable.set()
        await self._listen()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, until either side ends it."""
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        self._open.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            if isinstance(self.target, Path):
                back, other = await asyncio.open_unix_connection(self.target)
            else:
                back, other = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(other)
            ways = {asyncio.create_task(self._pump(reader, other)), asyncio.create_task(self._pump(back, writer))}
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # nobody is there: the caller's connection is closed
        except asyncio.CancelledError:
            pass  # by `_cut`, which waits for it; and asyncio's streams complain of handlers that are cancelled
        finally:
            for one in filter(None, (writer, other)):
                self._open.discard(one)
                one.transport.abort() if call.cancelling() else one.close()
            self._calls.discard(call)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._passable.wait()
            writer.write(data)
            await writer.drain()


def bound(port: int) -> socket.socket:
    """Return a socket that has a port, beside others that have it and do not listen."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    return one


@contextmanager
def wire(target: int | Path) -> Iterator[Wire]:
    """Hold a way open."""
    one = Wire(target)
    try:
        yield one
    finally:
        one.close()
