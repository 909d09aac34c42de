# fails: 03.5
# says: never retry a 400
"""Every LLMError is retried, a 400 too."""

# >>> 03.5
waits: list[float] = []
while True:
    try:
        return await call()
    except LLMError as error:
        passes = True
        # On top of Retry-After: everybody else was told the same number of seconds.
        wait_s = (error.retry_after_s or 0) + random.uniform(0, min(cap_s, base_s * 2 ** len(waits)))
        if not passes or len(waits) >= retries or sum(waits) + wait_s > budget_s:
            raise
    waits.append(wait_s)
    await asyncio.sleep(wait_s)
# <<< 03.5
