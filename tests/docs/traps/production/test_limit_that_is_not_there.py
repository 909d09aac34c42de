"""Two decorators in the other order. The three sections are shown on the page of lesson 06."""

from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.extension import _rate_limit_exceeded_handler
from slowapi.util import get_remote_address


def broken() -> FastAPI:
    # --8<-- [start:broken]
    limiter = Limiter(key_func=get_remote_address)
    app = FastAPI()
    app.state.limiter = limiter

    @limiter.limit("2/minute")
    @app.post("/chat")
    async def create_chat(request: Request) -> str:
        return "42"

    # --8<-- [end:broken]
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    limiter = Limiter(key_func=get_remote_address, headers_enabled=True, strategy="moving-window")
    app = FastAPI()
    app.state.limiter = limiter

    @app.post("/chat")  # registers what stands below it
    @limiter.limit("2/minute")
    async def create_chat(request: Request, response: Response) -> str:  # both by these names
        return "42"

    # --8<-- [end:repaired]
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    return app


def test_nothing_is_limited_and_nothing_says_so() -> None:
    app = broken()
    # --8<-- [start:seen]
    caller = TestClient(app)
    assert [caller.post("/chat").status_code for _ in range(4)] == [200, 200, 200, 200]
    # --8<-- [end:seen]


def test_the_other_way_round_it_is() -> None:
    caller = TestClient(repaired())
    answers = [caller.post("/chat") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
