# fails: 04.7
# says: a cancelled generator is finished
"""wait_for() gives up the wait and takes the answer with it."""

# >>> 04.7 (2)
iterator = aiter(events)
while True:
    try:
        event = await asyncio.wait_for(anext(iterator), every_s)
    except TimeoutError:
        yield None
        continue
    except StopAsyncIteration:
        return
    yield event
# <<< 04.7
