# fails: 06.7
# says: the place is taken for ever
"""Frees the place of the one who tries only when that one has an outcome."""

# >>> 06.7
def __init__(self, now: Callable[[], float], *, last: int = 10, cooldown_s: float = 30) -> None:
    self.now, self.cooldown_s = now, cooldown_s
    self.failed: deque[bool] = deque(maxlen=last)  # of each of the last calls, whether it has
    self.open_until: float | None = None  # None: closed
    self.trying = False

async def call(self, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `await work()` returns; raise LeftAlone if nobody is to be asked now."""
    tries = self.open_until is not None
    if self.open_until is not None and (self.trying or self.now() < self.open_until):
        raise LeftAlone(max(self.open_until - self.now(), 0))
    self.trying = self.trying or tries
    try:
        answer = await work()
    except ProviderDown:
        self._count(failed=True, tries=tries)
        raise
    self._count(failed=False, tries=tries)
    return answer

def _count(self, *, failed: bool, tries: bool) -> None:
    self.trying = False
    if tries and not failed:
        self.open_until = None
        self.failed.clear()
        return
    self.failed.append(failed)
    enough = len(self.failed) == self.failed.maxlen
    if tries or (enough and sum(self.failed) * 2 >= len(self.failed)):
        self.open_until = self.now() + self.cooldown_s
# <<< 06.7
