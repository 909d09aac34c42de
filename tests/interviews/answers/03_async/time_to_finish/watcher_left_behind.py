# fails: 03.8
# says: Whoever waits for the leaving has to be ended too
"""Ends the work and forgets who waited for the leaving."""

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
    await asyncio.gather(working, return_exceptions=True)
# <<< 03.8
