"""Several capstones over one PostgreSQL, one Redis and one fake provider: each a process of its own, as deployed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from mockllm import MockLLM, serve_in_thread
from tests.capstone.service import Service, serve
from tests.conftest import ROOT
from tests.lessons.deployment.processes import Process, running, until
from tests.scale.neighbors import MIGRATED, Postgres, Redis
from tests.scale.wire import Wire, wire

SECRET = "a-secret-of-all-instances-8f3k1q9z7w2x5v4n6m0b"
HELLO = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "mock-large", "messages": HELLO}


@dataclass
class Cluster:
    """What the instances share, and the instances. All of it ends with the test, whatever happened to it before."""

    folder: Path
    postgres: Postgres
    name: str  # of the database
    redis: Redis
    provider: str
    llm: MockLLM
    database: Wire  # between the instances and PostgreSQL
    cache: Wire  # between the instances and Redis
    instances: list[Service] = field(default_factory=list[Service])
    _stack: ExitStack = field(default_factory=ExitStack)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def env(self, **more: Any) -> dict[str, str]:
        """Return the settings of every instance and worker."""
        given: dict[str, Any] = {
            "OPENAI_BASE_URL": f"{self.provider}/v1",
            "OPENAI_API_KEY": "sk-test",
            "CAPSTONE_DATABASE_URL": f"postgresql+asyncpg://postgres@127.0.0.1:{self.database.port}/{self.name}",
            "CAPSTONE_REDIS_URL": f"redis://127.0.0.1:{self.cache.port}/0",
            "CAPSTONE_BROKER_URL": f"redis://127.0.0.1:{self.cache.port}/1",
            "CAPSTONE_SECRET": SECRET,
            "CAPSTONE_DEMO": "true",
            "CAPSTONE_PARTS": "reference",
            "CAPSTONE_CORPUS": "nowhere",
            "CAPSTONE_REQUESTS_PER_MINUTE": "1000000",
            **more,
        }
        return {name: str(value) for name, value in given.items() if value is not None}

    def start(self, count: int = 1, *options: str, **env: Any) -> list[Service]:
        """Start instances together, each with a data folder of its own; return them."""
        with ThreadPoolExecutor(count) as pool:
            started = list(pool.map(lambda _: self._start_one(*options, **env), range(count)))
        self.instances += started
        return started

    def _start_one(self, *options: str, **env: Any) -> Service:
        with self._one_at_a_time:
            data = self.folder / f"data-{next(self._numbers)}"
        data.mkdir()
        return self._stack.enter_context(serve(data, *options, **self.env(**env)))

    def worker(self, *options: str, **env: Any) -> Process:
        """Start a process that works on jobs; return it when it waits for them."""
        with self._one_at_a_time:
            data = self.folder / f"worker-{next(self._numbers)}"
        data.mkdir()
        words = ["python", "-m", "celery", "-A", "capstone.worker", "worker", "-l", "info", *options]
        given = self.env(CAPSTONE_DATA=data, **env)
        process = self._stack.enter_context(running(*words, folder=data, cwd=ROOT, **given))
        until(lambda: " ready." in process.said or process.popen.poll() is not None, "the worker to be ready")
        assert process.popen.poll() is None, process.said
        return process

    def key(self, tenant: str, **wanted: Any) -> dict[str, str]:
        """Issue a key for a tenant and return the headers that show it. Each test takes tenants of its own."""
        answer = self.instances[0].client.post("/auth/keys", json={"tenant": tenant, **wanted})
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['key']}"}

    def ask(self, sql: str) -> list[list[str]]:
        """Return what the database says, past the wire."""
        return self.postgres.ask(sql, self.name)

    def close(self) -> None:
        """End every process, all of them at once."""
        for one in self.instances:
            if one.process.poll() is None:
                one.process.terminate()
        self._stack.close()


@contextmanager
def open_cluster(postgres: Postgres, folder: Path, *, template: str = MIGRATED) -> Iterator[Cluster]:
    """Hold a cluster open that has no instances yet."""
    name = postgres.create(template)
    with ExitStack() as stack:
        stack.callback(postgres.drop, name)
        (folder / "redis").mkdir()
        redis = Redis(folder / "redis")
        stack.callback(redis.close)
        served = stack.enter_context(serve_in_thread())
        database, cache = stack.enter_context(wire(postgres.socket)), stack.enter_context(wire(redis.port))
        cluster = Cluster(folder, postgres, name, redis, served.url, served.fake, database, cache)
        stack.callback(cluster.close)
        yield cluster


def chat(url: str, headers: dict[str, str], **changes: Any) -> httpx.Response:
    """Ask an instance on a connection of its own, without a stream."""
    body = {**CHAT, **changes}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=30, trust_env=False)
