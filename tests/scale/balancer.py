"""What stands before instances: asks each whether it is ready, and sends requests to those that are, in turn."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx

from tests.scale.cluster import CHAT

EVERY_S = 0.1  # between two questions whether an instance is ready
GRACE_S = 2.0  # that an instance serves on when it begins to leave: some of those questions, and a late answer


@dataclass
class Balancer:
    """Reads `/ready` of every instance, as a load balancer's health check does."""

    client: httpx.AsyncClient
    ready: dict[str, bool] = field(default_factory=dict[str, bool])
    turn: int = 0
    statuses: list[int] = field(default_factory=list[int])
    failures: list[str] = field(default_factory=list[str])
    served: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, url: str) -> None:
        """Send nothing to an instance until it has said that it is ready."""
        self.ready[url] = False

    def remove(self, url: str) -> None:
        """Ask it no more."""
        del self.ready[url]

    def pick(self) -> str:
        """Return whose turn it is."""
        ready = [url for url, is_ready in self.ready.items() if is_ready]
        assert ready, f"nobody is ready: {self.ready}"
        self.turn += 1
        return ready[self.turn % len(ready)]

    async def until(self, url: str, is_ready: bool) -> None:
        """Wait until an instance has been seen as ready, or not ready."""
        deadline = time.monotonic() + 20
        while self.ready[url] is not is_ready:
            assert time.monotonic() < deadline, f"{url} is still {'not ' * is_ready}ready"
            await asyncio.sleep(0.02)

    async def more(self, answers: int) -> None:
        """Wait until so many more answers have come."""
        wanted, deadline = len(self.statuses) + answers, time.monotonic() + 20
        while len(self.statuses) < wanted:
            assert time.monotonic() < deadline, f"{wanted - len(self.statuses)} answers are missing"
            await asyncio.sleep(0.02)

    async def watch(self) -> None:
        """Ask all of them, again and again."""
        while True:
            urls = list(self.ready)
            for url, is_ready in zip(urls, await asyncio.gather(*map(self._asked, urls)), strict=True):
                if url in self.ready:
                    self.ready[url] = is_ready
            await asyncio.sleep(EVERY_S)

    async def _asked(self, url: str) -> bool:
        try:
            return (await self.client.get(f"{url}/ready", timeout=2)).status_code == 200
        except httpx.TransportError:
            return False

    async def user(self, headers: dict[str, str], **changes: Any) -> None:
        """Ask one thing after the other, every fourth as a stream; nothing is tried twice."""
        while True:
            url, stream = self.pick(), len(self.statuses) % 4 == 0
            body = {**CHAT, "stream": stream, **changes}
            try:
                answer = await self.client.post(f"{url}/v1/chat/completions", json=body, headers=headers)
            except httpx.TransportError as error:
                self.failures.append(f"{url}: {error!r}")
            else:
                self.statuses.append(answer.status_code)
                self.served[url] = self.served.get(url, 0) + 1
                if answer.status_code != 200 or (stream and not answer.text.rstrip().endswith("data: [DONE]")):
                    self.failures.append(f"{url}: {answer.status_code} {answer.text[-300:]}")
            await asyncio.sleep(0.01)


@asynccontextmanager
async def balanced(headers: dict[str, str], *urls: str, users: int = 6, **changes: Any) -> AsyncIterator[Balancer]:
    """Keep users busy while the block runs."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        balancer = Balancer(client)
        for url in urls:
            balancer.add(url)
        tasks = [asyncio.create_task(balancer.watch())]
        try:
            for url in urls:
                await balancer.until(url, True)
            tasks += [asyncio.create_task(balancer.user(headers, **changes)) for _ in range(users)]
            yield balancer
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
