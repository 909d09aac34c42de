"""Logs: lesson 06's lines, and one of our own for each request.

That one is written by a formatter of its own, for a quarter of the cost: it holds nothing that a caller wrote.
"""

import logging
import re
import time
from contextvars import ContextVar
from json import JSONEncoder
from typing import Any, TextIO

from capstone.parts import production
from capstone.settings import Settings

encode = JSONEncoder(separators=(",", ":")).encode
KEY = re.compile(r"sk_[0-9a-f]{6,}_[\w-]{20,}")
CALLER: ContextVar[str | None] = ContextVar("CALLER", default=None)  # id of whoever asked, once that is known
requests = logging.getLogger("capstone.requests")


class RequestLine(logging.Formatter):
    """One JSON object with the names that lesson 06's lines have."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        head = {"event": "request", "level": "info", "logger": record.name, "timestamp": f"{when}Z"}
        return encode({**head, "request_id": production.REQUEST_ID.get(), **record.__dict__["told"]})


class WithoutKeys(logging.Formatter):
    """Another formatter's lines without any key of ours, wherever it came from: prompts and URLs may hold one."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return KEY.sub("[key]", self.inner.format(record))


def configure_logs(settings: Settings, stream: TextIO) -> None:
    """Send every line of this process to `stream`."""
    production.configure_logging(stream)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(WithoutKeys(handler.formatter or logging.Formatter()))
    logging.getLogger().setLevel(settings.log_level.upper())
    # What libraries say of each request is in our own line, and httpx would print whole URLs.
    for name in ("httpx", "httpx2", "aiosqlite", "alembic", "faiss"):
        logging.getLogger(name).setLevel(logging.WARNING)
    own = logging.StreamHandler(stream)
    line = RequestLine()
    line.converter = time.gmtime
    own.setFormatter(line)
    requests.handlers[:] = [own]
    requests.propagate = False
    requests.setLevel(settings.log_level.upper())


def log_request(served: Any) -> None:
    """Write the line of one request that is over."""
    if requests.isEnabledFor(logging.INFO):
        told = {
            "method": served.method,
            "route": served.route,
            "status": served.status if served.complete or served.status != 500 else 499,  # 499: the caller left
            "seconds": round(served.duration_s, 6),
            "complete": served.complete,
            "caller": CALLER.get(),
        }
        requests.info("request", extra={"told": told})
