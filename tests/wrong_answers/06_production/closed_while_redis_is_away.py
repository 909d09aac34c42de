# fails: 06.2
# says: Redis is gone, and the request ends with ConnectionError
"""Whatever Redis says comes out of the limiter: a 500 for everybody."""

# >>> 06.2
now = time.monotonic()
if self.redis:
    asked = (f"limit:{caller}", self.limit, self.window_s, uuid.uuid4().hex)
    counted, age_s = await self.redis.eval(COUNT, 1, *asked)
    return Verdict(counted < self.limit, max(self.limit - counted - 1, 0), self.window_s - float(age_s))
hits = self.hits[caller]
while hits and hits[0] <= now - self.window_s:
    hits.popleft()
if allowed := len(hits) < self.limit:
    hits.append(now)
return Verdict(allowed, self.limit - len(hits), hits[0] + self.window_s - now)
# <<< 06.2
