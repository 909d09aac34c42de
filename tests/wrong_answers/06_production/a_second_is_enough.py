# fails: 06.7
# says: the longer one counts
"""Waits as long as it was told, be it a second."""

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
            self.open_until = time.monotonic() + (error.retry_after_s or self.cooldown_s)
    else:  # it answers; what it refuses is this request
        self.failed, self.open_until = 0, None
    raise
finally:  # subtle: also a call that is cancelled has to make room for the next one that tries
    if tries:
        self.trying = False
self.failed, self.open_until = 0, None
return answer
# <<< 06.7
