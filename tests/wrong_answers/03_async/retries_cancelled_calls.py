# fails: 03.5
# says: CancelledError means stop
"""A bare except around everything: whoever cancels is ignored, and the call is made again."""

# >>> 03.5
waits: list[float] = []
while True:
    try:
        return await call()
    except LLMError as error:
        passes = error.status is None or error.status in (408, 409, 429) or error.status >= 500
        # On top of Retry-After: everybody else was told the same number of seconds.
        wait_s = (error.retry_after_s or 0) + random.uniform(0, min(cap_s, base_s * 2 ** len(waits)))
        if not passes or len(waits) >= retries or sum(waits) + wait_s > budget_s:
            raise
    waits.append(wait_s)
    try:
        await asyncio.sleep(wait_s)
    except:
        pass
# <<< 03.5
