"""What the brief promises, seen from outside: what stands in the quota when a call is over."""

import asyncio
from typing import Any

import anyio
import pytest

from . import solution as task


async def outcome(quota: Any, *, estimate: int, tokens: int, error: BaseException | None = None, **options: Any) -> Any:
    """Spend some tokens, then raise an error, if there is one; return what came out."""
    try:
        async with task.spending(quota, "ada", estimate, **options) as bill:
            bill.tokens += tokens
            await asyncio.sleep(0)
            if error:
                raise error
    except NotImplementedError:
        raise
    except Exception as raised:
        return raised
    return "done"


@pytest.mark.task(7)
async def test_what_does_not_fit_is_refused() -> None:
    """A limit that is looked at afterwards is a report."""
    quota = task.Quota(ada=60)
    seen = await outcome(quota, estimate=50, tokens=9, limit=100)
    assert type(seen) is task.OverQuota, f"60 of 100 tokens are spent, the estimate is 50, and the call ended: {seen!r}"
    assert quota["ada"] == 60, f"a call was refused, and the sum went from 60 to {quota['ada']}"
    seen = await outcome(quota, estimate=40, tokens=9, limit=100)
    assert (seen, quota["ada"]) == ("done", 69), f"60 of 100, an estimate of 40, used 9: {seen!r}, {quota['ada']} spent"


@pytest.mark.task(7)
async def test_the_default_limit() -> None:
    """A default is a promise too: it stands in somebody's contract."""
    seen = [await outcome(task.Quota(), estimate=estimate, tokens=1) for estimate in (500, 500 + 1)]
    assert seen[0] == "done" and type(seen[1]) is task.OverQuota, (
        f"without `limit`, estimates of 500 and {500 + 1} ended: {seen}; the limit is 500"
    )


@pytest.mark.task(7)
async def test_the_limit_holds_under_load() -> None:
    """Two hundred calls in the same moment all see the same room."""
    quota, seen = task.Quota(), []
    gate = asyncio.Event()

    async def call() -> None:
        try:
            async with task.spending(quota, "ada", 1, limit=10) as bill:
                seen.append("ran")
                await gate.wait()
                bill.tokens += 1
        except task.OverQuota:
            seen.append("refused")

    calls = [asyncio.ensure_future(call()) for _ in range(200)]
    for _ in range(50):
        await asyncio.sleep(0)
    reserved = quota.get("ada", 0)
    gate.set()
    await asyncio.gather(*calls)
    assert (seen.count("ran"), reserved, quota["ada"]) == (10, 10, 10), (
        f"limit=10 and 200 calls of one token: {seen.count('ran')} ran, {reserved} were reserved meanwhile and "
        f"{quota['ada']} charged, and each should be 10. Looking first and adding then are two steps."
    )


@pytest.mark.task(7)
async def test_what_was_used_is_charged() -> None:
    """An estimate is a guess, and nobody pays for guesses."""
    for tokens in (0, 7, 50, 90):
        quota = task.Quota(ada=3)
        seen = await outcome(quota, estimate=50, tokens=tokens, limit=100)
        assert (seen, quota["ada"]) == ("done", 3 + tokens), (
            f"3 were spent, the estimate was 50, {tokens} were used: it ended {seen!r} with {quota['ada']} spent"
        )


@pytest.mark.task(7)
async def test_any_other_error_is_charged() -> None:
    """Our bug after the last token is no gift of the provider's, who sends the bill all the same."""
    for error in (KeyError("choices"), ConnectionError("the reader's"), ValueError()):
        quota = task.Quota()
        seen = await outcome(quota, estimate=50, tokens=7, error=error, limit=100)
        assert seen is error, f"the block raised {error!r}, and out came {seen!r}"
        assert quota["ada"] == 7, (
            f"7 tokens were used, the block raised {error!r}, and {quota['ada']} were charged. "
            "Only the provider's failure is free."
        )


@pytest.mark.task(7)
async def test_a_call_that_the_provider_failed_is_free() -> None:
    """Half an answer is no answer, and whoever pays for it writes to support."""

    class BrokeOff(task.ProviderFailed):
        """A kind of failure."""

    for kind in (task.ProviderFailed, BrokeOff):
        for tokens in (0, 7, 90):
            quota, error = task.Quota(ada=3), kind("503")
            seen = await outcome(quota, estimate=50, tokens=tokens, error=error, limit=100)
            assert quota["ada"] == 3, (
                f"the provider failed after {tokens} tokens, the estimate was 50, and {quota['ada'] - 3} were charged. "
                "Such a call costs nothing, whatever stands on its bill, and gives back what was reserved."
            )
            assert seen is error, f"the block raised {error!r}, and out came {seen!r}: swallowed, it looks like success"


@pytest.mark.task(7)
async def test_who_leaves_pays_for_what_has_come() -> None:
    """Otherwise whoever closes the tab before the last token reads for nothing."""
    for how in ("a task that is cancelled", "a task group of anyio that is cancelled"):
        quota = task.Quota()
        began = asyncio.Event()

        async def call(quota: Any = quota, began: asyncio.Event = began) -> None:
            async with task.spending(quota, "ada", 50, limit=100) as bill:
                bill.tokens += 10
                began.set()
                await asyncio.sleep(60)

        if how.startswith("a task group"):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                await began.wait()
                group.cancel_scope.cancel()
        else:
            one = asyncio.ensure_future(call())
            waiting = asyncio.ensure_future(began.wait())
            await asyncio.wait({one, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            ended = not one.cancel()
            await asyncio.wait({one})
            if ended:
                one.result()  # what it raised instead of waiting
        assert quota.get("ada", 0) == 10, (
            f"{how}: the estimate was 50, 10 tokens had come, and {quota.get('ada', 0)} were charged. "
            "50 means that settling was cancelled too, 0 that leaving is free."
        )
