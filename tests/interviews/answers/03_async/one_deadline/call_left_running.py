# fails: 03.5
# says: the call still runs
"""wait() ends at the deadline, and what it waited for goes on."""

# >>> 03.5
now = asyncio.get_running_loop().time
end, wait_s = now() + deadline_s, min(base_s, cap_s)
while True:
    running = asyncio.ensure_future(call())
    done, _ = await asyncio.wait({running}, timeout=end - now())
    if not done:
        raise TimeoutError
    try:
        return running.result()
    except CallFailed as error:
        passes = error.status is None or error.status == 429 or error.status >= 500
        if not passes or now() + wait_s >= end:
            raise
    await asyncio.sleep(wait_s)
    wait_s = min(wait_s * 2, cap_s)
# <<< 03.5
