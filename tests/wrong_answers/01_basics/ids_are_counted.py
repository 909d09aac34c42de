# fails: 01.3
# says: who has the same id overwrites the other
"""The next id is the number of rows plus one, for everybody who asks at this moment."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from starlette.types import Lifespan


def create_app(
    *,
    title: str = "Model catalog",
    description: str = "Which models there are, and a chat with each.",
    version: str = "1.0.0",
    routers: Sequence[APIRouter] | None = None,  # None: what this lesson serves
    lifespan: Lifespan[FastAPI] | None = None,  # None: nothing to open
) -> FastAPI:
    """Build one application with `/`, `/health` and `routers`; a second call builds one that shares nothing with it."""
    app = FastAPI(title=title, description=description, version=version, lifespan=lifespan)

    @app.get("/", tags=["system"])
    async def read_service() -> dict[str, str]:
        """Say which service this is, and where its documentation is."""
        return {"service": title, "version": version, "docs": "/docs"}

    @app.get("/health", tags=["system"])
    async def read_health() -> dict[str, str]:
        """Say that the process answers; it promises nothing about what lies behind it."""
        return {"status": "ok"}

    for router in [api, usage_router()] if routers is None else routers:  # Given.
        app.include_router(router)
    return app


class ModelCard(BaseModel):
    """Given: what callers may know of a model. The catalog is data: a model that retires changes no code."""

    name: str
    vision: bool


CATALOG = {  # sorted by name
    name: ModelCard(name=name, vision=vision)
    for name, vision in [("acme/mock-chat", False), ("mock-large", True), ("mock-small", False), ("mock-vision", True)]
}
api = APIRouter()


@api.get("/models")
async def list_models(
    limit: Annotated[int, Query(ge=1, le=10)] = 3, offset: Annotated[int, Query(ge=0)] = 0, vision: bool | None = None
) -> dict[str, Any]:
    """List the models, one page at a time."""
    found = [card for card in CATALOG.values() if vision is None or card.vision == vision]
    return {"total": len(found), "items": found[offset : offset + limit]}


@api.get("/models/{name:path}")  # subtle: a plain {name} ends at the first slash
async def read_model(name: str) -> ModelCard:
    """Find one model by its name."""
    if name not in CATALOG:
        raise HTTPException(404, {"message": f"no model named {name!r}", "available": list(CATALOG)})
    return CATALOG[name]


class Session(BaseModel):
    """Given: a chat session, as it is stored and shown."""

    id: str
    model: str
    title: str


class Backend:
    """Given: what lies behind the service: a model, a database, and two slots that requests may borrow."""

    def __init__(self) -> None:
        self.rows: dict[str, Session] = {}
        self.free = [0, 1]  # slots that nobody holds

    async def complete(self, prompt: str) -> str:
        """Ask the model: this waits, without a thread."""
        return f"About {prompt}"

    def save(self, session: Session) -> None:
        """Write to the database: this blocks, because the driver has no `await`."""
        time.sleep(0.02)
        self.rows[session.id] = session


async def get_backend(request: Request) -> Backend:
    """Given: find what the lifespan opened."""
    return request.state.backend


BackendDep = Annotated[Backend, Depends(get_backend)]


class NewSession(BaseModel):
    """What a caller sends to create a session."""

    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=4_000)


@api.post("/sessions", status_code=201)
async def create_session(body: NewSession, backend: BackendDep, response: Response) -> Session:
    """Create a session, titled by the model."""
    title = await backend.complete(body.prompt)
    session = Session(id=str(len(backend.rows) + 1), model=body.model, title=title)
    await run_in_threadpool(backend.save, session)
    response.headers["Location"] = f"/sessions/{session.id}"
    return session


@api.get("/sessions/{session_id}")
async def read_session(session_id: str, backend: BackendDep) -> Session:
    """Given: show a session."""
    if session_id not in backend.rows:
        raise HTTPException(404, f"no session {session_id!r}")
    return backend.rows[session_id]


def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            yield {name: await stack.enter_async_context(make()) for name, make in factories.items()}

    return lifespan


async def borrow_slot(backend: BackendDep) -> AsyncIterator[int]:
    """Lend one slot to one request; raise HTTPException 503 with `Retry-After: 1` at once when none is free."""
    if not backend.free:
        raise HTTPException(503, "every slot is busy", headers={"Retry-After": "1"})
    slot = backend.free.pop()
    try:
        yield slot
    finally:
        backend.free.append(slot)


@api.post("/chat")
async def create_reply(
    prompt: Annotated[str, Body(embed=True)], slot: Annotated[int, Depends(borrow_slot)], backend: BackendDep
) -> dict[str, Any]:
    """Answer a prompt."""
    return {"slot": slot, "text": await backend.complete(prompt)}


USAGE = {"search": {"mock-large": 1_200, "mock-small": 300}, "support": {"mock-small": 80}}  # Given: tokens today.


async def current_team(x_team: Annotated[str, Header()]) -> str:
    """Return the team that header `X-Team` names; raise HTTPException 403 for one that is not in `USAGE`."""
    if x_team not in USAGE:
        raise HTTPException(403, f"no team named {x_team!r}")
    return x_team


def usage_router() -> APIRouter:
    """Build a new router of everything under `/usage`, with `current_team` in front of all of it."""
    router = APIRouter(prefix="/usage", tags=["usage"], dependencies=[Depends(current_team)])

    @router.get("")
    async def read_usage(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
        return {"team": team, "tokens": USAGE[team]}

    @router.get("/total")
    async def read_total(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
        return {"team": team, "total": sum(USAGE[team].values())}

    return router


@asynccontextmanager
async def by_hand(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Given: a lifespan for one resource. What it yields is `request.state` of every request."""
    yield {"backend": Backend()}


app = create_app(lifespan=by_hand)
