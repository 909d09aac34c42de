"""What the brief promises, seen from outside. No clock: calls end when the test lets them."""

import asyncio
from typing import Any

import pytest

from . import solution as task


class Model:
    """Answers "re: prompt"; a prompt "401" fails with that status, "bug" is a TypeError, others wait until let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.open = self.peak = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.held = held

    async def __call__(self, prompt: str) -> str:
        """Be open for some turns of the loop, then answer or fail."""
        self.began.append(prompt)
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            await turns(10)  # so that calls that are started together are open together
            if prompt.isdigit():
                raise task.CallFailed(int(prompt))
            if prompt == "bug":
                raise TypeError("a bug")
            if self.held:
                await self.gates.setdefault(prompt, asyncio.Event()).wait()
            return f"re: {prompt}"
        finally:
            await turns(3)  # a call that is cancelled has its connection to close
            self.open -= 1
            self.ended.append(prompt)

    def let_go(self, prompt: str) -> None:
        """Let one call answer."""
        self.gates.setdefault(prompt, asyncio.Event()).set()


async def turns(n: int) -> None:
    """Let the event loop go round `n` times."""
    for _ in range(n):
        await asyncio.sleep(0)


async def outcome(model: Model, prompts: list[str], **options: Any) -> Any:
    """What ask_all returns or raises, with those of its calls that are still open."""
    try:
        return await task.ask_all(model, prompts, **options)
    except (NotImplementedError, asyncio.CancelledError):
        raise
    except BaseException as error:
        return error


@pytest.mark.task(4)
async def test_never_more_than_limit_are_open() -> None:
    """Providers answer 429 to whoever opens fifty calls at once."""
    for limit in (1, 2, 4):
        model = Model()
        await task.ask_all(model, list("abcde"), limit=limit)
        assert model.peak == limit, (
            f"limit={limit}, five prompts, and {model.peak} calls were open at the same moment. "
            "1 means one after another; 5 means nothing held them back."
        )


@pytest.mark.task(4)
async def test_without_a_limit_seven_run() -> None:
    """A default is a promise too: somebody sized the account by it."""
    model = Model()
    await task.ask_all(model, [f"prompt {letter}" for letter in "abcdefghijkl"])
    assert model.peak == 7, f"twelve prompts and no limit given: {model.peak} calls were open at once, not 7"


@pytest.mark.task(4)
async def test_the_next_starts_when_any_ends() -> None:
    """In groups of `limit` every group waits for its slowest call."""
    model = Model(held=True)
    batch = asyncio.ensure_future(outcome(model, ["a", "b", "c"], limit=2))
    await turns(50)
    model.let_go("b")
    await turns(50)
    began = list(model.began)
    for prompt in "abc":
        model.let_go(prompt)
    answers = await batch
    assert began == ["a", "b", "c"], (
        f"limit=2, three prompts, the second call has ended, and {began} have begun; c should be under way. "
        "Work in groups of `limit` waits for the slowest of each group."
    )
    assert answers == ["re: a", "re: b", "re: c"], f"b ended first, and the answers were {answers}"


@pytest.mark.task(4)
async def test_a_failed_call_stands_in_its_place() -> None:
    """Forty-nine answers that were paid for, thrown away for one 500."""
    seen = await outcome(Model(), ["a", "500", "c", "429"], limit=3)
    plain = [getattr(one, "status", one) for one in seen] if isinstance(seen, list) else seen
    assert plain == ["re: a", 500, "re: c", 429], (
        f"the second call failed with 500, the fourth with 429, and the batch ended with {plain!r}. "
        "Only 401 ends it; another CallFailed stands where its answer would."
    )


@pytest.mark.task(4)
async def test_a_refused_key_ends_the_batch() -> None:
    """The key is wrong for every call: going on earns nothing but a locked account."""
    model = Model(held=True)
    batch = asyncio.ensure_future(outcome(model, ["a", "401", "c", "d"], limit=3))
    await turns(100)
    running, ended, began = model.open, batch.done(), list(model.began)
    for prompt in "acd":
        model.let_go(prompt)
    seen = await batch
    assert ended, (
        f"the key was refused with 401 while two calls were open, and the batch goes on: {began} have begun. "
        "A 401 is no entry of the list: it ends the batch."
    )
    assert type(seen) is task.CallFailed and seen.status == 401, (
        f"the key was refused, and the batch ended with {seen!r}. Wanted is the CallFailed itself: "
        "a task group wraps it, and `except*` or looking at the tasks takes it out."
    )
    assert running == 0, (
        f"the batch has raised, and {running} of its calls still run. "
        "gather() leaves the others running when one raises; cancel them, and wait until they have ended."
    )
    assert "d" not in began, (
        "a fourth call began after the key was refused. Whoever waits for a slot is woken when the refused call gives "
        "it back, and that is before anything is cancelled."
    )


@pytest.mark.task(4)
async def test_a_bug_is_raised_and_nothing_runs_on() -> None:
    """A TypeError that is handed out as an answer is found next month."""
    model = Model(held=True)
    batch = asyncio.ensure_future(outcome(model, ["a", "bug", "c"], limit=3))
    await turns(100)
    running, ended = model.open, batch.done()
    for prompt in "ac":
        model.let_go(prompt)
    seen = await batch
    assert ended and isinstance(seen, BaseException), (
        f"one call raised a TypeError, and the batch {'returned ' + repr(seen) if ended else 'went on'}. "
        "Only CallFailed is an answer: `except Exception` hides every bug there is."
    )
    bugs = seen.exceptions if isinstance(seen, BaseExceptionGroup) else [seen]
    assert any(isinstance(one, TypeError) for one in bugs), f"one call raised a TypeError, and out came {seen!r}"
    assert running == 0, f"the batch has raised, and {running} of its calls still run"


@pytest.mark.task(4)
async def test_a_limit_below_one_is_refused() -> None:
    """Semaphore(0) waits for ever, and so does whoever called."""
    for limit in (0, -1):
        model = Model()
        seen = await asyncio.wait_for(outcome(model, ["a"], limit=limit), 3)
        assert type(seen) is ValueError and not model.began, (
            f"limit={limit}: seen {seen!r} after {len(model.began)} calls; wanted is ValueError before any"
        )
