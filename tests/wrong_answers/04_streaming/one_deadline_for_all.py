# fails: 04.7
# says: The deadline is for each token, not for all
"""One deadline for the whole answer."""

# >>> 04.7
loop = asyncio.get_running_loop()
iterator, ends_at = aiter(parts), loop.time() + first_s + next_s
while True:
    try:
        async with asyncio.timeout_at(ends_at):
            part = await anext(iterator)
    except TimeoutError:
        raise UpstreamError("the model said nothing for too long", status=504) from None
    except StopAsyncIteration:
        return
    yield part
# <<< 04.7
