# fails: 03.8
# says: is not cancelled
"""The task that watches the caller is never ended."""

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
    await asyncio.gather(working, return_exceptions=True)
# <<< 03.8
