# fails: 03.5
# says: A wait that would pass the budget is not begun
"""The retries are counted, the seconds are not."""

# >>> 03.5
waits: list[float] = []
while True:
    try:
        return await call()
    except LLMError as error:
        passes = error.status is None or error.status in (408, 409, 429) or error.status >= 500
        # On top of Retry-After: everybody else was told the same number of seconds.
        wait_s = (error.retry_after_s or 0) + random.uniform(0, min(cap_s, base_s * 2 ** len(waits)))
        if not passes or len(waits) >= retries:
            raise
    waits.append(wait_s)
    await asyncio.sleep(wait_s)
# <<< 03.5
