"""What the brief promises, seen from outside. The test is the provider on one side and the reader on the other."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from . import solution as task


class Said:
    """Gives these parts; an exception among them is raised."""

    def __init__(self, *parts: Any) -> None:
        self.parts = list(parts)
        self.asked = 0

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        self.asked += 1
        if not self.parts:
            raise StopAsyncIteration
        if isinstance(part := self.parts.pop(0), BaseException):
            raise part
        return part


async def read(said: Said) -> tuple[str, Any]:
    """The events as JSON text, and what was raised."""
    events: list[list[Any]] = []
    try:
        async for event in task.as_events(said):
            events.append([event.name, event.data])
    except NotImplementedError:
        raise
    except Exception as error:
        return json.dumps(events, sort_keys=True), error
    return json.dumps(events, sort_keys=True), None


def told(*events: tuple[str, dict[str, Any]]) -> str:
    """The same text, of events that are expected."""
    return json.dumps([list(event) for event in events], sort_keys=True)


A = ("delta", {"text": "a"})


@pytest.mark.task(6)
async def test_a_whole_answer_ends_with_done() -> None:
    """A reader who never sees `done` shows a cursor that blinks for ever."""
    said = Said("a", "", task.Finish("end", 12), "behind it")
    seen = await read(said)
    expected = told(A, ("delta", {"text": ""}), ("done", {"stop": "end", "tokens": 12}))
    assert seen == (expected, None), f"an answer of two texts gave {seen}, not {expected}"
    assert said.asked == 3, f"the Finish was part 3, and {said.asked} parts were asked for: nothing behind it is read"
    seen = await read(Said(task.Finish("refusal", 0)))
    assert seen == (told(("done", {"stop": "refusal", "tokens": 0})), None), f"a Finish without a text gave {seen}"


@pytest.mark.task(6)
async def test_each_text_is_handed_on_at_once() -> None:
    """Whoever reads one part ahead shows every word one word late."""
    said, at = Said("a", "b", task.Finish("end", 12)), []
    async for event in task.as_events(said):
        at.append((event.name, said.asked))
    expected = [("delta", 1), ("delta", 2), ("done", 3)]
    assert at == expected, f"handed on were (event, parts asked for) {at}, not {expected}"


@pytest.mark.task(6)
async def test_a_failure_before_the_first_text_is_raised() -> None:
    """A 429 that becomes an empty 200 is on no dashboard."""
    for error in (task.ProviderFailed("429"), KeyError("choices"), ConnectionError("refused")):
        seen, raised = await read(Said(error))
        assert seen == "[]", (
            f"{error!r} came before any text, and became {seen}. "
            "The status line has not gone out yet: raised, the failure can still become a 502."
        )
        assert raised is error, f"{error!r} came before any text, and out came {raised!r}, not the same exception"


@pytest.mark.task(6)
async def test_no_answer_at_all_is_a_failure_too() -> None:
    """An empty answer that nobody finished is the quietest outage there is."""
    seen, raised = await read(Said())
    assert seen == "[]" and type(raised) is task.ProviderFailed and str(raised), (
        f"the provider ended without a word and without a Finish: events {seen}, raised {raised!r}; "
        "wanted is ProviderFailed with a message, and no event"
    )


@pytest.mark.task(6)
async def test_a_failure_in_the_middle_is_told() -> None:
    """The status line said 200. What is raised now only cuts the connection."""
    seen, raised = await read(Said("a", "b", "c", task.ProviderFailed("overloaded")))
    expected = told(
        A, ("delta", {"text": "b"}), ("delta", {"text": "c"}), ("error", {"message": "overloaded", "texts": 3})
    )
    assert raised is None, f"behind three texts {raised!r} came out: a reader takes that cut for the end"
    assert seen == expected, f"the provider failed behind three texts; seen was {seen}, not {expected}"


@pytest.mark.task(6)
async def test_a_stream_that_breaks_off_is_told() -> None:
    """Half an answer that looks like a whole one is worse than none."""
    seen, raised = await read(Said("a"))
    assert raised is None, f"behind one text the stream ended without a Finish, and {raised!r} came out"
    events = json.loads(seen)
    assert [event[0] for event in events] == ["delta", "error"], (
        f"behind one text the stream ended without a Finish, and the reader saw {seen}: an `error` belongs there"
    )
    last = events[-1][1]
    assert sorted(last) == ["message", "texts"] and last["texts"] == 1 and last["message"], (
        f"the `error` was {last}, and has a message of yours and how many texts have come: 1"
    )


@pytest.mark.task(6)
async def test_a_bug_gives_nothing_away(caplog: pytest.LogCaptureFixture) -> None:
    """The reader needs to know that it is over. Only the log needs to know why."""
    with caplog.at_level(logging.DEBUG):
        seen, raised = await read(Said("a", KeyError("sk-secret")))
    assert raised is None, f"behind one text {raised!r} came out"
    events = json.loads(seen)
    assert [event[0] for event in events] == ["delta", "error"] and events[-1][1].get("texts") == 1, (
        f"a bug behind one text, and the reader saw {seen}; wanted is one `error` with texts 1"
    )
    assert "secret" not in seen and "KeyError" not in seen, f"the reader learned about the inside: {seen}"
    logged = [one for one in caplog.records if one.levelno >= logging.ERROR and one.exc_info]
    assert len(logged) == 1, (
        f"a bug was logged {len(logged)} times with its traceback, at ERROR; once is what whoever is on call needs"
    )


@pytest.mark.task(6)
async def test_a_cancellation_goes_on() -> None:
    """Whoever answers a cancellation with an event holds up the shutdown, and writes to nobody."""
    for parts in ([], ["a"]):
        events, cancelled = [], False
        try:
            async for event in task.as_events(Said(*parts, asyncio.CancelledError())):
                events.append(event.name)
        except asyncio.CancelledError:
            cancelled = True
        assert cancelled and events == ["delta"] * len(parts), (
            f"cancelled behind {len(parts)} texts: the events were {events}, and the cancellation "
            f"{'went on' if cancelled else 'ended there'}. `except BaseException` catches it, too."
        )
