# fails: 03.8
# says: Whoever cancels at once throws away what was nearly there
"""As lesson 03 has it: the caller leaves, the work is cancelled."""

# >>> 03.8
working, leaving = asyncio.ensure_future(work()), asyncio.ensure_future(gone.wait())
try:
    await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        return working.result()
    raise CallerLeft
finally:
    working.cancel()
    leaving.cancel()
    await asyncio.gather(working, leaving, return_exceptions=True)
# <<< 03.8
