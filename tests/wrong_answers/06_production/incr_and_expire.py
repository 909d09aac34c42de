# fails: 06.2
# says: a number that is counted up knows how many came
"""INCR, and EXPIRE with the first: the fixed window of every tutorial, in Redis only."""

# >>> 06.2
now = time.monotonic()
if self.redis and now >= self.ask_at:
    if self.away:
        self.ask_at = now + self.rest_s  # one asks whether it is back, and nobody waits with it
    try:
        async with asyncio.timeout(self.patience_s):
            count = "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end "
            count += "return {n, redis.call('PTTL', KEYS[1])}"
            n, left_ms = await self.redis.eval(count, 1, f"limit:{caller}", int(self.window_s))
            counted, age_s = n - 1, self.window_s - left_ms / 1000
        self.away, self.ask_at = False, 0.0
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
