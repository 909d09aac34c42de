"""What the brief promises, seen from outside, on a clock that jumps to whatever is waited for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from . import solution as task


class Model:
    """Gives these items: a number is so many seconds of silence, an exception is raised, a text is a part."""

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.cancelled = False

    async def parts(self) -> AsyncIterator[str]:
        """Speak."""
        try:
            for item in self.items:
                if isinstance(item, BaseException):
                    raise item
                elif isinstance(item, str):
                    yield item
                else:
                    await asyncio.sleep(item)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def read(model: Model, *, reader_s: float = 0, **options: Any) -> tuple[list[tuple[str, float]], Any, float]:
    """Each part with the second at which it came, what was raised, and the second at which it was over."""
    clock, texts, error = asyncio.get_running_loop().time, list[tuple[str, float]](), None
    began = clock()
    try:
        async for text in task.with_deadlines(model.parts(), **options):
            texts.append((text, round(clock() - began, 3)))
            await asyncio.sleep(reader_s)
    except (task.ModelSilent, TimeoutError, ConnectionError) as raised:
        error = raised
    return texts, error, round(clock() - began, 3)


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_parts_in_time_are_handed_on() -> None:
    """A wrapper that collects or loses a part is found by users, in their answers."""
    seen, error, _ = await read(Model(2, "a", "b", 3, "c", 1), first_s=4, total_s=20)
    assert (seen, error) == ([("a", 2), ("b", 2), ("c", 5)], None), (
        f"parts came after 2, 2 and 5 s, and the model ended after 6; seen was {seen} and {error!r}"
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_the_first_part_has_a_deadline() -> None:
    """Until the first word a user sees nothing; that is when they leave."""
    for silence_s, options in ((5, {"first_s": 4, "total_s": 20}), (9, {"first_s": 8, "total_s": 3})):
        limit_s = min(options.values())
        seen, error, at_s = await read(Model(silence_s, "a"), **options)
        assert type(error) is task.ModelSilent and at_s == limit_s, (
            f"{options}, and the first part takes {silence_s} s: after {at_s} s came {error!r}, with {seen} read. "
            f"Wanted is ModelSilent after {limit_s} s."
        )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_one_budget_for_all_the_waiting() -> None:
    """A word every nine seconds breaks no deadline of ten, and holds a connection for an hour."""
    seen, error, at_s = await read(Model(*[3, "word"] * 10), first_s=5, total_s=10)
    assert type(error) is task.ModelSilent, (
        f"total_s=10, and a word every 3 s: after {at_s} s came {error!r}, with {len(seen)} words read. "
        "A deadline that starts again at each part never ends a model that dribbles: one budget is left for all."
    )
    assert (len(seen), at_s) == (3, 10), (
        f"total_s=10, and a word every 3 s: ModelSilent came after {at_s} s and {len(seen)} words, not after 10 s and "
        "3 words. The wait for the first part counts, and the sum may be reached in the middle of a wait."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_the_default_budget() -> None:
    """A default is a promise too: the proxy in front was set by it."""
    seen, error, at_s = await read(Model(1, "a", 40 + 5, "b"), first_s=5)
    assert type(error) is task.ModelSilent and (len(seen), at_s) == (1, 40), (
        f"no total_s given, one word and then silence: after {at_s} s came {error!r}; wanted is ModelSilent after 40 s"
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_the_readers_time_does_not_count() -> None:
    """A timeout around a `yield` measures the phone in the tunnel, and blames the model."""
    seen, error, at_s = await read(Model(1, "a", 1, "b", 1, "c"), reader_s=60, first_s=4, total_s=10)
    assert error is None and len(seen) == 3, (
        f"total_s=10, the model took 3 s in all, and the reader a minute for each part: after {at_s} s came {error!r}, "
        f"with {len(seen)} of 3 parts read. Only waiting for `parts` counts."
    )


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_nobody_waits_for_a_model_that_was_given_up() -> None:
    """An open call goes on costing money until somebody cancels it."""
    tasks = len(asyncio.all_tasks())
    model = Model(1, "a", 100, "b")
    _, error, at_s = await read(model, first_s=4, total_s=10)
    assert type(error) is task.ModelSilent and at_s == 10, (
        f"total_s=10, the model stops after 1 s: after {at_s} s came {error!r}"
    )
    assert model.cancelled, "ModelSilent was raised, and the step that was awaited still waits for the model"
    left = len(asyncio.all_tasks()) - tasks
    assert left == 0, f"ModelSilent was raised, and {left} tasks were left behind"


@pytest.mark.task(7)
@pytest.mark.looptime
async def test_an_error_of_the_model_is_its_own() -> None:
    """A full pool that is reported as a silent model sends whoever is on call to the wrong place."""
    for raised in (ConnectionError("refused"), TimeoutError("the pool is full")):
        _, error, _ = await read(Model(1, "a", raised), first_s=4, total_s=10)
        assert error is raised, (
            f"in time the model raised {raised!r}, and out came {error!r}. "
            "A TimeoutError need not be yours: asyncio.timeout() knows whether it has expired."
        )
