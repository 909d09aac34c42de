"""Interview - events that came whole, and a cut that is told."""

import codecs
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Given: one server-sent event."""

    data: str
    name: str = "message"


class CutOff(Exception):
    """Given: the stream ended inside an event."""


async def parse_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the events of a stream whose bytes are cut anywhere, each as soon as its blank line is there.

    Raises:
        CutOff: the stream ended inside an event; those before it have been yielded.
    """
    # TODO 04.1: find the events, wherever the bytes are cut, and tell when the last one is not whole.
    # >>> solution
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")  # keeps half a character for the next chunk
    rest, name, data, begun = "", "", list[str](), False
    async for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in lines:
            field, _, value = line.removesuffix("\r").partition(":")
            if field == "data":
                data.append(value.removeprefix(" "))
                begun = True
            elif field == "event":
                name = value.removeprefix(" ")
                begun = True
            elif line in ("", "\r"):
                if data:
                    yield Event("\n".join(data), name or "message")
                name, data, begun = "", [], False
    if begun or rest + decoder.decode(b"", final=True):
        raise CutOff("the stream ended inside an event")
    # --- stub
    # raise NotImplementedError("TODO 04.1")
    # yield Event("")  # some `yield` makes this an async generator
    # <<< solution
