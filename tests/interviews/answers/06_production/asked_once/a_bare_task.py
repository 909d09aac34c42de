# fails: 06.8
# says: a cancellation goes down into it
"""Awaits the shared task, and with it whoever leaves cancels it."""

# >>> 06.8
def __init__(self, now: Callable[[], float], *, ttl_s: float = 600) -> None:
    self.now, self.ttl_s = now, ttl_s
    self.kept: dict[str, tuple[float, str]] = {}  # key -> until when, the answer
    self.flights: dict[str, Flight] = {}

async def get_answer(self, key: str, ask: Ask) -> str:
    if key in self.kept and self.now() < self.kept[key][0]:
        return self.kept[key][1]
    flight = self.flights.get(key)
    if flight is None or flight.task.done():
        flight = self.flights[key] = Flight(asyncio.ensure_future(ask()))
    text = await flight.task
    self.kept[key] = (self.now() + self.ttl_s, text)
    return text
# <<< 06.8
