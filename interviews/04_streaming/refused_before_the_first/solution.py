"""Interview - raise while the status can still say it."""

import logging
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finish:
    """Given: the last part of an answer that came whole."""

    stop: str
    tokens: int


@dataclass(frozen=True)
class Event:
    """Given: what goes to the reader."""

    name: str
    data: dict[str, Any]


class ProviderFailed(Exception):
    """Given: the provider gave no answer, or broke off. Its text may be shown."""


async def as_events(parts: AsyncIterator[str | Finish]) -> AsyncIterator[Event]:
    """Yield a `delta` for each text and last one `done` or one `error`.

    Raises:
        ProviderFailed: there was no text yet, and no `Finish` either.
        Exception: whatever `parts` raises before its first text.
    """
    # TODO 04.6: raise what fails before the first text; tell in an event what fails behind it.
    # >>> solution
    texts, message = 0, "the answer broke off"
    try:
        async for part in parts:
            if isinstance(part, Finish):
                yield Event("done", asdict(part))
                return
            texts += 1
            yield Event("delta", {"text": part})
    except Exception as error:
        if not texts:  # the status line has not gone out: whoever waits for the first event can still say 502
            raise
        if isinstance(error, ProviderFailed):
            message = str(error)
        else:
            log.exception("an answer failed")
            message = "something went wrong on our side"
    if not texts:
        raise ProviderFailed("the provider ended without an answer")
    yield Event("error", {"message": message, "texts": texts})
    # --- stub
    # raise NotImplementedError("TODO 04.6")
    # yield Event("", {})  # some `yield` makes this an async generator
    # <<< solution
