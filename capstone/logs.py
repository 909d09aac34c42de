"""Logs: lesson 06's lines, and one of our own for each request.

That one goes past the loggers, at a fifth of their cost: it holds nothing that a caller wrote.
"""

import asyncio
import logging
import re
import time
from contextvars import ContextVar
from typing import Any, TextIO

from pydantic_core import to_json

from capstone.parts import production
from capstone.services import tracing
from capstone.settings import Settings
from capstone.startup import CannotStart

KEY = re.compile(r"sk_[0-9a-f]{6,}_[\w-]{20,}")
CALLER: ContextVar[str | None] = ContextVar("CALLER", default=None)  # id of whoever asked, once that is known


class RequestLog:
    """Writes the line of each request that is over: one JSON object, with the names that lesson 06's lines have."""

    def __init__(self, stream: TextIO, level: str) -> None:
        self.stream, self.wanted = stream, level in ("debug", "info")
        self._second, self._stamp = 0, ""

    def __call__(self, served: Any) -> None:
        """Write the line of one request."""
        if not self.wanted:
            return
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        told = {
            "event": "request",
            "level": "info",
            "logger": "capstone.requests",
            "timestamp": f"{self._stamp}.{int(now % 1 * 1e6):06}Z",
            "request_id": production.REQUEST_ID.get(),
            "method": served.method,
            "route": served.route,
            "status": served.status if served.complete or served.status != 500 else 499,  # 499: the caller left
            "seconds": round(served.duration_s, 6),
            "complete": served.complete,
            "caller": CALLER.get(),
        }
        if trace_id := tracing.trace_id():
            told["trace_id"] = trace_id
        self.stream.write(to_json(told).decode() + "\n")
        self.stream.flush()


class WithoutKeys(logging.Formatter):
    """Another formatter's lines without any key of ours, wherever it came from: prompts and URLs may hold one."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return KEY.sub("[key]", self.inner.format(record))


def worth_a_line(record: logging.LogRecord) -> bool:
    """Say whether a line tells whoever runs the service anything; what does not start says so once, in its own words.

    Starlette hands the server a traceback as text, and lesson 06's layer logs it once more. And a connection that was
    asked for something when the process ended is no error: SQLAlchemy throws it away, as it should.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, CannotStart):
        return False
    if isinstance(error, asyncio.CancelledError) and record.name.startswith("sqlalchemy.pool"):
        return False
    if record.name == "uvicorn.error" and isinstance(record.msg, str) and record.msg.startswith("Traceback"):
        _, found, words = record.msg.rpartition(f"{CannotStart.__module__}.{CannotStart.__name__}: ")
        if found:
            record.msg, record.args = f"the service cannot start: {words.strip()}", ()
    return True


def configure_logs(settings: Settings, stream: TextIO) -> None:
    """Send every line of this process to `stream`."""
    production.configure_logging(stream)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(WithoutKeys(handler.formatter or logging.Formatter()))
        handler.addFilter(worth_a_line)
    logging.getLogger().setLevel(settings.log_level.upper())
    # What libraries say of each request is in our own line, and httpx would print whole URLs.
    for name in ("httpx", "httpx2", "aiosqlite", "alembic", "faiss"):
        logging.getLogger(name).setLevel(logging.WARNING)
