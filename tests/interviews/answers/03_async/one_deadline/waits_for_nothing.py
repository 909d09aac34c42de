# fails: 03.5
# says: leaves no time for a call: raise that error at once
"""One timeout around everything: the last wait is cut instead of never begun."""

# >>> 03.5
wait_s = min(base_s, cap_s)
async with asyncio.timeout(deadline_s):
    while True:
        try:
            return await call()
        except CallFailed as error:
            if not (error.status is None or error.status == 429 or error.status >= 500):
                raise
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, cap_s)
# <<< 03.5
