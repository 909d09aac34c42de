# fails: 03.5
# says: `except Exception` retries bugs
"""`except Exception`: a TypeError is retried as if it could pass."""

# >>> 03.5
waits: list[float] = []
while True:
    try:
        return await call()
    except Exception as caught:
        error = caught if isinstance(caught, LLMError) else LLMError(repr(caught))
        passes = error.status is None or error.status in (408, 409, 429) or error.status >= 500
        # On top of Retry-After: everybody else was told the same number of seconds.
        wait_s = (error.retry_after_s or 0) + random.uniform(0, min(cap_s, base_s * 2 ** len(waits)))
        if not passes or len(waits) >= retries or sum(waits) + wait_s > budget_s:
            raise
    waits.append(wait_s)
    await asyncio.sleep(wait_s)
# <<< 03.5
