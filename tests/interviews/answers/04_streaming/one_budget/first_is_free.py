# fails: 04.7
# says: The wait for the first part counts
"""Starts to count at the second part."""

# >>> 04.7
clock = asyncio.get_running_loop().time
iterator, left_s, limit_s, first = aiter(parts), total_s, min(first_s, total_s), True
while True:
    began = clock()
    try:
        async with asyncio.timeout(limit_s) as waiting:
            part = await anext(iterator)
    except StopAsyncIteration:
        return
    except TimeoutError:
        if not waiting.expired():
            raise
        raise ModelSilent("nothing came in time") from None
    if not first:
        left_s -= clock() - began
    yield part
    limit_s, first = left_s, False
# <<< 04.7
