"""Postponed annotations, one more level of `async with` per resource, asyncio.to_thread, JSONResponse by hand."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Header, HTTPException, Query, Request, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.types import Lifespan

api = APIRouter()
numbers = itertools.count(1)


def system_router(title: str, version: str) -> APIRouter:
    router = APIRouter(tags=["system"])

    @router.get("/", summary="Service", description="Which service this is.")
    def read_service():
        return JSONResponse({"service": title, "version": version, "docs": "/docs"})

    @router.get("/health", summary="Health", description="Whether the process answers.")
    def read_health():
        return JSONResponse({"status": "ok"})

    return router


def create_app(
    *,
    title: str = "Model catalog",
    description: str = "Which models there are, and a chat with each.",
    version: str = "1.0.0",
    routers: Sequence[APIRouter] | None = None,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    app = FastAPI(lifespan=lifespan)
    app.title, app.description, app.version = title, description, version
    app.include_router(system_router(title, version))
    for router in [api, usage_router()] if routers is None else routers:
        app.include_router(router)
    return app


class ModelCard(BaseModel):
    name: str
    vision: bool


CATALOG = {
    name: ModelCard(name=name, vision=vision)
    for name, vision in [("acme/mock-chat", False), ("mock-large", True), ("mock-small", False), ("mock-vision", True)]
}

Limit = Annotated[int, Query(gt=0, ge=1, lt=11, le=10, description="Models per page.")]
Offset = Annotated[int, Query(ge=0)]


@api.get("/models/{name:path}")
async def read_model(name: str):
    if card := CATALOG.get(name):
        return card
    detail = {"message": f"{name} is not in the catalog", "available": [card.name for card in CATALOG.values()]}
    return JSONResponse({"detail": detail}, status_code=status.HTTP_404_NOT_FOUND)


@api.get("/models")
async def list_models(limit: Limit = 3, offset: Offset = 0, vision: bool | None = None):
    wanted = {True, False} if vision is None else {vision}
    names = [name for name in sorted(CATALOG) if CATALOG[name].vision in wanted]
    return {"items": [CATALOG[name] for name in names[offset : offset + limit]], "total": len(names)}


class Session(BaseModel):
    id: str
    model: str
    title: str


class Backend:
    def __init__(self) -> None:
        self.rows: dict[str, Session] = {}
        self.free = [0, 1]

    async def complete(self, prompt: str) -> str:
        return f"About {prompt}"

    def save(self, session: Session) -> None:
        time.sleep(0.02)
        self.rows[session.id] = session


async def get_backend(request: Request) -> Backend:
    return request.state.backend


BackendDep = Annotated[Backend, Depends(get_backend)]


@api.post("/sessions", status_code=status.HTTP_201_CREATED, response_model=Session)
async def create_session(
    backend: BackendDep,
    model: Annotated[str, Body(min_length=1, max_length=64)],
    prompt: Annotated[str, Body(min_length=1, max_length=4_000)],
):
    session = Session(id=f"s-{next(numbers)}", model=model, title=await backend.complete(prompt))
    await asyncio.to_thread(backend.save, session)
    return JSONResponse(session.model_dump(), status_code=201, headers={"Location": f"/sessions/{session.id}"})


@api.get("/sessions/{session_id}")
async def read_session(session_id: str, backend: BackendDep) -> Session:
    if session_id not in backend.rows:
        raise HTTPException(404, f"no session {session_id!r}")
    return backend.rows[session_id]


def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def opened(makers):
        if not makers:
            yield {}
            return
        (name, make), *rest = makers
        async with make() as resource, opened(rest) as others:
            yield {name: resource} | others

    @asynccontextmanager
    async def lifespan(app):
        async with opened(list(factories.items())) as state:
            yield state

    return lifespan


@contextmanager
def lent(free: list[int]):
    slot = free.pop()
    try:
        yield slot
    finally:
        free.insert(0, slot)


async def borrow_slot(backend: BackendDep) -> AsyncGenerator[int]:
    if backend.free:
        with lent(backend.free) as slot:
            yield slot
    else:
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, headers={"Retry-After": "1"})


@api.post("/chat")
async def create_reply(
    backend: BackendDep,
    prompt: str = Body(embed=True),
    slot: int = Depends(borrow_slot, scope="function"),
):
    return {"text": await backend.complete(prompt), "slot": slot}


USAGE = {"search": {"mock-large": 1_200, "mock-small": 300}, "support": {"mock-small": 80}}


async def current_team(x_team: Annotated[str, Header()]) -> str:
    try:
        USAGE[x_team]
    except KeyError as unknown:
        raise HTTPException(status.HTTP_403_FORBIDDEN) from unknown
    return x_team


Team = Annotated[str, Depends(current_team)]


def read_usage(team: Team):
    return {"team": team, "tokens": USAGE[team]}


def read_total(team: Team):
    return {"team": team, "total": sum(USAGE[team].values())}


def usage_router() -> APIRouter:
    router = APIRouter(prefix="/usage", tags=["usage"], dependencies=[Depends(current_team)])
    router.add_api_route("", read_usage)
    router.add_api_route("/total", read_total)
    return router


@asynccontextmanager
async def by_hand(_: FastAPI):
    yield {"backend": Backend()}


app = create_app(lifespan=by_hand)
