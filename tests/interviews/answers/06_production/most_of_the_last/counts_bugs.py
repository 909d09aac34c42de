# fails: 06.7
# says: A bug is neither a failure nor an answer
"""Takes every exception for the provider's."""

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
    except Exception:
        self._count(failed=True, tries=tries)
        raise
    finally:  # subtle: also when it is cancelled or has a bug, or nobody would ever try again
        if tries:
            self.trying = False
    self._count(failed=False, tries=tries)
    return answer

def _count(self, *, failed: bool, tries: bool) -> None:
    if tries and not failed:
        self.open_until = None
        self.failed.clear()
        return
    self.failed.append(failed)
    enough = len(self.failed) == self.failed.maxlen
    if tries or (enough and sum(self.failed) * 2 >= len(self.failed)):
        self.open_until = self.now() + self.cooldown_s
# <<< 06.7
