"""Middleware in the order in which one reads. The three sections are shown on the page of lesson 09."""

from collections import Counter
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

KEYS = {"Bearer key-of-ada": "ada"}


def claim(scope: Any) -> str:
    """What a caller says of itself."""
    return dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")


class RequestId:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_on(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", uuid4().hex.encode())]
            await send(message)

        await self.app(scope, receive, send_on)


class Authenticate:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["caller"] = KEYS.get(claim(scope))
            if scope["caller"] is None:
                await JSONResponse({"error": "no such key"}, 401)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def with_route(app: FastAPI) -> FastAPI:
    @app.get("/usage")
    async def read_usage() -> int:
        return 42

    return app


def broken(asked: Counter[str]) -> FastAPI:
    # --8<-- [start:broken]
    class RateLimit:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                # Nobody has looked at the key yet.
                caller = scope.get("caller") or claim(scope)
                asked[caller] += 1
                if asked[caller] > 2:
                    too_many = JSONResponse({"error": "too many"}, 429)
                    await too_many(scope, receive, send)
                    return
            await self.app(scope, receive, send)

    app = FastAPI()
    app.add_middleware(RequestId)
    app.add_middleware(Authenticate)
    app.add_middleware(RateLimit)
    # --8<-- [end:broken]
    return with_route(app)


def repaired(asked: Counter[str]) -> FastAPI:
    # --8<-- [start:repaired]
    class RateLimit:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                caller = scope["caller"]  # found out by who stands outside, who else said no
                asked[caller] += 1
                if asked[caller] > 2:
                    too_many = JSONResponse({"error": "too many"}, 429)
                    await too_many(scope, receive, send)
                    return
            await self.app(scope, receive, send)

    app = FastAPI()
    app.add_middleware(RateLimit)
    app.add_middleware(Authenticate)
    app.add_middleware(RequestId)  # the last one added is the first that a request meets
    # --8<-- [end:repaired]
    return with_route(app)


def test_strangers_are_counted_by_what_they_make_up_and_nothing_has_an_id() -> None:
    asked: Counter[str] = Counter()
    # --8<-- [start:seen]
    with TestClient(broken(asked)) as caller:
        made_up = [{"Authorization": f"Bearer made-up-{n}"} for n in range(100)]
        refused = [caller.get("/usage", headers=one) for one in made_up]
        assert {one.status_code for one in refused} == {401}  # never 429
        assert len(asked) == 100  # and are kept

        ada = {"Authorization": "Bearer key-of-ada"}
        limited = [caller.get("/usage", headers=ada) for _ in range(3)][-1]
        assert limited.status_code == 429
        assert "x-request-id" not in {**refused[0].headers, **limited.headers}
    # --8<-- [end:seen]


def test_from_the_inside_out_it_is_the_other_way_round() -> None:
    asked: Counter[str] = Counter()
    with TestClient(repaired(asked)) as caller:
        answers = [caller.get("/usage", headers={"Authorization": f"Bearer made-up-{n}"}) for n in range(5)]
        assert not asked
        answers += [caller.get("/usage", headers={"Authorization": "Bearer key-of-ada"}) for _ in range(3)]
    assert [one.status_code for one in answers] == [401] * 5 + [200, 200, 429]
    assert asked == {"ada": 3}
    assert all("x-request-id" in one.headers for one in answers)
