# fails: 04.7
# says: Only waiting for `parts` counts
"""One deadline on the clock for the whole answer, the reader's time included."""

# >>> 04.7
clock = asyncio.get_running_loop().time
iterator, ends, limit_s = aiter(parts), clock() + total_s, first_s
while True:
    try:
        async with asyncio.timeout(min(limit_s, ends - clock())) as waiting:
            part = await anext(iterator)
    except StopAsyncIteration:
        return
    except TimeoutError:
        if not waiting.expired():
            raise
        raise ModelSilent("nothing came in time") from None
    yield part
    limit_s = total_s
# <<< 04.7
