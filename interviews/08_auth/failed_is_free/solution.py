"""Interview - a quota that forgives the provider's failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio


class OverQuota(Exception):
    """Given: there is no room for this call."""


class ProviderFailed(Exception):
    """Given: the provider gave no answer, or broke off."""


class Quota(dict[str, int]):
    """Given: tokens spent, by who spent them. Each method is one step, as a script in Redis is."""

    async def spend(self, who: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit; else add nothing and return False."""
        await asyncio.sleep(0)
        total = self.get(who, 0) + tokens
        if total <= limit:
            self[who] = total
        return total <= limit

    async def settle(self, who: str, tokens: int) -> None:
        """Add tokens whatever the limit says; a negative number gives back."""
        await asyncio.sleep(0)
        self[who] = self.get(who, 0) + tokens


@dataclass
class Bill:
    """Given: what a call has used so far."""

    tokens: int = 0


@asynccontextmanager
async def spending(quota: Quota, who: str, estimate: int, *, limit: int = 500) -> AsyncIterator[Bill]:
    """Reserve `estimate` tokens, let the block work, then charge what its Bill says; nothing if the provider failed.

    Raises:
        OverQuota: the estimate does not fit; the block does not run.
    """
    # TODO 08.7: reserve, then settle, however the block ends.
    # >>> solution
    if not await quota.spend(who, estimate, limit):
        raise OverQuota(f"{who} has no room for {estimate} tokens")
    bill, failed = Bill(), False
    try:
        yield bill
    except ProviderFailed:
        failed = True
        raise
    finally:
        with anyio.CancelScope(shield=True):  # when a reader leaves, every await in here would be cancelled too
            await quota.settle(who, (0 if failed else bill.tokens) - estimate)
    # --- stub
    # raise NotImplementedError("TODO 08.7")
    # yield Bill()
    # <<< solution
