# fails: 04.7
# says: A timeout around a `yield` measures the reader
"""The reader's time is taken for the model's."""

# >>> 04.7
try:
    async with asyncio.timeout(first_s) as limit:
        async for part in parts:
            yield part
            limit.reschedule(asyncio.get_running_loop().time() + next_s)
except TimeoutError:
    raise UpstreamError("the model said nothing for too long", status=504) from None
# <<< 04.7
