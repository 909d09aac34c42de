"""From a script to the steps of one answer: what is sent, and where it waits or breaks. No clock and no I/O in here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .frames import Cutter, Frame
from .gate import Gate
from .script import Script


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Turn:
    """Wait until the test lets this call through the gate."""

    gate: Gate


@dataclass(frozen=True)
class Settle:
    """Wait until the calls that are on their way have come: the peak of calls in flight is then no matter of luck."""


@dataclass(frozen=True)
class Hang:
    """Wait for ever."""


@dataclass(frozen=True)
class Reset:
    """The connection is gone."""


Step = Frame | Pause | Turn | Settle | Hang | Reset


@dataclass
class Plan:
    """One answer: waits, then status and headers, then a body of frames and further waits."""

    status: int
    headers: dict[str, str]
    body: Iterator[Step]
    before: list[Step] = field(default_factory=list)
    streamed: bool = False
    from_provider: bool = True
    """Whether the provider itself answers, and so gives a request id; a proxy in between does not."""


def plan_whole(script: Script, status: int, content_type: str, body: bytes, tokens: int) -> Plan:
    """Plan an answer that arrives as one body of `tokens` tokens: all waiting is over before its status line."""
    headers = {"content-type": content_type}
    before = [*_waits(script, tokens)]
    if script.garble_after is not None:
        body = body[: len(body) // 2]
    if script.cut_after is not None:
        half = Frame(body[: len(body) // 2])
        return Plan(status, headers, iter([half, *([Reset()] if script.cut_reset else [])]), before)
    cutter = Cutter(script.split_how)
    chunks = [*cutter.push(Frame(body, tokens=tokens, ends="answered")), *cutter.flush()]
    if script.split_how != "crlf":  # that one adds bytes
        headers["content-length"] = str(len(body))
    return Plan(status, headers, iter(chunks), before)


def _waits(script: Script, tokens: int) -> Iterator[Step]:
    if script.hang_after is not None:
        yield Hang()
    seconds = script.first_token_s + script.cadence_s * max(0, tokens - 1)
    if seconds:
        yield Pause(seconds)
    if script.token_gate:
        yield Turn(script.token_gate)
    if script.disconnects:
        yield Reset()


def plan_stream(script: Script, frames: Sequence[Frame], ping: bytes, error: bytes) -> Plan:
    """Plan an event stream. `error` is the event of a script that fails in mid-stream."""
    before: list[Step] = [Hang()] if script.hang_after == 0 else []
    if script.disconnects:
        before.append(Reset())
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return Plan(200, headers, _cut(script, _stream(script, frames, ping, error)), before, streamed=True)


def _stream(script: Script, frames: Sequence[Frame], ping: bytes, error: bytes) -> Iterator[Step]:
    """The events with what happens between them. A fault `after` n tokens comes before the event that follows them."""
    first = next((i for i, frame in enumerate(frames) if frame.tokens), max(0, len(frames) - 1))
    yield from frames[:first]
    sent, garbled = 0, False
    for frame in frames[first:]:
        # A fault after more tokens than there are comes before the end marker.
        due = _Due(sent, frame.ends is not None)
        if due(script.hang_after):
            yield Hang()
        if script.failure and due(script.failure.after):
            yield Frame(error, ends="broken")
            return
        if due(script.cut_after):
            if script.cut_inside:
                yield Frame(frame.data[: len(frame.data) // 2])
            if script.cut_reset:
                yield Reset()
            return
        if frame.tokens:
            yield from [Frame(ping)] * script.pings
            if seconds := (script.cadence_s if sent else script.first_token_s):
                yield Pause(seconds)
            if script.token_gate:
                yield Turn(script.token_gate)
        if due(script.garble_after) and not garbled:
            garbled = True
            frame = Frame(_garble(frame.data), ends=frame.ends)
        yield frame
        sent += frame.tokens


@dataclass(frozen=True)
class _Due:
    """Whether a fault strikes now: `due(after)`."""

    sent: int
    at_end: bool

    def __call__(self, after: int | None) -> bool:
        return after is not None and (self.sent >= after or self.at_end)


def _garble(event: bytes) -> bytes:
    """Break the JSON of an event, not the event: its name and its blank line stay."""
    head, mark, payload = event.partition(b"data: ")
    payload = payload.rstrip(b"\n")
    return head + mark + payload[: max(1, len(payload) // 2)] + b"\n\n"


def _cut(script: Script, steps: Iterator[Step]) -> Iterator[Step]:
    """Cut the body into the chunks that the script wants. Nothing is kept back while the sender waits."""
    cutter = Cutter(script.split_how)
    for step in steps:
        if isinstance(step, Frame):
            yield from cutter.push(step)
        else:
            yield from cutter.flush()
            yield step
    yield from cutter.flush()
