# fails: 03.5
# says: the time of the calls counts
# says: no deadline covers the call
"""As lesson 03 has it: a budget for the waits, and no word about the calls."""

# >>> 03.5
waits: list[float] = []
while True:
    try:
        return await call()
    except CallFailed as error:
        passes = error.status is None or error.status == 429 or error.status >= 500
        wait_s = min(cap_s, base_s * 2 ** len(waits))
        if not passes or sum(waits) + wait_s > deadline_s:
            raise
    waits.append(wait_s)
    await asyncio.sleep(wait_s)
# <<< 03.5
