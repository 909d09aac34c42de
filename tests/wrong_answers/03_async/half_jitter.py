# fails: 03.5
# says: jitter that is not full
"""A few per cent of jitter on top of a fixed wait."""

# >>> 03.5
waits: list[float] = []
while True:
    try:
        return await call()
    except LLMError as error:
        passes = error.status is None or error.status in (408, 409, 429) or error.status >= 500
        # On top of Retry-After: everybody else was told the same number of seconds.
        wait_s = (error.retry_after_s or 0) + min(cap_s, base_s * 2 ** len(waits)) * random.uniform(0.5, 1)
        if not passes or len(waits) >= retries or sum(waits) + wait_s > budget_s:
            raise
    waits.append(wait_s)
    await asyncio.sleep(wait_s)
# <<< 03.5
