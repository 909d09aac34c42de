"""The composition root: reads from top to bottom as ordinary FastAPI. `uvicorn capstone.main:app`."""

import sys
from typing import TextIO

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from capstone.errors import add_error_handlers
from capstone.lifespan import Service
from capstone.logs import log_request
from capstone.middleware import Authenticate, LocalOnly, OneShape, caller_of
from capstone.openapi import describe
from capstone.parts import basics, deployment, models, production, streams
from capstone.routers import auth, chat, documents, embeddings, jobs, page, rag, system, usage
from capstone.routers import models as catalog
from capstone.settings import Settings
from capstone.startup import UnsafeSettings
from coach.serve import serve_docs_offline


def create_app(settings: Settings, log_to: TextIO = sys.stderr) -> FastAPI:
    """Put the service together."""
    service = Service(settings, log_to)
    ours = [chat, catalog, embeddings, documents, rag, jobs, auth, usage, page]
    run = system.system_router(service.readiness, service.drain, service.metrics)
    app = basics.create_app(
        title="Capstone",
        description="One service out of the lessons: chat in OpenAI's shape, answers from documents, jobs.",
        version="1.0.0",
        routers=[*(module.router for module in ours), run],
        lifespan=service.lifespan(),
    )
    app.state.service = service
    app.router.redirect_slashes = False  # it would send a query back, whatever stands in it
    models.add_error_handlers(app)
    add_error_handlers(app)
    describe(app)
    serve_docs_offline(app)

    def done(served: object) -> None:
        service.metrics.observe(served)
        log_request(served)

    # The last one added is the first that a request meets.
    app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
    app.add_middleware(Authenticate)
    if settings.is_demo:
        app.add_middleware(LocalOnly)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(streams.WhileConnected)
    app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
    production.add_error_handlers(app)
    app.add_middleware(OneShape)
    app.add_middleware(production.RequestContext, done=done)
    return app


try:
    app = create_app(Settings())
except UnsafeSettings as error:
    sys.exit(f"capstone: {error}")
