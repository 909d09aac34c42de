# fails: 06.2
# says: 20 means that each counts for itself
"""Exact, quick, and in the memory of one of four workers."""

# >>> 06.2
now = time.monotonic()
hits = self.hits[caller]
while hits and hits[0] <= now - self.window_s:
    hits.popleft()
if allowed := len(hits) < self.limit:
    hits.append(now)
return Verdict(allowed, self.limit - len(hits), hits[0] + self.window_s - now)
# <<< 06.2
