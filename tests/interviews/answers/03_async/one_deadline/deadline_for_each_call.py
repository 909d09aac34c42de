# fails: 03.5
# says: counted from the first call and not from each
"""wait_for() around each call: every try gets the whole time again."""

# >>> 03.5
now = asyncio.get_running_loop().time
end, wait_s = now() + deadline_s, min(base_s, cap_s)
while True:
    try:
        return await asyncio.wait_for(call(), deadline_s)
    except CallFailed as error:
        passes = error.status is None or error.status == 429 or error.status >= 500
        if not passes or now() + wait_s >= end:
            raise
    await asyncio.sleep(wait_s)
    wait_s = min(wait_s * 2, cap_s)
# <<< 03.5
