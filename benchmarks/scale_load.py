"""A load for several instances of the capstone at once; prints one JSON object.

    python benchmarks/scale_load.py URL URL ... --connections 32 --seconds 8 --part redis=4711 --part capstone=1,2

`scale.py` starts it. A part is a name and the processes that belong to it, each with its children: what they use of the
processor while we ask is told for each part.
"""

import argparse
import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from load import percentile
from service_load import ask, body, percentile_ms, session


def family(roots: set[int]) -> set[int]:
    """Return processes and all that descend from them. A PostgreSQL has a process for each connection."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it ended while we looked
    found = set(roots)
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(roots: set[int]) -> float:
    """Return the processor time that a family has used. Linux: the clock of clock_getcpuclockid(3)."""
    total = 0.0
    for one in family(roots):
        try:
            total += time.clock_gettime((~one << 3) | 2)
        except OSError:
            continue
    return total


async def closed(options: argparse.Namespace) -> dict[str, Any]:
    """Keep connections busy, the same number at each instance; return rate, latencies and what each part used."""
    latencies: list[float] = []
    counting = False
    request = body(options.wish)
    parts = {name: {int(one) for one in pids.split(",")} for name, pids in options.part}
    parts["load"] = {os.getpid()}

    async def user(client: Any, url: str, start_s: float) -> None:
        await asyncio.sleep(start_s)
        while True:
            took = await ask(client, url, request)
            if counting:
                latencies.append(took)

    async with session() as client:
        urls = [options.urls[n % len(options.urls)] for n in range(options.connections)]
        users = [asyncio.create_task(user(client, url, 0.5 * n / len(urls))) for n, url in enumerate(urls)]
        await asyncio.sleep(options.warm_up)
        before = {name: cpu_seconds(pids) for name, pids in parts.items()}
        began, counting = time.monotonic(), True
        await asyncio.sleep(options.seconds)
        lasted, counting = time.monotonic() - began, False
        used = {name: cpu_seconds(pids) - before[name] for name, pids in parts.items()}
        for one in users:
            one.cancel()
        problems = [one for one in await asyncio.gather(*users, return_exceptions=True) if isinstance(one, Exception)]
    if problems:
        raise problems[0]
    latencies.sort()
    return {
        "requests_per_s": round(len(latencies) / lasted, 1),
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "cpu_us": {name: round(1e6 * one / len(latencies), 1) for name, one in used.items()},
        "cores": {name: round(one / lasted, 2) for name, one in used.items()},
    }


async def rate(options: argparse.Namespace) -> dict[str, Any]:
    """Ask at fixed moments, the instances in turn, whatever the answers do; return latencies."""
    latencies: list[float] = []
    request = body(options.wish)

    async def one(client: Any, n: int) -> None:
        latencies.append(await ask(client, options.urls[n % len(options.urls)], request))

    async with session() as client:
        for n in range(20 * len(options.urls)):
            await one(client, n)
        latencies.clear()
        began = time.monotonic()
        tasks: list[asyncio.Task[None]] = []
        for n in range(int(options.rate * options.seconds)):
            await asyncio.sleep(max(0.0, began + n / options.rate - time.monotonic()))
            tasks.append(asyncio.create_task(one(client, n)))
        await asyncio.gather(*tasks)
    latencies.sort()
    return {"rate": options.rate, "p50_ms": percentile_ms(latencies, 50), "p99_ms": percentile_ms(latencies, 99)}


def part(words: str) -> tuple[str, str]:
    """Read `name=1,2`."""
    name, _, pids = words.partition("=")
    return name, pids


def main() -> None:
    """Run the load and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", help="of POST /v1/chat/completions, one for each instance")
    parser.add_argument("--part", action="append", type=part, default=[], help="name=process,process")
    parser.add_argument("--connections", type=int, default=32, help="of all together")
    parser.add_argument("--rate", type=float, default=0, help="requests per second, in place of busy connections")
    parser.add_argument("--seconds", type=float, default=5.0, help="the window that is measured")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before the window")
    parser.add_argument("--wish", default="", help="for the fake provider: delay=0.5")
    options = parser.parse_args()
    import uvloop

    print(json.dumps(uvloop.run(rate(options) if options.rate else closed(options))))


if __name__ == "__main__":
    main()
