"""Keep a number of users busy with one server, watch its processor time, print one JSON object.

    python benchmarks/load.py URL --users 100 --seconds 6 --group 4711

Each user holds one connection and asks again as soon as it has its answer. The first two seconds are warm-up.
The window after them lasts `--seconds`, and longer (up to `--patience`) where some user has had no answer in it yet,
so that the slowest percent is seen and not guessed. `async_vs_sync.py` starts this; a person may as well.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp  # pyright: ignore[reportMissingImports] - bench extra

WARM_UP_S = 2.0
STAGGER_S = 0.5  # users arrive evenly over this time, not all at one moment


@dataclass
class User:
    """One user, and what became of its requests."""

    asked_at: float = 0.0
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # a request ended, well or badly
    answered_at: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    failed: list[tuple[float, str]] = field(default_factory=list)

    async def ask_forever(self, session: aiohttp.ClientSession, url: str) -> None:
        """Ask, wait for the answer, ask again."""
        while True:
            self.asked_at = time.monotonic()
            problem = ""
            try:
                async with session.post(url, json={"prompt": "Why is the sky blue?"}) as response:
                    body = await response.json()
                    if response.status != 200 or not body["answer"]:
                        problem = f"status {response.status}"
            except Exception as error:  # whatever it was, it is counted by name
                problem = type(error).__name__
            now = time.monotonic()
            self.settled.set()
            if problem:
                self.failed.append((now, problem))
                await asyncio.sleep(0.05)  # a server that refuses at once is not to be flooded
            else:
                self.answered_at.append(now)
                self.latencies_s.append(now - self.asked_at)


def main() -> None:
    """Run the load and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=6.0, help="the window, in seconds")
    parser.add_argument("--patience", type=float, default=70.0, help="the longest window, in seconds, above --seconds")
    parser.add_argument("--group", type=int, required=True, help="process group of the server")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options))))


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return figures of one server under `options.users` users."""
    users = [User() for _ in range(options.users)]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        tasks: list[asyncio.Task[None]] = []
        began = time.monotonic()
        for user in users:
            tasks.append(asyncio.create_task(user.ask_forever(session, options.url)))
            await asyncio.sleep(STAGGER_S / len(users))
        await asyncio.sleep(began + WARM_UP_S - time.monotonic())
        opened, cpu_before = time.monotonic(), cpu_seconds(options.group)
        for user in users:
            user.settled.clear()
        await asyncio.sleep(options.seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.patience - options.seconds):
                for user in users:
                    await user.settled.wait()
        closed, cpu_after = time.monotonic(), cpu_seconds(options.group)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return figures(users, opened, closed, cpu_after - cpu_before)


def figures(users: list[User], opened: float, closed: float, cpu_s: float) -> dict[str, Any]:
    """Count what ended in the window from `opened` to `closed`."""
    latencies = sorted(
        latency
        for user in users
        for at, latency in zip(user.answered_at, user.latencies_s, strict=True)
        if opened < at <= closed
    )
    unanswered = [closed - user.asked_at for user in users if not user.settled.is_set()]
    rate = answers_per_second(sorted(at for user in users for at in user.answered_at if at <= closed), opened)
    errors = Counter(problem for user in users for at, problem in user.failed if opened < at <= closed)
    return {
        "window_s": round(closed - opened, 2),
        "answers": len(latencies),
        "errors": dict(sorted(errors.items())),
        "requests_per_s": round(rate, 2),
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(sorted(latencies + unanswered), 99),
        "p99_is_at_least": bool(unanswered),
        # A share of the time over a rate, not a sum over a count: requests that lie across an edge do no harm.
        "cpu_ms_per_request": round(1000 * cpu_s / (closed - opened) / rate, 3) if rate else None,
        "cpu_share": round(cpu_s / (closed - opened), 3),
    }


def answers_per_second(answered_at: list[float], opened: float) -> float:
    """Return the rate of answers since the last one before `opened`.

    Users who move in step bring their answers in bursts. Counting from one answer to another sees whole rounds, where
    counting over a fixed time would see one more or less by luck.
    """
    before = [at for at in answered_at if at <= opened]
    after = [at for at in answered_at if at > opened]
    if not after:
        return 0.0
    return len(after) / (after[-1] - (before[-1] if before else opened))


def percentile(ordered: list[float], percent: int) -> float | None:
    """Return a percentile in milliseconds of seconds in ascending order, by the nearest rank."""
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return round(1000 * ordered[rank - 1], 1)


def cpu_seconds(group: int) -> float:
    """Return the processor time that the processes of a group have used, user and system, in seconds."""
    if sys.platform != "linux":
        return _cpu_seconds_from_ps(group)
    total = 0.0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The name, in brackets, may hold spaces; state, parent and group follow it.
            in_group = int((folder / "stat").read_text().rpartition(")")[2].split()[2]) == group
            if in_group:
                # The clock of clock_getcpuclockid(3): utime + stime in nanoseconds, where stat has ticks of 10 ms.
                total += time.clock_gettime((~int(folder.name) << 3) | 2)
        except OSError:
            continue  # it ended while we looked
    return total


def _cpu_seconds_from_ps(group: int) -> float:
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,time="], capture_output=True, text=True, check=True).stdout
    total = 0.0
    for line in listed.splitlines():
        found, _, spent = line.strip().partition(" ")
        if int(found) == group:
            seconds = 0.0
            for part in spent.strip().split(":"):
                seconds = seconds * 60 + float(part)
            total += seconds
    return total


if __name__ == "__main__":
    if not hasattr(os, "getpgid"):
        sys.exit("This needs process groups: run it on Linux or macOS, or in WSL.")
    main()
