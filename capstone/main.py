"""The composition root: reads from top to bottom as ordinary FastAPI. `uvicorn capstone.main:app`."""

import logging

from capstone.parts import PARTS, basics, models
from capstone.providers import open_provider
from capstone.routers import chat, parts
from coach.serve import serve_docs_offline

log = logging.getLogger("uvicorn.error")  # uvicorn's own: shown without any set-up

app = basics.create_app(
    title="Capstone",
    description="One service out of the lessons. Answers come from the offline provider and say so.",
    version="0.1.0",
    routers=[chat.router, parts.router],
    lifespan=basics.open_all(provider=open_provider),
)
models.add_error_handlers(app)
serve_docs_offline(app)

for part in PARTS:
    log.info("part %s: %s (%s)", part.lesson, part.whose, part.reason)
