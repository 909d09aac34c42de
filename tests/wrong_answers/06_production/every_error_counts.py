# fails: 06.7
# says: which is an answer about the request
"""A 400 and a bug of ours count like an outage."""

# >>> 06.7
tries = self.open_until is not None
if self.open_until is not None and (self.trying or time.monotonic() < self.open_until):
    raise LLMError(f"{self.name} is left alone", 503, max(self.open_until - time.monotonic(), 1.0))
self.trying = self.trying or tries
try:
    answer = await work()
except Exception as error:
    if True:
        self.failed += 1
        if tries or self.failed >= self.failures:
            self.open_until = time.monotonic() + max(self.cooldown_s, getattr(error, "retry_after_s", None) or 0.0)
    else:  # it answers; what it refuses is this request
        self.failed, self.open_until = 0, None
    raise
finally:  # subtle: also a call that is cancelled has to make room for the next one that tries
    if tries:
        self.trying = False
self.failed, self.open_until = 0, None
return answer
# <<< 06.7
