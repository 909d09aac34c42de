"""A limit by address, behind a proxy that everybody can be. The three sections are shown on the page of lesson 06."""

from collections import Counter

import httpx2 as httpx
from fastapi import FastAPI, HTTPException, Request

from tests.docs.traps.serving import served

KEYS = {"key-of-ada": "ada"}


def broken() -> FastAPI:
    app = FastAPI()
    counted: Counter[str] = Counter()

    # --8<-- [start:broken]
    @app.post("/chat")
    async def create_chat(request: Request) -> str:
        address = request.client.host if request.client else ""
        counted[address] += 1
        if counted[address] > 2:
            raise HTTPException(429)
        return "42"

    # served with: uvicorn --proxy-headers --forwarded-allow-ips '*'
    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    app = FastAPI()
    counted: Counter[str] = Counter()

    # --8<-- [start:repaired]
    @app.post("/chat")
    async def create_chat(request: Request) -> str:
        caller = KEYS.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if caller is None:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        counted[caller] += 1  # whoever that is, and from wherever
        if counted[caller] > 2:
            raise HTTPException(429)
        return "42"

    # --8<-- [end:repaired]
    return app


def statuses(url: str, proxy: str = "") -> list[int]:
    with httpx.Client(base_url=url, headers={"authorization": "Bearer key-of-ada"}) as caller:
        made_up = [{"x-forwarded-for": f"10.0.0.{n}{proxy}"} for n in range(5)]
        return [caller.post("/chat", headers=one).status_code for one in made_up]


def test_each_request_comes_from_somebody_else() -> None:
    app = broken()
    # --8<-- [start:seen]
    with served(app, proxy_headers=True, forwarded_allow_ips="*") as url, httpx.Client(base_url=url) as caller:
        for n in range(5):  # the caller writes the first address, the proxy only adds its own
            answer = caller.post("/chat", headers={"x-forwarded-for": f"10.0.0.{n}, 10.1.1.1"})
            assert answer.status_code == 200
    # --8<-- [end:seen]


def test_by_default_whoever_connects_from_this_machine_is_believed() -> None:
    with served(broken()) as url:
        assert statuses(url) == [200] * 5


def test_a_caller_is_a_caller() -> None:
    with served(repaired(), proxy_headers=True, forwarded_allow_ips="*") as url:
        assert statuses(url, ", 10.1.1.1") == [200, 200, 429, 429, 429]
