# fails: 06.2
# says: The second outage is another one
"""Logs that Redis is away, once in the life of the process."""

# >>> 06.2
now = time.monotonic()
if self.redis and now >= self.ask_at:
    if self.away:
        self.ask_at = now + self.rest_s  # one asks whether it is back, and nobody waits with it
    try:
        async with asyncio.timeout(self.patience_s):
            asked = (f"limit:{caller}", self.limit, self.window_s, uuid.uuid4().hex)
            counted, age_s = await self.redis.eval(COUNT, 1, *asked)
        self.ask_at = 0.0
        return Verdict(counted < self.limit, max(self.limit - counted - 1, 0), self.window_s - float(age_s))
    except (RedisError, OSError, TimeoutError) as error:
        if not self.away:
            log.warning("rate limit: without Redis each process counts for itself (%s)", type(error).__name__)
        self.away, self.ask_at = True, time.monotonic() + self.rest_s
if now >= self.sweep_at:  # once a window: an address or a key that came once is not kept for ever
    young = {one: at for one, at in self.hits.items() if at[-1] > now - self.window_s}
    self.hits, self.sweep_at = defaultdict(deque, young), now + self.window_s
hits = self.hits[caller]
while hits and hits[0] <= now - self.window_s:
    hits.popleft()
if allowed := len(hits) < self.limit:
    hits.append(now)
return Verdict(allowed, self.limit - len(hits), self.window_s - (now - hits[0]))
# <<< 06.2
