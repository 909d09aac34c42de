# fails: 04.7
# says: The reader left at the first heartbeat; still waiting
"""Nobody cancels the task that waits for the next event."""

# >>> 04.7 (2)
iterator, coming = aiter(events), None
try:
    while True:
        coming = asyncio.ensure_future(anext(iterator))
        # subtle: wait() leaves the task alone when time is up; wait_for() would cancel it and end the generator.
        while not (await asyncio.wait({coming}, timeout=every_s))[0]:
            yield None
        yield coming.result()
except StopAsyncIteration:
    return
# <<< 04.7
