# fails: 06.8
# says: Whoever comes while a call is on its way waits for that one
"""As lesson 06 has it: whoever finds no answer asks."""

# >>> 06.8
def __init__(self, now: Callable[[], float], *, ttl_s: float = 600) -> None:
    self.now, self.ttl_s = now, ttl_s
    self.kept: dict[str, tuple[float, str]] = {}  # key -> until when, the answer
    self.flights: dict[str, Flight] = {}

async def get_answer(self, key: str, ask: Ask) -> str:
    if key in self.kept and self.now() < self.kept[key][0]:
        return self.kept[key][1]
    text = await ask()
    self.kept[key] = (self.now() + self.ttl_s, text)
    return text
# <<< 06.8
