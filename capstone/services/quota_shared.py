"""Tokens of all instances, counted in Redis: lesson 08's QuotaStore where a budget holds for all of them together.

What a call sets aside is a lease: it has a name, is renewed while its instance lives, and is settled once, however
often an answer of Redis gets lost. While Redis is away each instance counts on from the last sum that it was told, and
makes up for it afterwards: so a budget can be overdrawn by what was left of it, once for each instance, and no further.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from capstone.services.quota import DailyQuota
from capstone.services.shared import RedisAway, Shared
from capstone.store.database import DatabaseAway
from capstone.store.usage import DAY_S

LATE_S = 3_600  # what began before midnight is settled afterwards, but not after an hour

# KEYS of all: a hash (`spent`, `held`, and `since` when this count goes), and the leases by the time at which they end.
# A lease is called "tokens:random". One that has ended stays there, endless, so that settling it late works, and once.
SPEND = """
local tokens, limit, lease, seconds, kept_s, recorded = tonumber(ARGV[1]), tonumber(ARGV[2]), unpack(ARGV, 3)
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local spent, held, paid = unpack(redis.call('HMGET', KEYS[1], 'spent', 'held', lease))
if not spent then
    if recorded == '' then return {-1, 0} end
    spent, held = recorded, 0
    redis.call('DEL', KEYS[1], KEYS[2])
    redis.call('HSET', KEYS[1], 'spent', spent, 'held', held, 'since', string.format('%.6f', now))
    redis.call('EXPIRE', KEYS[1], kept_s)
end
for _, over in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE')) do
    held = redis.call('HINCRBY', KEYS[1], 'held', '-' .. string.match(over, '^%d+'))
    redis.call('ZADD', KEYS[2], '+inf', over)
end
local sum = spent + held
if paid or redis.call('ZSCORE', KEYS[2], lease) then return {1, sum} end
if sum + tokens > limit then return {0, sum} end
redis.call('HINCRBY', KEYS[1], 'held', tokens)
redis.call('ZADD', KEYS[2], now + seconds, lease)
redis.call('EXPIRE', KEYS[2], kept_s)
return {1, sum + tokens}
"""
# A lease that this count does not know was made while Redis was away, or before it has lost everything. If its call had
# ended by then, it is in the usage records that the count began with. It is noted as paid, so that it is paid once, and
# so that a Redis that was frozen does not set it aside yet.
PAY = """
local lease, charge, alone, made_at, ended_at = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4]), tonumber(ARGV[5])
local ends, since = redis.call('ZSCORE', KEYS[2], lease), tonumber(redis.call('HGET', KEYS[1], 'since'))
if since and (alone or made_at < since) then
    ends = ends or (ended_at > since and 'inf')
    if ends and redis.call('HSETNX', KEYS[1], lease, 1) == 0 then ends = false end
end
if ends then
    redis.call('ZREM', KEYS[2], lease)
    redis.call('HINCRBY', KEYS[1], 'spent', charge)
    if ends ~= 'inf' then redis.call('HINCRBY', KEYS[1], 'held', '-' .. string.match(lease, '^%d+')) end
end
local spent, held = unpack(redis.call('HMGET', KEYS[1], 'spent', 'held'))
return spent and spent + held or -1
"""
RENEW = """
local time = redis.call('TIME')
for n = 2, #ARGV do redis.call('ZADD', KEYS[2], 'XX', 'GT', time[1] + ARGV[1], ARGV[n]) end
return 0
"""


@dataclass(frozen=True)
class Lease:
    """Tokens that one call has set aside."""

    name: str
    principal_id: str
    day: int
    tokens: int
    made_at: float  # seconds since 1970
    alone: bool = False  # in this process, because Redis was away

    @property
    def keys(self) -> list[str]:
        """What Redis counts in."""
        return keys_of(self.principal_id, self.day)


@dataclass(frozen=True)
class Bill:
    """What a lease has cost in the end."""

    lease: Lease
    tokens: int
    ended_at: float  # seconds since 1970: when the usage records got it


@dataclass
class SharedQuota:
    """Counts for all instances."""

    shared: Shared
    alone: DailyQuota
    lease_s: float = 60.0
    _open: dict[str, Lease] = field(default_factory=dict[str, Lease])
    _unpaid: dict[str, Bill] = field(default_factory=dict[str, Bill])

    def __post_init__(self) -> None:
        """Prepare the scripts; the first call of each sends it."""
        self._spend, self._paying, self._renew = map(self.shared.client.register_script, (SPEND, PAY, RENEW))
        self.shared.back.append(self.make_up)

    def for_call(self) -> "Purse":
        """Return what one call spends from and settles with."""
        return Purse(self)

    async def spent(self, principal_id: str) -> int:
        """Return the tokens of today, those that are set aside among them."""
        key, client = keys_of(principal_id, self.alone.today())[0], self.shared.client
        try:
            spent, held = await self.shared.ask(lambda: client.hmget(key, "spent", "held"))
        except RedisAway:
            return await self.alone.spent(principal_id)
        return int(spent) + int(held) if spent else await self.alone.recorded(principal_id)

    async def set_aside(self, principal_id: str, tokens: int, limit: int) -> Lease | None:
        """Set tokens aside if the sum stays within the limit."""
        lease = self._lease(principal_id, tokens)
        kept_s = int((lease.day + 1) * DAY_S - self.alone.now()) + LATE_S
        wanted = (tokens, limit, lease.name, self.lease_s, kept_s)
        try:
            allowed, total = await self._run(self._spend, lease, *wanted, "")
            if allowed < 0:  # nobody has asked today, or Redis has lost it
                recorded = await self.alone.recorded(principal_id)
                allowed, total = await self._run(self._spend, lease, *wanted, recorded)
        except (RedisAway, DatabaseAway) as error:
            lease = replace(lease, alone=True)
            if await self.alone.spend(principal_id, tokens, limit):
                return lease
            if isinstance(error, RedisAway) and error.asked:  # a Redis that was frozen does it when it wakes up
                self._unpaid[lease.name] = Bill(lease, 0, self.alone.now())
            return None
        self._note(lease, total)
        if not allowed:
            return None
        self._open[lease.name] = lease
        return lease

    async def settle(self, principal_id: str, leases: Sequence[Lease], tokens: int) -> None:
        """Charge what was set aside, and `tokens` besides, which may be negative."""
        leases = leases or [replace(self._lease(principal_id, 0), alone=True)]
        bills = [Bill(lease, lease.tokens, self.alone.now()) for lease in leases]
        bills[0] = replace(bills[0], tokens=bills[0].tokens + tokens)
        for bill in bills:
            self._open.pop(bill.lease.name, None)
            self._unpaid[bill.lease.name] = bill  # whatever happens here, it is paid one day, and once
        try:
            for bill in bills:
                await self._pay(bill)
        except RedisAway:
            await self.alone.settle(principal_id, tokens)

    async def _pay(self, bill: Bill, *, anyway: bool = False) -> None:
        lease = bill.lease
        paid = lease.name, bill.tokens, int(lease.alone), lease.made_at, bill.ended_at
        self._note(lease, await self._run(self._paying, lease, *paid, anyway=anyway))
        self._unpaid.pop(lease.name, None)

    def _note(self, lease: Lease, total: int) -> None:
        """Remember the sum: from there this process counts on if it must."""
        if total >= 0 and lease.day == self.alone.today():
            self.alone.note(lease.principal_id, total)

    async def make_up(self) -> None:
        """Pay what was not paid while Redis was away."""
        await asyncio.gather(*(self._pay(bill, anyway=True) for bill in list(self._unpaid.values())))

    async def keep(self) -> None:
        """Renew the leases of calls that last, until cancelled: those of a killed instance end by themselves."""
        while True:
            await asyncio.sleep(self.lease_s / 3)
            held = defaultdict[tuple[str, int], list[Lease]](list)
            for lease in self._open.values():
                held[lease.principal_id, lease.day].append(lease)
            with suppress(RedisAway):
                for leases in held.values():
                    await self._run(self._renew, leases[0], self.lease_s, *(one.name for one in leases))
                for bill in list(self._unpaid.values()):  # of calls that were cut off in the middle of paying
                    await self._pay(bill)

    def _lease(self, principal_id: str, tokens: int) -> Lease:
        name = f"{tokens}:{uuid.uuid4().hex}"
        return Lease(name, principal_id, self.alone.today(), tokens, self.alone.now())

    async def _run(self, script: Any, lease: Lease, *values: Any, anyway: bool = False) -> Any:
        return await self.shared.run(script, lease.keys, values, anyway=anyway)


@dataclass(slots=True)
class Purse:
    """Lesson 08's QuotaStore for one call: it knows which lease is the call's."""

    quota: SharedQuota
    leases: list[Lease] = field(default_factory=list[Lease])

    async def spend(self, principal_id: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit; else add nothing and return False."""
        if lease := await self.quota.set_aside(principal_id, tokens, limit):
            self.leases.append(lease)
        return lease is not None

    async def settle(self, principal_id: str, tokens: int) -> None:
        """Add tokens whatever the limit says; a negative number gives back."""
        leases, self.leases = self.leases, []
        await self.quota.settle(principal_id, leases, tokens)


def keys_of(principal_id: str, day: int) -> list[str]:
    """Return what Redis counts in. The braces keep both on one machine of a cluster."""
    return [f"quota:{{{principal_id}}}:{day}", f"quota:{{{principal_id}}}:{day}:leases"]


@asynccontextmanager
async def open_quota(shared: Shared, alone: DailyQuota) -> AsyncIterator[SharedQuota]:
    """Hold open what counts for all instances."""
    quota = SharedQuota(shared, alone)
    keeping = asyncio.create_task(quota.keep(), name="quota leases")
    try:
        yield quota
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
