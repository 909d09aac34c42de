# fails: 06.7
# says: in a row or not
"""As lesson 06 has it: it opens after so many failures in a row."""

# >>> 06.7
def __init__(self, now: Callable[[], float], *, last: int = 10, cooldown_s: float = 30) -> None:
    self.now, self.last, self.cooldown_s = now, last, cooldown_s
    self.failed = 0
    self.open_until: float | None = None
    self.trying = False

async def call(self, work: Callable[[], Awaitable[T]]) -> T:
    tries = self.open_until is not None
    if self.open_until is not None and (self.trying or self.now() < self.open_until):
        raise LeftAlone(max(self.open_until - self.now(), 0))
    self.trying = self.trying or tries
    try:
        answer = await work()
    except ProviderDown:
        self.failed += 1
        if tries or self.failed >= self.last:
            self.open_until = self.now() + self.cooldown_s
        raise
    finally:
        if tries:
            self.trying = False
    self.failed, self.open_until = 0, None
    return answer
# <<< 06.7
