"""The composition root: reads from top to bottom as ordinary FastAPI. `uvicorn capstone.main:app`."""

import logging
import secrets
from contextlib import asynccontextmanager

from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from capstone.errors import add_error_handlers
from capstone.parts import PARTS, auth, basics, models, production, streams
from capstone.routers import chat, documents, jobs, parts, rag
from capstone.services.access import Access
from capstone.services.chat import ChatService
from capstone.services.providers import open_providers
from capstone.services.work import open_work
from capstone.settings import Settings
from capstone.store import open_store
from coach.serve import serve_docs_offline

log = logging.getLogger("uvicorn.error")  # uvicorn's own: shown without any set-up
settings = Settings()
own = auth.TokenKey(alg="HS256", material=secrets.token_bytes(32), issuer="capstone")
access = Access(settings, auth.KeyService(auth.MemoryKeys(), secrets.token_bytes(32)), auth.TokenService({"own": own}, "capstone"))


opened: dict[str, ChatService] = {}


@asynccontextmanager
async def open_chat():
    async with open_providers(settings) as providers:
        opened["chat"] = ChatService(settings, providers, auth.MemoryQuota())
        yield opened["chat"]


@asynccontextmanager
async def open_data():
    async with open_store(settings) as store, open_work(settings, store, opened["chat"]) as work:
        yield work


@asynccontextmanager
async def open_access():
    yield access


app = basics.create_app(
    title="Capstone",
    description="One service out of the lessons. Answers come from the offline provider and say so.",
    version="0.1.0",
    routers=[chat.router, parts.router, documents.router, rag.router, jobs.router],
    lifespan=basics.open_all(chat=open_chat, services=open_access, work=open_data),
)
models.add_error_handlers(app)
metrics = production.Metrics()
# Inside of WhileConnected, which reads ahead in a task of its own: there nobody would see that a body is too large.
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
production.add_error_handlers(app)
add_error_handlers(app)
app.add_middleware(production.RequestContext, done=metrics.observe)
serve_docs_offline(app)

for part in PARTS:
    log.info("part %s: %s (%s)", part.lesson, part.whose, part.reason)
