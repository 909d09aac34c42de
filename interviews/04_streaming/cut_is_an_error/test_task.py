"""What the brief promises, seen from outside: streams of bytes go in, events come out."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from . import solution as task


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    """The bytes of a provider, in these chunks."""
    for chunk in chunks:
        yield chunk


async def read(*chunks: bytes) -> tuple[str, Any]:
    """The events of a stream as JSON text, and the CutOff that ends it, None without one."""
    events: list[list[Any]] = []
    try:
        async for event in task.parse_events(stream(*chunks)):
            events.append([event.name, event.data])
    except task.CutOff as error:
        return json.dumps(events), error
    except UnicodeDecodeError as error:
        pytest.fail(f"{chunks} raised {error}. A chunk may end inside a character: what is half must be kept.")
    return json.dumps(events), None


async def expect(cases: dict[str, tuple[bytes, list[tuple[str, str]]]]) -> None:
    """Fail in words at the first of these whole streams, by name, that does not give its events."""
    for name, (text, events) in cases.items():
        seen, cut = await read(text)
        assert cut is None, f"{name}: {text!r} is whole, and raised {cut!r} after {seen}"
        assert seen == json.dumps(events), f"{name}: {text!r} gave {seen}, not {json.dumps(events)}"


@pytest.mark.task(1)
async def test_fields_mean_what_the_standard_says() -> None:
    """Each of these is sent by somebody's server on the day after you went live."""
    await expect(
        {
            "An event with a name": (b"event: delta\ndata: 12\n\n", [("delta", "12")]),
            "A name is for one event": (b"event: delta\ndata: a\n\ndata: b\n\n", [("delta", "a"), ("message", "b")]),
            "An empty name": (b"event:\ndata: a\n\n", [("message", "a")]),
            "No data, no event": (b"event: ping\n\ndata: a\n\n", [("message", "a")]),
            "Lines of data are joined": (b"data: a\ndata:\ndata: b\n\n", [("message", "a\n\nb")]),
            "Data may be empty": (b"data:\n\n", [("message", "")]),
            "One space belongs to the field": (b"data:a\n\ndata:  b\n\n", [("message", "a"), ("message", " b")]),
            "Only the first colon": (b"data: a: b\n\n", [("message", "a: b")]),
            "Comments and other fields": (b": hm\nid: x\ndatax: y\ndata: a\n\n", [("message", "a")]),
            "CRLF": (b"event: delta\r\ndata: a\r\n\r\n", [("delta", "a")]),
        }
    )


@pytest.mark.task(1)
async def test_nothing_else_ends_a_line() -> None:
    """Models write U+2028 and form feeds; splitlines() breaks the JSON there."""
    data = "a\u2028b\u0085c\x0cd"
    seen, _ = await read(f"data: {data}\n\n".encode())
    assert seen == json.dumps([("message", data)]), (
        f"one event with the data {data!r} gave {seen}. Only LF and CRLF end a line; str.splitlines() knows more."
    )


@pytest.mark.task(1)
async def test_the_bytes_may_be_cut_anywhere() -> None:
    """On your machine every event comes alone. Behind a proxy it comes in two halves."""
    whole = "event: delta\r\ndata: 12 €🙂\r\n\r\ndata: a\ndata: b\n\n".encode()
    expected = json.dumps([("delta", "12 €🙂"), ("message", "a\nb")])
    cuts = [[whole[:at], whole[at:]] for at in range(1, len(whole))]
    for chunks in [*cuts, [bytes([byte]) for byte in whole], [b"", whole, b""]]:
        seen, cut = await read(*chunks)
        where = f"cut behind {chunks[0][-8:]!r}" if len(chunks) == 2 else f"in {len(chunks)} chunks"
        assert cut is None and seen == expected, (
            f"{where} the stream gave {seen} and {cut!r}, not {expected}. A chunk is no line, and no character either."
        )


@pytest.mark.task(1)
async def test_bytes_that_are_no_text_do_not_end_the_stream() -> None:
    """One broken byte in token 5 must not cost tokens 6 to 600."""
    seen, cut = await read(b"data: a\xffb\n\n", b"data: c\n\n")
    expected = json.dumps([("message", "a\ufffdb"), ("message", "c")])
    assert cut is None and seen == expected, f"a byte that is no UTF-8 gave {seen}, {cut!r}; it becomes U+FFFD"


@pytest.mark.task(1)
async def test_an_event_is_handed_on_at_once() -> None:
    """Whoever collects first shows a spinner, and pays for the streaming all the same."""
    asked = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal asked
        for chunk in (b"data: a\n\ndata: b\n\n", b"data: c\n\n"):
            asked += 1
            yield chunk

    at = [(event.data, asked) async for event in task.parse_events(counted())]
    assert at == [("a", 1), ("b", 1), ("c", 2)], (
        f"the first two events are in chunk 1, the third in chunk 2; handed on were (data, chunks asked for) {at}"
    )


@pytest.mark.task(1)
async def test_a_cut_is_told() -> None:
    """A summary that ends in the middle of a sentence is signed by somebody who never saw the rest."""
    for what, end in {
        "behind a `data` line": b"data: b\n",
        "behind an `event` line": b"event: done\n",
        "inside a `data` line": b"data: b",
        "inside the name of a field": b"da",
        "inside a comment": b": pin",
        "inside a character": b"\xe2\x82",
        "behind CRLF": b"data: b\r\n",
    }.items():
        seen, cut = await read(b"data: a\n\n" + end)
        assert "b" not in seen, (
            f"the stream ended {what}, and what had come of the last event was handed on: {seen}. "
            "Without its blank line nobody knows whether that is all of it: it is a CutOff."
        )
        assert seen == json.dumps([("message", "a")]), f"the stream ended {what}; the event before it gave {seen}"
        assert cut is not None, (
            f"the stream ended {what}, and the generator just ended. "
            "The standard throws such an event away; here that would pass for a whole answer."
        )


@pytest.mark.task(1)
async def test_a_whole_stream_just_ends() -> None:
    """An alarm that rings at every end is turned off in the first week."""
    await expect(
        {
            "Nothing at all": (b"", []),
            "A comment at the end": (b"data: a\n\n: bye\n", [("message", "a")]),
            "Blank lines at the end": (b"data: a\n\n\n\r\n", [("message", "a")]),
            "An unknown field at the end": (b"data: a\n\nid: x\n", [("message", "a")]),
            "A name without data, and its blank line": (b"data: a\n\nevent: ping\n\n", [("message", "a")]),
        }
    )
