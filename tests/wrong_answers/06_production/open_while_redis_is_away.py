# fails: 06.2
# says: nothing holds while Redis is away
"""Fail open: better no limit than no service."""

# >>> 06.2
now = time.monotonic()
if self.redis:
    if now >= self.ask_at:
        try:
            async with asyncio.timeout(self.patience_s):
                asked = (f"limit:{caller}", self.limit, self.window_s, uuid.uuid4().hex)
                counted, age_s = await self.redis.eval(COUNT, 1, *asked)
            return Verdict(counted < self.limit, max(self.limit - counted - 1, 0), self.window_s - float(age_s))
        except (RedisError, OSError, TimeoutError):
            if now >= self.ask_at:
                log.warning("rate limit: no Redis, no limit")
            self.ask_at = time.monotonic() + self.rest_s
    return Verdict(True, self.limit, 0.0)
hits = self.hits[caller]
while hits and hits[0] <= now - self.window_s:
    hits.popleft()
if allowed := len(hits) < self.limit:
    hits.append(now)
return Verdict(allowed, self.limit - len(hits), hits[0] + self.window_s - now)
# <<< 06.2
