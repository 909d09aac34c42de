"""Routers that ask for a key by themselves, and the next one. The three sections are shown on the page of lesson 09."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient


async def known_key(authorization: Annotated[str, Header()] = "") -> None:
    if authorization != "Bearer key-of-ada":
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


def routers() -> tuple[APIRouter, APIRouter, APIRouter]:
    probes, chat, reports = APIRouter(), APIRouter(dependencies=[Depends(known_key)]), APIRouter()

    @probes.get("/health")
    async def read_health() -> str:
        return "ok"

    @chat.get("/chat")
    async def list_chats() -> str:
        return "chats of ada"

    @reports.get("/reports")
    async def list_reports() -> str:
        return "reports of everybody"

    return probes, chat, reports


def broken() -> FastAPI:
    probes, chat, reports = routers()
    # --8<-- [start:broken]
    app = FastAPI()
    app.include_router(probes)
    app.include_router(chat)  # APIRouter(dependencies=[Depends(known_key)])
    app.include_router(reports)  # APIRouter(), a year later and in a hurry
    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    probes, chat, reports = routers()
    # --8<-- [start:repaired]
    closed = APIRouter(dependencies=[Depends(known_key)])
    for router in (chat, reports):
        closed.include_router(router)

    app = FastAPI()
    app.include_router(probes)  # what is open is what is named here
    app.include_router(closed)
    # --8<-- [end:repaired]
    return app


def open_paths(app: FastAPI) -> set[str]:
    """Ask every route that the documentation knows, without a key."""
    caller = TestClient(app)
    paths = caller.get("/openapi.json").json()["paths"]
    return {path for path in paths if caller.get(path).status_code == 200}


def test_who_asks_every_route_without_a_key_finds_the_one_that_forgot() -> None:
    app = broken()
    # --8<-- [start:seen]
    caller = TestClient(app)
    paths = caller.get("/openapi.json").json()["paths"]  # as a scanner does
    answers = {path: caller.get(path).status_code for path in paths}
    assert answers == {"/health": 200, "/chat": 401, "/reports": 200}
    # --8<-- [end:seen]


def test_a_router_around_them_asks_for_all() -> None:
    assert open_paths(repaired()) == {"/health"}
    caller = TestClient(repaired(), headers={"Authorization": "Bearer key-of-ada"})
    assert caller.get("/reports").json() == "reports of everybody"
