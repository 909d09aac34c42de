# fails: 03.5
# says: the first call failed with status 408
"""Only 429 and the classic 5xx are retried: not 408, 409, 529, and not a broken connection."""

# >>> 03.5
waits: list[float] = []
while True:
    try:
        return await call()
    except LLMError as error:
        passes = error.status in (429, 500, 502, 503, 504)
        # On top of Retry-After: everybody else was told the same number of seconds.
        wait_s = (error.retry_after_s or 0) + random.uniform(0, min(cap_s, base_s * 2 ** len(waits)))
        if not passes or len(waits) >= retries or sum(waits) + wait_s > budget_s:
            raise
    waits.append(wait_s)
    await asyncio.sleep(wait_s)
# <<< 03.5
