"""Lesson 09 - one service out of its parts. `coach run 09` serves it; finished, it is what `capstone.main` starts."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from functools import partial
from typing import Any, TextIO

from fastapi import APIRouter, FastAPI, Security
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import Lifespan

from capstone import errors
from capstone.lifespan import Service, little_garbage
from capstone.logs import RequestLog
from capstone.middleware import Authenticate, LocalOnly, OneShape, caller_of
from capstone.openapi import describe
from capstone.parts import PARTS, auth, basics, deployment, models, production, streams
from capstone.routers import auth as keys
from capstone.routers import chat, documents, embeddings, jobs, page, rag, system, usage
from capstone.routers import models as catalog
from capstone.settings import Settings
from capstone.startup import MAKE_ONE, UnsafeSettings, greet, weakness
from coach.parts import Part
from coach.serve import serve_docs_offline

log = logging.getLogger("capstone")


def create_app(
    settings: Settings,
    log_to: TextIO = sys.stderr,
    *,
    parts: Sequence[Part] = PARTS,
    more: Sequence[APIRouter] = (),
    make: Callable[..., Service] = Service,
) -> FastAPI:
    """Given: put the service together.

    Args:
        settings: from the environment.
        log_to: where log lines go.
        parts: what the service says of whose code runs.
        more: routers that somebody adds; they are behind a key, whatever they forgot.
        make: makes the service of `settings`, `log_to` and `parts`; tests bring their own.
    """
    todo: list[str] = []
    if_done(todo, check, settings)
    service = make(settings, log_to, parts)
    probes = system.system_router(service.readiness, service.drain, service.metrics, parts)
    lifespan = if_done(todo, lifespan_of, service, partial(serving, service, todo))
    app = basics.create_app(
        title="Capstone",
        description="One service out of the lessons: chat in OpenAI's shape, answers from documents, jobs.",
        version="1.0.0",
        routers=if_done(todo, routers_of, probes, more) or [],
        lifespan=lifespan,
    )
    app.state.service, app.state.todo = service, todo
    app.router.redirect_slashes = False  # it would send the query back to whatever host was asked for
    if lifespan:  # who guards asks what the lifespan has opened
        if_done(todo, add_guards, app, service, settings)
    if_done(todo, add_errors, app, service)
    if "TODO 09.3" not in todo:  # a stub has no routes to describe
        describe(app)
    serve_docs_offline(app)
    return app


def if_done(todo: list[str], step: Callable[..., Any], *arguments: Any) -> Any:
    """Given: take a step; one that is still to do is noted and left out."""
    try:
        return step(*arguments)
    except NotImplementedError as error:
        todo.append(str(error))
        return None


def check(settings: Settings) -> None:
    """Refuse settings that let strangers in.

    Raises:
        UnsafeSettings: it names the setting and the way out, and never the secret.
    """
    # TODO 09.1: refuse the demo key, no secret, and secrets that everybody knows, where others than we can call.
    # >>> solution
    if settings.is_demo and not settings.on_loopback:
        raise UnsafeSettings(
            f"CAPSTONE_HOST is {settings.host} and the key `demo` is on: everybody knows it. Set CAPSTONE_DEMO=false."
        )
    if not settings.on_loopback and settings.secret is None:
        raise UnsafeSettings(
            f"CAPSTONE_HOST is {settings.host}, so CAPSTONE_SECRET has to be set. Make one: {MAKE_ONE}"
        )
    for name, secret, least in (("SECRET", settings.secret, 32), ("ADMIN_PASSWORD", settings.admin_password, 12)):
        if secret is not None and (weak := weakness(secret.get_secret_value(), least)):
            raise UnsafeSettings(f"CAPSTONE_{name} {weak}. Make a better one: {MAKE_ONE}")
    # <<< solution


def lifespan_of(service: Service, ending: Callable[[], AbstractAsyncContextManager[None]]) -> Lifespan[FastAPI]:
    """Make the lifespan: what it yields is `request.state` of every request. `ending` is the last to be opened."""
    # TODO 09.2: open the service's parts, each after what it needs; close them in reverse, also after half a start.
    # >>> solution
    return basics.open_all(
        service=service.open_logs,  # first, so that whatever fails is logged as it should be
        store=service.open_store,
        usage=service.open_usage,
        access=service.open_access,
        providers=service.open_providers,
        chat=service.open_chat,
        work=service.open_work,
        ending=ending,
    )
    # <<< solution


def routers_of(probes: APIRouter, more: Sequence[APIRouter]) -> list[APIRouter]:
    """Return every router of the service."""
    # TODO 09.3: nine of `capstone.routers`, the probes, and whatever is added: behind a key, asked for or not.
    # >>> solution
    closed = APIRouter(dependencies=[Security(auth.authorized)])
    for router in more:
        closed.include_router(router)
    ours = [chat, catalog, embeddings, documents, rag, jobs, keys, usage, page]
    return [*(one.router for one in ours), probes, closed]
    # <<< solution


def add_guards(app: FastAPI, service: Service, settings: Settings) -> None:
    """Put what may turn a request away around the routes."""
    # TODO 09.4: add the limiter, the lookup of the caller, the demo's door, the body limit, and what ends work.
    # >>> solution
    # The last one added is the first that a request meets.
    app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
    app.add_middleware(Authenticate)
    if settings.is_demo:
        app.add_middleware(LocalOnly)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(streams.WhileConnected)
    app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
    # --- stub
    # app.add_middleware(Authenticate)  # so that the routes can be tried meanwhile
    # raise NotImplementedError("TODO 09.4")
    # <<< solution


def add_errors(app: FastAPI, service: Service) -> None:
    """Make an answer of every error, in one form and with a request id, around all that `add_guards` has added."""
    request_log = RequestLog(service.log_to, service.settings.log_level)

    def done(served: object) -> None:
        """Given: a request is over, and has been counted and logged."""
        service.metrics.observe(served)
        request_log(served)

    # TODO 09.5: answer every error, lessons' and ours; give all of them one form; a request id and `done` for each.
    # >>> solution
    models.add_error_handlers(app)
    errors.add_error_handlers(app)
    production.add_error_handlers(app)  # among it a layer: it has to stand around the guards
    app.add_middleware(OneShape)
    app.add_middleware(production.RequestContext, done=done)
    # <<< solution


def announce(service: Service) -> None:
    """Say in the log who answers, and whose code runs."""
    names = service.providers.names or service.providers.silent  # Given
    look = "; the key demo lets in, from this machine alone" if service.settings.is_demo else ""  # Given
    log.info("look at /chat and /docs%s", look)  # Given
    if service.settings.is_demo:  # Given: for people
        greet(names, service.parts)
    # TODO 09.6: a line for each part of the service, one for its providers, and a warning if only a fake answers.
    # >>> solution
    for part in service.parts:
        log.info("part %s: %s (%s)", part.lesson, part.whose, part.reason)
    asked = list(service.providers.of_model)[:10]
    log.info("provider: %s; models: %s", ", ".join(names), ", ".join(asked) or "not known yet")
    if names == ["offline"]:
        log.warning(
            "offline: a fake answers. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or OPENAI_BASE_URL for a real model"
        )
    # <<< solution


@asynccontextmanager
async def serving(service: Service, todo: list[str]) -> AsyncIterator[None]:
    """Given: what is open while requests are served; it begins when all else is open."""
    if_done(todo, announce, service)
    ending: AbstractContextManager[None] = if_done(todo, draining, service.drain) or nullcontext()
    with little_garbage(), ending:
        yield


# TODO 09.7: take SIGTERM from the server, and hand it back when the drain says so; without signals, do nothing.
# >>> solution
@contextmanager
def draining(drain: Any) -> Iterator[None]:
    """While this is open, SIGTERM begins the drain, and the drain ends the server."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)  # the server's own handler
    ends: list[asyncio.Task[None]] = []

    def leave() -> None:
        # uvicorn ends by the signal that it was handed: SIGTERM is status 143, and this end is orderly. Once it ends, a
        # SIGINT would hurry it.
        if not callable(before):
            os.kill(os.getpid(), signal.SIGINT)
        elif not getattr(getattr(before, "__self__", None), "should_exit", False):
            before(signal.SIGINT, None)

    try:
        loop.add_signal_handler(signal.SIGTERM, lambda: ends or ends.append(loop.create_task(drain.stop(leave))))
    except (ValueError, RuntimeError, NotImplementedError):  # not the main thread, or no such signals
        yield
        return
    try:
        yield
    finally:
        for end in ends:
            end.cancel()
        loop.remove_signal_handler(signal.SIGTERM)


# --- stub
# def draining(drain: Any) -> AbstractContextManager[None]:
#     """While this is open, SIGTERM begins the drain, and the drain ends the server."""
#     raise NotImplementedError("TODO 09.7")
#
#
# <<< solution
def __getattr__(name: str) -> Any:
    """Given: `app` is made when a server asks for it, not when a test imports this file."""
    if name != "app":
        raise AttributeError(name)
    try:
        return create_app(Settings())
    except UnsafeSettings as error:
        sys.exit(f"lesson 09: {error}")
