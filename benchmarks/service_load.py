"""Loads for a service that speaks OpenAI's chat completions; each prints one JSON object.

    python benchmarks/service_load.py closed  URL --group 4711 --connections 32 --seconds 5
    python benchmarks/service_load.py rate    URL --rate 50 --seconds 10
    python benchmarks/service_load.py streams URL --group 4711 --streams 500 --seconds 8
    python benchmarks/service_load.py memory  URL --group 4711 --requests 20000
    python benchmarks/service_load.py cancel  URL --stats http://127.0.0.1:9/stats

`service.py` starts these; a person may as well. `--group` is the process group of the server: its processor time and
memory are read from the operating system. Streams are read by a protocol of our own, because 20,000 events a second
through a client library would measure the library.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
from load import cpu_seconds, percentile

KEY = "demo"
HEADERS = {"authorization": f"Bearer {KEY}"}
PAGE_BYTES = 4096
CADENCE_S = 0.05  # 20 tokens a second
LEAVE_WITHIN_S = 2.0


def body(wish: str = "", *, stream: bool = False) -> dict[str, Any]:
    """Return a request; `wish` tells the fake provider how to answer."""
    return {
        "model": "mock-large",
        "stream": stream,
        "messages": [{"role": "user", "content": f"Why is the sky blue? {wish}"}],
    }


def rss_bytes(group: int) -> int:
    """Return the resident memory of the processes of a group."""
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                    total += int((folder / "statm").read_text().split()[1]) * PAGE_BYTES
            except OSError:
                continue  # it ended while we looked
    return total


def session() -> aiohttp.ClientSession:
    """Return a client without a limit of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None), headers=HEADERS
    )


async def ask(client: aiohttp.ClientSession, url: str, request: dict[str, Any]) -> float:
    """Ask once; return the seconds it took.

    Raises:
        RuntimeError: the answer is no completion.
    """
    began = time.monotonic()
    async with client.post(url, json=request) as response:
        answer = await response.json()
        if response.status != 200 or not answer["choices"]:
            raise RuntimeError(f"status {response.status}: {answer}")
    return time.monotonic() - began


async def closed(options: argparse.Namespace) -> dict[str, Any]:
    """Keep so many connections busy; return rate, latencies and processor time per request."""
    latencies: list[float] = []
    counting = False
    request = body(options.wish)

    async def user(client: aiohttp.ClientSession, start_s: float) -> None:
        await asyncio.sleep(start_s)
        while True:
            took = await ask(client, options.url, request)
            if counting:
                latencies.append(took)

    async with session() as client:
        users = [asyncio.create_task(user(client, 0.5 * n / options.connections)) for n in range(options.connections)]
        await asyncio.sleep(options.warm_up)
        before, began, counting = cpu_seconds(options.group), time.monotonic(), True
        await asyncio.sleep(options.seconds)
        used, lasted, counting = cpu_seconds(options.group) - before, time.monotonic() - began, False
        for one in users:
            one.cancel()
        problems = [one for one in await asyncio.gather(*users, return_exceptions=True) if isinstance(one, Exception)]
    latencies.sort()
    return {
        "requests_per_s": round(len(latencies) / lasted, 1),
        "cpu_us_per_request": round(1e6 * used / len(latencies), 1) if latencies else None,
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "problems": [repr(one)[:200] for one in problems[:3]],
    }


async def rate(options: argparse.Namespace) -> dict[str, Any]:
    """Ask at fixed moments, whatever the answers do; return latencies."""
    latencies: list[float] = []
    request = body(options.wish)

    async def one(client: aiohttp.ClientSession) -> None:
        latencies.append(await ask(client, options.url, request))

    async with session() as client:
        for _ in range(20):
            await one(client)
        latencies.clear()
        began = time.monotonic()
        tasks: list[asyncio.Task[None]] = []
        for n in range(int(options.rate * options.seconds)):
            await asyncio.sleep(max(0.0, began + n / options.rate - time.monotonic()))
            tasks.append(asyncio.create_task(one(client)))
        await asyncio.gather(*tasks)
    latencies.sort()
    return {"p50_ms": percentile_ms(latencies, 50), "p99_ms": percentile_ms(latencies, 99)}


def percentile_ms(ordered: list[float], percent: int) -> float:
    """Return a percentile in milliseconds, to the microsecond."""
    return round(1000 * ordered[-(-len(ordered) * percent // 100) - 1], 3)


class Reader(asyncio.Protocol):
    """One stream: asks, and counts events without parsing them."""

    def __init__(self, request: bytes, seen: dict[str, int]) -> None:
        self.request, self.seen = request, seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast(asyncio.Transport, transport).write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count events; ours never hold these bytes in their text."""
        self.seen["events"] += data.count(b"data: ")
        if b" 200 " not in data[:20] and data.startswith(b"HTTP/1.1"):
            self.seen["refused"] += 1


async def streams(options: argparse.Namespace) -> dict[str, Any]:
    """Hold so many streams open; return the share of events that arrived, and what each costs."""
    address = urlsplit(options.url)
    tokens = int((options.seconds + options.warm_up + 30) / CADENCE_S)  # more than we stay for
    content = json.dumps(body(f"tokens={tokens} cadence={CADENCE_S} first=0.01", stream=True)).encode()
    head = (
        f"POST {address.path} HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    seen = {"events": 0, "refused": 0}
    loop = asyncio.get_running_loop()
    memory_before = rss_bytes(options.group)
    transports: list[asyncio.BaseTransport] = []
    for n in range(options.streams):
        transport, _ = await loop.create_connection(
            lambda: Reader(head.encode() + content, seen), address.hostname, address.port
        )
        transports.append(transport)
        if n % 20 == 19:
            await asyncio.sleep(0.05)  # 400 a second arrive, as readers do
    await asyncio.sleep(options.warm_up)
    events, used, began = seen["events"], cpu_seconds(options.group), time.monotonic()
    await asyncio.sleep(options.seconds)
    lasted = time.monotonic() - began
    events, used = seen["events"] - events, cpu_seconds(options.group) - used
    memory = rss_bytes(options.group) - memory_before
    for transport in transports:
        transport.close()
    return {
        "streams": options.streams,
        "delivered": round(events / (options.streams * lasted / CADENCE_S), 4),
        "cpu_us_per_event": round(1e6 * used / events, 1) if events else None,
        "kb_per_stream": round(memory / options.streams / 1024, 1),
        "cpu_share": round(used / lasted, 3),
        "refused": seen["refused"],
    }


async def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Ask many times; return how memory grew once the service keeps all that it keeps of the last minute."""
    request = body(options.wish)
    async with session() as client:

        async def some(count: int) -> None:
            left = iter(range(count))

            async def user() -> None:
                for _ in left:
                    await ask(client, options.url, request)

            await asyncio.gather(*(user() for _ in range(options.connections)))

        began = time.monotonic()
        while time.monotonic() - began < options.warm_up:
            await some(2_000)
        before = rss_bytes(options.group)
        await some(options.requests)
        grown = rss_bytes(options.group) - before
    return {"requests": options.requests, "bytes_per_request": round(grown / options.requests, 1)}


async def cancel(options: argparse.Namespace) -> dict[str, Any]:
    """Leave at three moments; return how often the provider noticed within two seconds."""
    moments: dict[str, tuple[dict[str, Any], Callable[[aiohttp.ClientResponse], Awaitable[Any]] | None]] = {
        "whole_answer": (body("delay=20"), None),
        "first_token": (body("delay=20 tokens=5", stream=True), None),
        "mid_stream": (
            body("tokens=2000 cadence=0.05", stream=True),
            lambda response: response.content.readany(),
        ),
    }
    found: dict[str, str] = {}
    for moment, (request, meanwhile) in moments.items():
        noticed = 0
        for _ in range(5):
            before = (await stats(options.stats))["left"]
            async with session() as client:
                call = asyncio.ensure_future(leave_after(client, options.url, request, meanwhile))
                await until_open(options.stats)
                call.cancel() if meanwhile is None else await call
                await asyncio.gather(call, return_exceptions=True)
            deadline = time.monotonic() + LEAVE_WITHIN_S
            while time.monotonic() < deadline:
                if (await stats(options.stats))["left"] > before:
                    noticed += 1
                    break
                await asyncio.sleep(0.02)
        found[moment] = f"{noticed} of 5"
    return found


async def leave_after(
    client: aiohttp.ClientSession,
    url: str,
    request: dict[str, Any],
    meanwhile: Callable[[aiohttp.ClientResponse], Awaitable[Any]] | None,
) -> None:
    """Ask, read a little, and leave."""
    response = await client.post(url, json=request)
    if meanwhile:
        await meanwhile(response)
    response.close()


async def stats(url: str) -> dict[str, int]:
    """Return what the provider has seen."""
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        return await response.json()


async def until_open(url: str) -> None:
    """Wait until a call is open at the provider."""
    async with asyncio.timeout(10):
        while not (await stats(url))["open"]:  # noqa: ASYNC110 - another process cannot set an event
            await asyncio.sleep(0.02)


LOADS = {"closed": closed, "rate": rate, "streams": streams, "memory": memory, "cancel": cancel}


def main() -> None:
    """Run one load and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("load", choices=LOADS)
    parser.add_argument("url", help="of POST /v1/chat/completions")
    parser.add_argument("--group", type=int, default=0, help="process group of the server")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=5.0, help="the window that is measured")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before the window")
    parser.add_argument("--wish", default="", help="for the fake provider: delay=0.5")
    parser.add_argument("--stats", default="", help="where the fake provider tells what it saw")
    options = parser.parse_args()
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    print(json.dumps(run(LOADS[options.load](options))))


if __name__ == "__main__":
    main()
