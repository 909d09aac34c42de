# fails: 06.8
# says: errors are not kept
"""Keeps the task itself, and with it its exception."""

# >>> 06.8
def __init__(self, now: Callable[[], float], *, ttl_s: float = 600) -> None:
    self.now, self.ttl_s = now, ttl_s
    self.kept: dict[str, tuple[float, str]] = {}  # key -> until when, the answer
    self.flights: dict[str, Flight] = {}

async def get_answer(self, key: str, ask: Ask) -> str:
    flight = self.flights.get(key)
    if flight is None or (key in self.kept and self.now() >= self.kept[key][0]):
        flight = self.flights[key] = Flight(asyncio.ensure_future(self._ask(key, ask)))
        self.kept.pop(key, None)
    flight.waiting += 1
    try:
        return await asyncio.shield(flight.task)
    finally:
        flight.waiting -= 1
        if not flight.waiting and not flight.task.done():
            flight.task.cancel()
            self.flights.pop(key, None)

async def _ask(self, key: str, ask: Ask) -> str:
    text = await ask()
    self.kept[key] = (self.now() + self.ttl_s, text)
    return text
# <<< 06.8
