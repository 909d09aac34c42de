"""A lifespan that opens and closes one thing after the other. Shown on the page of lesson 09."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient


@dataclass
class Store:
    """Where records are kept."""

    rows: list[str] = field(default_factory=list[str])
    is_open: bool = True

    async def insert(self, rows: list[str]) -> None:
        if not self.is_open:
            raise RuntimeError("the store is closed")
        self.rows += rows

    async def close(self) -> None:
        self.is_open = False


@dataclass
class Usage:
    """Collects records, and writes them in one go: every minute, and when it closes."""

    store: Store
    waiting: list[str] = field(default_factory=list[str])

    async def close(self) -> None:
        await self.store.insert(self.waiting)


@dataclass
class Model:
    """The client of the provider."""

    is_open: bool = True

    async def close(self) -> None:
        self.is_open = False


class World:
    """What there is to open, for one test."""

    def __init__(self, *, reachable: bool = True) -> None:
        self.reachable = reachable
        self.store, self.model = Store(is_open=False), Model(is_open=False)

    async def open_store(self) -> Store:
        self.store.is_open = True
        return self.store

    async def open_usage(self, store: Store) -> Usage:
        return Usage(store)

    async def open_model(self) -> Model:
        if not self.reachable:
            raise ConnectionError("no answer from the provider")
        self.model.is_open = True
        return self.model


def with_route(app: FastAPI) -> FastAPI:
    @app.post("/chat")
    async def create_chat(request: Request) -> str:
        request.state.usage.waiting.append("42 tokens of ada")
        return "42"

    return app


def broken(world: World) -> FastAPI:
    open_store, open_usage, open_model = world.open_store, world.open_usage, world.open_model

    # --8<-- [start:broken]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        store = await open_store()
        usage = await open_usage(store)
        model = await open_model()
        yield {"store": store, "usage": usage, "model": model}
        await store.close()
        await usage.close()
        await model.close()

    app = FastAPI(lifespan=lifespan)
    # --8<-- [end:broken]
    return with_route(app)


def repaired(world: World) -> FastAPI:
    open_store, open_usage, open_model = world.open_store, world.open_usage, world.open_model

    # --8<-- [start:repaired]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:  # closes what it has, in reverse
            store = await open_store()
            stack.push_async_callback(store.close)
            usage = await open_usage(store)
            stack.push_async_callback(usage.close)
            model = await open_model()
            stack.push_async_callback(model.close)
            yield {"store": store, "usage": usage, "model": model}

    app = FastAPI(lifespan=lifespan)
    # --8<-- [end:repaired]
    return with_route(app)


def test_the_last_records_are_lost_and_half_a_start_stays_open() -> None:
    world = World()
    # --8<-- [start:seen]
    app = broken(world)
    with pytest.raises(RuntimeError, match="closed"), TestClient(app) as caller:
        caller.post("/chat")
    assert world.store.rows == []  # the record waited for the end, in vain
    assert world.model.is_open  # it came behind the error

    half = World(reachable=False)  # the provider does not answer
    with pytest.raises(ConnectionError), TestClient(broken(half)):
        pass
    assert half.store.is_open
    # --8<-- [end:seen]


def test_the_last_to_open_is_the_first_to_close_also_after_half_a_start() -> None:
    world = World()
    with TestClient(repaired(world)) as caller:
        caller.post("/chat")
        assert world.store.is_open
        assert world.model.is_open
    assert world.store.rows == ["42 tokens of ada"]
    assert not world.store.is_open
    assert not world.model.is_open

    half = World(reachable=False)
    with pytest.raises(ConnectionError), TestClient(repaired(half)):
        pass
    assert not half.store.is_open
