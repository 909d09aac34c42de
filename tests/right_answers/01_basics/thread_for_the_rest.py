"""`def` where the rest blocks, awaiting in a dependency; a query model; closing by hand, errors in a group."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.types import Lifespan


class ServiceInfo(BaseModel):
    service: str
    version: str
    docs: str = "/docs"


class Health(BaseModel):
    status: str = "ok"


def create_app(
    *,
    title: str = "Model catalog",
    description: str = "Which models there are, and a chat with each.",
    version: str = "1.0.0",
    routers: Sequence[APIRouter] | None = None,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    app = FastAPIOffline(title=title, description=description, version=version, lifespan=lifespan)
    info = ServiceInfo(service=title, version=version)
    about: dict[str, Any] = {"tags": ["system"], "methods": ["GET"]}
    app.add_api_route("/", lambda: info, response_model=ServiceInfo, description="Which service this is.", **about)
    app.add_api_route("/health", Health, response_model=Health, description="The process answers.", **about)
    for router in routers if routers is not None else (models, sessions, chat, usage_router()):
        app.include_router(router)
    return app


class ModelCard(BaseModel):
    name: str
    vision: bool


CATALOG = {
    name: ModelCard(name=name, vision=vision)
    for name, vision in [("acme/mock-chat", False), ("mock-large", True), ("mock-small", False), ("mock-vision", True)]
}
models, sessions, chat = APIRouter(prefix="/models"), APIRouter(prefix="/sessions"), APIRouter()


class Page(BaseModel):
    limit: Annotated[int, Query(ge=1, le=10)] = 3
    offset: Annotated[int, Query(ge=0)] = 0
    vision: bool | None = None


class ModelPage(BaseModel):
    total: int
    items: list[ModelCard]


@models.get("")
def list_models(page: Annotated[Page, Query()]) -> ModelPage:
    cards = list(CATALOG.values())
    if page.vision is not None:
        cards = [card for card in cards if card.vision is page.vision]
    return ModelPage(total=len(cards), items=cards[page.offset :][: page.limit])


@models.get("/{publisher}/{name}")
@models.get("/{name}")
def read_model(name: str, publisher: str = "") -> ModelCard:
    full = f"{publisher}/{name}" if publisher else name
    try:
        return CATALOG[full]
    except KeyError:
        detail = {"message": f"There is no {full}.", "available": sorted(CATALOG)}
        raise HTTPException(status_code=404, detail=detail) from None


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
        self.rows[session.id] = session


async def get_backend(request: Request) -> Backend:
    return request.state.backend


BackendDep = Annotated[Backend, Depends(get_backend)]


class NewSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]


async def titled(new: NewSession, backend: BackendDep) -> Session:
    return Session(id=str(uuid.uuid4()), model=new.model, title=await backend.complete(new.prompt))


@sessions.post("", status_code=201)
def create_session(
    session: Annotated[Session, Depends(titled)], backend: BackendDep, request: Request, response: Response
) -> Session:
    backend.save(session)
    response.headers["location"] = str(request.url_for("read_session", session_id=session.id))
    return session


@sessions.get("/{session_id}")
async def read_session(session_id: str, backend: BackendDep) -> Session:
    if session_id not in backend.rows:
        raise HTTPException(404, f"no session {session_id!r}")
    return backend.rows[session_id]


class Held:
    def __init__(self, makers: dict[str, Callable[[], AbstractAsyncContextManager[Any]]]) -> None:
        self.makers = makers
        self.open: list[AbstractAsyncContextManager[Any]] = []

    async def __aenter__(self) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for name, make in self.makers.items():
            context = make()
            try:
                state[name] = await context.__aenter__()
            except BaseException:
                await self.__aexit__()
                raise
            self.open.append(context)
        return state

    async def __aexit__(self, *_: object) -> None:
        errors: list[Exception] = []
        while self.open:
            try:
                await self.open.pop().__aexit__(None, None, None)
            except Exception as error:
                errors.append(error)
        if errors:
            raise ExceptionGroup("some resources did not close", errors)


def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    return lambda app: Held(factories)


async def borrow_slot(backend: BackendDep) -> AsyncIterator[int]:
    try:
        slot = backend.free.pop(0)
    except IndexError:
        raise HTTPException(503, headers={"retry-after": "1"}) from None
    try:
        yield slot
    except BaseException:
        backend.free.append(slot)
        raise
    else:
        backend.free.append(slot)


class Prompt(BaseModel):
    prompt: str


class Reply(BaseModel):
    text: str
    slot: int


@chat.post("/chat")
async def create_reply(body: Prompt, slot: Annotated[int, Depends(borrow_slot)], backend: BackendDep) -> Reply:
    return Reply(text=await backend.complete(body.prompt), slot=slot)


USAGE = {"search": {"mock-large": 1_200, "mock-small": 300}, "support": {"mock-small": 80}}


async def current_team(x_team: Annotated[str, Header()]) -> str:
    if USAGE.get(x_team) is None:
        raise HTTPException(403, "unknown team")
    return x_team


class TeamUsage(BaseModel):
    team: str
    tokens: dict[str, int]


def usage_router() -> APIRouter:
    router = APIRouter(prefix="/usage", tags=["usage"], dependencies=[Depends(current_team)])

    def usage(team: str = Depends(current_team)) -> TeamUsage:
        return TeamUsage(team=team, tokens=USAGE[team])

    @router.get("")
    def read_usage(found: TeamUsage = Depends(usage)) -> TeamUsage:
        return found

    @router.get("/total")
    def read_total(found: TeamUsage = Depends(usage)) -> dict[str, str | int]:
        return {"team": found.team, "total": sum(found.tokens.values())}

    return router


class OneBackend:
    async def __aenter__(self) -> Backend:
        return Backend()

    async def __aexit__(self, *_: object) -> None:
        return None


app = create_app(lifespan=open_all(backend=OneBackend))
