# fails: 04.7
# says: one budget is left for all
"""As lesson 04 has it: each further part has a deadline of its own."""

# >>> 04.7
iterator, limit_s = aiter(parts), min(first_s, total_s)
while True:
    try:
        async with asyncio.timeout(limit_s) as waiting:
            part = await anext(iterator)
    except StopAsyncIteration:
        return
    except TimeoutError:
        if not waiting.expired():
            raise
        raise ModelSilent(f"nothing came for {limit_s:g} s") from None
    yield part
    limit_s = total_s
# <<< 04.7
