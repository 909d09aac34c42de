# fails: 03.8
# says: cancel() only asks
"""cancel() is called, and the function returns before anything has ended."""

# >>> 03.8
working, leaving = asyncio.ensure_future(work()), asyncio.ensure_future(gone.wait())
try:
    await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        return working.result()
    await asyncio.wait({working}, timeout=grace_s)
    if working.done() and working.exception() is None:
        save_late(working.result())
    raise CallerLeft
finally:
    working.cancel()
    leaving.cancel()
# <<< 03.8
