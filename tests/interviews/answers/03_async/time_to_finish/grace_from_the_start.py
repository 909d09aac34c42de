# fails: 03.8
# says: The seconds of grace begin when the caller leaves
"""One timeout for the whole work."""

# >>> 03.8
working = asyncio.ensure_future(work())
try:
    answer = await asyncio.wait_for(asyncio.shield(working), grace_s)
except TimeoutError:
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    raise CallerLeft from None
if gone.is_set():
    save_late(answer)
    raise CallerLeft
return answer
# <<< 03.8
