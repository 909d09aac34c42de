"""Lesson 07 - from laptop to load. `coach run 07` serves it; `main.py` puts it together for a container."""

import asyncio
import json
import logging
import math
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import anyio
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .jobs import CeleryJobs, Job, Jobs, KeyReused, Order, SQLiteJobs, create_celery, jobs_router, work_on, work_once  # noqa: F401

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Given: something that the service talks to. `ping()` raises when it is not well, or hangs."""

    name: str
    ping: Callable[[], Awaitable[object]]
    kind: Literal["needed", "helpful", "remote"] = "needed"


class Readiness:
    """What the parts say, asked seldom enough that nobody is loaded by being asked."""

    def __init__(self, parts: Sequence[Part], *, timeout_s: float = 1.0, fresh_s: float = 5.0) -> None:
        self.parts, self.timeout_s, self.fresh_s = parts, timeout_s, fresh_s
        self.lock = asyncio.Lock()
        self.known: dict[str, str] = {}
        self.known_until = -math.inf  # on the clock of the event loop

    async def states(self) -> dict[str, str]:
        """Return what each part said, by its name: "ok", "failed" or "timeout"; remote parts are not among them."""
        # TODO 07.1: ask all but the remote parts, at once, none for longer than `timeout_s`; that holds for `fresh_s`.
        raise NotImplementedError("TODO 07.1")


class Drain:
    """The end of a process, in order: not ready, not accepting, and who is left is told."""

    def __init__(self, *, notice_s: float = 5.0, deadline_s: float = 25.0) -> None:
        self.notice_s, self.deadline_s = notice_s, deadline_s  # both from the signal on
        self.draining = False
        self.requests: set[Any] = set()  # what is under way, in whatever form suits you

    async def stop(self, leave: Callable[[], None]) -> None:
        """End the service. It is awaited when SIGTERM comes; `leave()` makes the server accept no more."""
        # TODO 07.2: be no longer ready; leave after `notice_s`; cut what is still under way after `deadline_s`.
        raise NotImplementedError("TODO 07.2")


SHUTTING_DOWN = {"type": "shutting_down", "message": "This server is going down. Please ask again."}


class CutAtDeadline:
    """ASGI middleware: who is still served at the drain's deadline is told so, and let go."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self.app, self.drain = app, drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application until it is done or the drain's deadline has come."""
        # TODO 07.2: let the drain know what is under way; when it is cut, end the response in words for its reader.
        await self.app(scope, receive, send)
        raise NotImplementedError("TODO 07.2")  # behind the answer, so that you can try the other tasks by hand


def probes(readiness: Readiness, drain: Drain) -> APIRouter:
    """Make the two routes that whoever runs us asks: start it anew? send it requests?"""
    router = APIRouter(prefix="/health", tags=["system"])
    # TODO 07.1: `GET /health/live` and `GET /health/ready`.

    @router.get("/live")
    @router.get("/ready")
    async def todo() -> None:
        raise NotImplementedError("TODO 07.1")

    return router


@dataclass(frozen=True)
class Load:
    """Given: what will be asked of the service, at its busiest."""

    requests_per_s: float
    first_token_s: float  # until a stream's first token
    tokens: float  # of a usual answer, an event each
    tokens_per_s: float  # of one stream, from its first token on


@dataclass(frozen=True)
class Machine:
    """Given: what one container has, and what serving costs there. Measure yours: these are one service's figures."""

    cores: int
    memory_mb: float
    worker_mb: float = 150  # of one worker process that does nothing
    stream_kb: float = 44  # of one open stream
    event_us: float = 46  # of CPU time, for one event
    busy: float = 0.7  # the share of a core that may be used: beyond it, waiting grows faster than load


@dataclass(frozen=True)
class Plan:
    """Given: what to set."""

    open_streams: float  # at an average moment
    peak_streams: int  # to have room for
    workers: int  # processes in one container
    streams_per_worker: int
    containers: int


def plan(load: Load, machine: Machine) -> Plan:
    """Compute how many processes and containers a load needs, and how many streams each process may take.

    Raises:
        ValueError: not even one stream fits.

    Source: https://doi.org/10.1287/opre.9.3.383
    """
    # TODO 07.3: Little's law for what is open; the scarcer of CPU and memory for what one worker carries.
    raise NotImplementedError("TODO 07.3")


def must_stream_for_real(request: Request) -> None:
    """Refuse a stream where the platform would hold it back until it is over.

    Raises:
        HTTPException: 501.
    """
    # TODO 07.6: refuse where Lambda has called through Mangum, which leaves its `aws.event` in the scope.
    raise NotImplementedError("TODO 07.6")


def lambda_handler(app: FastAPI) -> Callable[[Any, Any], Any]:
    """Make the function that AWS Lambda calls with each event. What the lifespan opens stays open between events."""
    # TODO 07.6: serve `app` through Mangum, and open its lifespan once.
    raise NotImplementedError("TODO 07.6")


class Prompt(Order):
    """Given: what may be asked of `/chat`."""

    stream: bool = False


async def think(prompt: str) -> AsyncIterator[str]:
    """Given: stands for the model, a word every half second."""
    for word in f"You asked: {prompt}. The answer is forty-two, and it took me a while.".split():
        await asyncio.sleep(0.5)
        yield f"{word} "


api = APIRouter()


@api.post("/chat")
async def create_chat(prompt: Prompt, request: Request) -> Any:
    """Given: answer a prompt, as a stream of events or as one text."""
    words = request.app.state.model(prompt.prompt)
    if not prompt.stream:
        return {"text": "".join([word async for word in words]).strip()}
    must_stream_for_real(request)
    events = (f"event: delta\ndata: {json.dumps({'text': word})}\n\n" async for word in words)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Given: take SIGTERM before the server does, since servers tell no request that they end; and work, if we are to.

    The server's own handler is there when this starts. In tests and on Lambda there is none, and nothing is taken.
    """
    server: Any = signal.getsignal(signal.SIGTERM)
    loop, tasks = asyncio.get_running_loop(), dict[str, asyncio.Task[None]]()

    async def end() -> None:
        def leave() -> None:  # by the signal that it was handed uvicorn ends: SIGTERM is status 143, SIGINT is 0
            if not getattr(getattr(server, "__self__", None), "should_exit", False):  # a second SIGINT would be a crash
                server(signal.SIGINT, None)

        try:
            await app.state.drain.stop(leave)
        except Exception:
            logger.exception("not drained")
            leave()

    if callable(server) and threading.current_thread() is threading.main_thread():
        loop.add_signal_handler(signal.SIGTERM, lambda: tasks.get("end") or tasks.update(end=loop.create_task(end())))
    if app.state.turn:
        tasks["work"] = loop.create_task(work_on(app.state.turn))
    yield  # the event loop ends with its tasks


def create_app(
    *,
    parts: Sequence[Part] = (),
    drain: Drain | None = None,
    jobs: Jobs | None = None,
    turn: Callable[[], bool] | None = None,  # of the embedded worker
    model: Callable[[str], AsyncIterator[str]] = think,
) -> FastAPI:
    """Given: build the service."""
    app, drain = FastAPI(title="Deployment", lifespan=lifespan), drain or Drain()
    app.state.drain, app.state.model, app.state.turn = drain, model, turn
    for router in (api, probes(Readiness(parts), drain), jobs_router(jobs or SQLiteJobs())):
        app.include_router(router)
    app.add_middleware(CutAtDeadline, drain=drain)
    return app


table = SQLiteJobs()
turn = partial(work_once, table, lambda job: f"You asked: {job.payload}. The answer is forty-two.")
app = create_app(drain=Drain(notice_s=0), jobs=table, turn=turn)
