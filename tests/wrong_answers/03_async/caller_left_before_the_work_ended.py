# fails: 03.8
# says: it was cancelled, but not awaited
"""The work is asked to end, and nobody waits until it has."""

# >>> 03.8
async def left() -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

working, leaving = asyncio.ensure_future(work()), asyncio.ensure_future(left())
try:
    await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        return working.result()
    raise CallerLeft
finally:  # wait() leaves both running, also when it is cancelled itself
    working.cancel()
    leaving.cancel()
# <<< 03.8
