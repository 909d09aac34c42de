# fails: 06.7
# says: when it closes, the count starts again
"""Closes, and keeps the count of the failures that opened it: the next one opens it again."""

# >>> 06.7
tries = self.open_until is not None
if self.open_until is not None and (self.trying or time.monotonic() < self.open_until):
    raise LLMError(f"{self.name} is left alone", 503, max(self.open_until - time.monotonic(), 1.0))
self.trying = self.trying or tries
try:
    answer = await work()
except LLMError as error:
    if error.passes:
        self.failed += 1
        if tries or self.failed >= self.failures:
            self.open_until = time.monotonic() + max(self.cooldown_s, error.retry_after_s or 0.0)
    else:  # it answers; what it refuses is this request
        self.failed, self.open_until = 0, None
    raise
finally:  # subtle: also a call that is cancelled has to make room for the next one that tries
    if tries:
        self.trying = False
if not tries:
    self.failed = 0
self.open_until = None
return answer
# <<< 06.7
