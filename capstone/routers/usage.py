"""GET /usage: what a tenant used, and what is left for today."""

import time
from typing import Annotated

from fastapi import APIRouter, Query

from capstone.dependencies import Caller, ChatDep, StoreDep
from capstone.schemas.auth import DayOut, UsageOut
from capstone.store.usage import DAY_S

router = APIRouter(tags=["usage"])


@router.get("/usage")
async def read_usage(
    caller: Caller, store: StoreDep, chat: ChatDep, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> UsageOut:
    """Return what your tenant used by day and model, and how much of today's tokens your key has used."""
    since = (time.time() // DAY_S - days + 1) * DAY_S
    return UsageOut(
        tokens_today=await chat.quota.spent(caller.id),
        tokens_per_day=caller.token_limit,
        days=[DayOut.model_validate(one) for one in await store.usage.by_day(caller.tenant, since=since)],
    )
