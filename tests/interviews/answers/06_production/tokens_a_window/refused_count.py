# fails: 06.2
# says: two requests of 5 were refused
"""Counts what it has refused."""

# >>> 06.2
def __init__(self, now: Callable[[], float], *, limit: int = 1000, window_s: float = 60) -> None:
    self.now, self.limit, self.window_s = now, limit, window_s
    self.passed: defaultdict[str, deque[tuple[float, int]]] = defaultdict(deque)  # caller -> (until, tokens)

def take(self, caller: str, tokens: int) -> Verdict:
    """Count one request of a caller, if it may pass.

    Raises:
        ValueError: `tokens` is below 1.
    """
    if tokens < 1:
        raise ValueError(f"a request has at least 1 token, got {tokens}")
    now, passed = self.now(), self.passed[caller]
    while passed and passed[0][0] <= now:
        passed.popleft()
    free = self.limit - sum(one for _, one in passed)
    if tokens <= free:
        passed.append((now + self.window_s, tokens))
        return Verdict(True, free - tokens, 0)
    # The oldest may free too little: go on until there is room for this one.
    room = free
    passed.append((now + self.window_s, tokens))
    for until, one in passed:
        room += one
        if tokens <= room:
            return Verdict(False, free, until - now)
    return Verdict(False, free, None)
# <<< 06.2
