"""Handlers as methods, an executor of its own, the check as a class, a stack pushed by callbacks."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Len
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel
from starlette.types import Lifespan
from typing_extensions import TypedDict

writers = ThreadPoolExecutor(max_workers=4)


class System:
    def __init__(self, app: FastAPI) -> None:
        self.app = app
        app.get("/", tags=["system"])(self.read_service)
        app.get("/health", tags=["system"])(self.read_health)

    async def read_service(self) -> dict[str, str]:
        """Name the service."""
        return {"docs": self.app.docs_url or "", "service": self.app.title, "version": self.app.version}

    async def read_health(self) -> dict[Literal["status"], Literal["ok"]]:
        """Answer."""
        return {"status": "ok"}


def create_app(
    *,
    title: str = "Model catalog",
    description: str = "Which models there are, and a chat with each.",
    version: str = "1.0.0",
    routers: Sequence[APIRouter] | None = None,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    app = FastAPI(title=title, description=description, version=version, lifespan=lifespan)
    System(app)
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
api = APIRouter()


class ModelPage(TypedDict):
    total: int
    items: list[ModelCard]


@api.get("/models")
def list_models(
    limit: Annotated[int, Ge(1), Le(10)] = 3,
    offset: int = Query(default=0, ge=0),
    vision: Annotated[bool | None, Query()] = None,
) -> ModelPage:
    found = list(CATALOG.values())
    if vision is True:
        found = [card for card in found if card.vision]
    elif vision is False:
        found = [card for card in found if not card.vision]
    return {"total": len(found), "items": found[offset : offset + limit]}


async def known_model(name: Annotated[str, Path()]) -> ModelCard:
    card = CATALOG.get(name)
    if card is None:
        raise HTTPException(
            HTTPStatus.NOT_FOUND, detail={"available": sorted(CATALOG), "message": f"{name}: unknown", "asked": name}
        )
    return card


@api.get("/models/{name:path}")
async def read_model(card: Annotated[ModelCard, Depends(known_model)]) -> ModelCard:
    return card


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


class NewSession(BaseModel):
    model: Annotated[str, Len(1, 64)]
    prompt: Annotated[str, Len(1, 4_000)]


@api.post("/sessions", status_code=HTTPStatus.CREATED)
async def create_session(new: NewSession, backend: BackendDep, response: Response) -> Session:
    async with asyncio.TaskGroup() as tasks:
        title = tasks.create_task(backend.complete(new.prompt))
    session = Session(id=secrets.token_urlsafe(12), model=new.model, title=title.result())
    await asyncio.get_running_loop().run_in_executor(writers, backend.save, session)
    response.headers.append("Location", f"/sessions/{session.id}")
    return session


@api.get("/sessions/{session_id}")
async def read_session(session_id: str, backend: BackendDep) -> Session:
    if session_id not in backend.rows:
        raise HTTPException(404, f"no session {session_id!r}")
    return backend.rows[session_id]


def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        stack = AsyncExitStack()
        state: dict[str, Any] = {}
        try:
            for name, make in factories.items():
                context = make()
                state[name] = await context.__aenter__()
                stack.push_async_exit(context)
            yield state
        finally:
            await stack.aclose()

    return lifespan


async def borrow_slot(backend: BackendDep) -> AsyncIterator[int]:
    async with AsyncExitStack() as stack:
        if len(backend.free) == 0:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "busy", {"Retry-After": "1"})
        slot = backend.free[-1]
        backend.free.remove(slot)
        stack.callback(backend.free.append, slot)
        yield slot


class Prompt(BaseModel):
    prompt: str
    slot: int | None = None


@api.post("/chat")
async def create_reply(
    request: Prompt, slot: Annotated[int, Depends(borrow_slot)], backend: BackendDep
) -> dict[str, str | int]:
    text = await backend.complete(request.prompt)
    return {"text": text, "slot": slot}


USAGE = {"search": {"mock-large": 1_200, "mock-small": 300}, "support": {"mock-small": 80}}


async def current_team(x_team: Annotated[str, Header(alias="X-Team", min_length=1)]) -> str:
    if x_team in USAGE:
        return x_team
    raise HTTPException(HTTPStatus.FORBIDDEN, {"unknown": x_team})


class Usage:
    def __init__(self, team: Annotated[str, Depends(current_team)]) -> None:
        self.team, self.tokens = team, USAGE[team]


def usage_router() -> APIRouter:
    inner = APIRouter()

    @inner.get("/total")
    async def read_total(usage: Annotated[Usage, Depends()]) -> dict[str, str | int]:
        return {"team": usage.team, "total": sum(usage.tokens.values())}

    outer = APIRouter(prefix="/usage", tags=["usage"], dependencies=[Depends(current_team)])

    @outer.get("")
    async def read_usage(usage: Annotated[Usage, Depends()]) -> dict[str, Any]:
        return vars(usage)

    outer.include_router(inner)
    return outer


@asynccontextmanager
async def by_hand(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    yield {"backend": Backend()}


app = create_app(lifespan=by_hand)
