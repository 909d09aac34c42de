# fails: 04.7
# says: A TimeoutError need not be yours
"""Takes every TimeoutError for the deadline that it has set."""

# >>> 04.7
clock = asyncio.get_running_loop().time
iterator, left_s, limit_s = aiter(parts), total_s, min(first_s, total_s)
while True:
    began = clock()
    try:
        part = await asyncio.wait_for(anext(iterator), limit_s)
    except StopAsyncIteration:
        return
    except TimeoutError:
        raise ModelSilent("nothing came in time") from None
    left_s -= clock() - began
    yield part
    limit_s = left_s
# <<< 04.7
