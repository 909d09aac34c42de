"""Pieces of a response body, and where they are cut into chunks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from .requests import State
from .script import Split


@dataclass(frozen=True)
class Frame:
    """Bytes that belong together: one server-sent event, or a whole JSON body."""

    data: bytes
    tokens: int = 0
    """Tokens that the client has once it has this frame."""
    ends: State | None = None
    """How the call has ended once the client has this frame, even if it reads no further."""

    def cut(self, at: int) -> tuple["Frame", "Frame"]:
        """Two frames, the first of `at` bytes. What the frame means goes with its last byte that is no line end."""
        head, rest = self.data[:at], self.data[at:]
        if rest.strip():
            return Frame(head), replace(self, data=rest)
        return replace(self, data=head), Frame(rest)


class Cutter:
    """Cuts a body into chunks: push frames in, get chunks out, `flush` when the sender is about to wait."""

    def __init__(self, how: Split | None) -> None:
        self._how = how
        self._kept: list[Frame] = []
        self._sent = 0  # bytes so far, for cuts at absolute offsets

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Take one frame; yield the chunks that are full."""
        how = self._how
        if how == "crlf":
            frame = replace(frame, data=frame.data.replace(b"\n", b"\r\n"))
        if how is None or how in ("bytes", "utf8", "crlf"):
            yield from _cut_inside(frame, how)
            return
        self._kept.append(frame)
        if how == "frames":
            # Half of this frame stays behind, to travel with the first half of the next one.
            yield from self._take(self._kept_bytes() - len(frame.data) // 2)
        while (size := self._next_size()) is not None and self._kept_bytes() >= size:
            yield from self._take(size)

    def flush(self) -> Iterator[Frame]:
        """Yield what was kept back."""
        yield from self._take(self._kept_bytes())

    def _next_size(self) -> int | None:
        if isinstance(self._how, int):
            return max(1, self._how)
        if isinstance(self._how, str) or self._how is None:
            return None
        return next((offset - self._sent for offset in sorted(self._how) if offset > self._sent), None)

    def _kept_bytes(self) -> int:
        return sum(len(frame.data) for frame in self._kept)

    def _take(self, size: int) -> Iterator[Frame]:
        chunk = Frame(b"")
        while self._kept and len(chunk.data) < size:
            frame, rest = self._kept.pop(0).cut(size - len(chunk.data))
            if rest.data:
                self._kept.insert(0, rest)
            chunk = Frame(chunk.data + frame.data, chunk.tokens + frame.tokens, chunk.ends or frame.ends)
        if chunk.data:
            self._sent += len(chunk.data)
            yield chunk


def _cut_inside(frame: Frame, how: Split | None) -> Iterator[Frame]:
    """Cut one frame where only its own bytes decide."""
    if how == "bytes":
        cuts = range(1, len(frame.data))
    elif how == "utf8":
        # A byte 10xxxxxx continues a character, so a cut before it is inside one.
        cuts = [i for i, byte in enumerate(frame.data) if i and byte & 0b1100_0000 == 0b1000_0000]
    elif how == "crlf":
        cuts = [i + 1 for i, byte in enumerate(frame.data) if byte == ord("\r")]
    else:
        cuts = []
    for start, end in pairwise([0, *cuts]):
        part, frame = frame.cut(end - start)
        yield part
    yield frame
