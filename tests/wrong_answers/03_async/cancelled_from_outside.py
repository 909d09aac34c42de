# fails: 03.8
# says: leave their tasks running when they are cancelled
"""Cancels when the caller leaves, but not when it is cancelled itself."""

# >>> 03.8
async def left() -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

working, leaving = asyncio.ensure_future(work()), asyncio.ensure_future(left())
await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
leaving.cancel()
if not working.done():
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    raise CallerLeft
return working.result()
# <<< 03.8
