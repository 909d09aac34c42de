"""A service on Lambda as tutorials have it. The three sections are shown on the page of lesson 07."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from mangum import Mangum
from mangum.protocols import LifespanCycle


def service(log: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        log.append("open")
        yield {"client": "a pool of connections"}
        log.append("close")

    app = FastAPI(lifespan=lifespan)

    @app.get("/client")
    async def read_client(request: Request) -> str:
        return getattr(request.state, "client", "nothing")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def words() -> AsyncIterator[str]:
            for word in ("one ", "two ", "three"):
                yield word
                log.append(word)

        return StreamingResponse(words(), media_type="text/event-stream")

    @app.get("/later")
    async def later(background: BackgroundTasks) -> str:
        background.add_task(log.append, "background")
        return "done"

    return app


def broken(app: FastAPI) -> tuple[Any, Any]:
    # --8<-- [start:broken]
    handler = Mangum(app, lifespan="off")  # as the tutorial has it
    other = Mangum(app)  # and as its next reader does, when the first one fails
    # --8<-- [end:broken]
    return handler, other


def repaired(app: FastAPI) -> Any:
    # --8<-- [start:repaired]
    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": dict(cycle.lifespan_state)}, receive, send)

    handler = Mangum(with_state, lifespan="off")
    cycle = LifespanCycle(app, "on")
    cycle.__enter__()  # once for the process; with_state keeps it alive
    # --8<-- [end:repaired]
    return handler


def event(path: str) -> dict[str, Any]:
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "x"}
    return {"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {}, "requestContext": {"http": http}}


def on_lambda(work: Callable[[Callable[..., Any]], None]) -> None:
    """Run a test in a process of Lambda's: one thread, one event loop."""

    def answer(handler: Any, path: str) -> Any:
        return json.loads(handler(event(path), None)["body"])

    def run() -> None:
        try:
            work(answer)
        finally:
            loop = asyncio.get_event_loop_policy().get_event_loop()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    with ThreadPoolExecutor(1) as runtime:
        runtime.submit(run).result()


def test_nothing_is_open_or_everything_is_opened_at_each_event() -> None:
    def work(answer: Callable[..., Any]) -> None:
        log: list[str] = []
        handler, other = broken(service(log))
        # --8<-- [start:seen]
        assert answer(handler, "/client") == "nothing"  # the lifespan never ran
        assert log == []

        assert answer(other, "/client") == answer(other, "/client") == "a pool of connections"
        assert log == ["open", "close", "open", "close"]  # a pool for each request, which is none
        # --8<-- [end:seen]

    on_lambda(work)


def test_once_opened_it_stays_open() -> None:
    def work(answer: Callable[..., Any]) -> None:
        log: list[str] = []
        handler = repaired(service(log))
        assert answer(handler, "/client") == answer(handler, "/client") == "a pool of connections"
        assert log == ["open"]

    on_lambda(work)


def test_a_stream_is_one_body_and_a_background_task_makes_the_caller_wait() -> None:
    def work(answer: Callable[..., Any]) -> None:
        log: list[str] = []
        handler: Any = Mangum(service(log), lifespan="off")
        whole = handler(event("/stream"), None)
        assert whole["body"] == "one two three"
        assert log == ["one ", "two ", "three"], "all of it was made before any of it was handed over"
        assert answer(handler, "/later") == "done"
        assert log[-1] == "background", "it ran before the answer left"

    on_lambda(work)
