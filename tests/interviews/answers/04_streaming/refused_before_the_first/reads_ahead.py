# fails: 04.6
# says: handed on were (event, parts asked for)
"""Waits for the second part before it hands on the first, to be sure."""

# >>> 04.6
iterator, held, texts, message = aiter(parts), None, 0, "the answer broke off"
try:
    held = await anext(iterator)
except StopAsyncIteration:
    raise ProviderFailed("no answer") from None
try:
    while not isinstance(held, Finish):
        coming = await anext(iterator, None)
        texts += 1
        yield Event("delta", {"text": held})
        if coming is None:
            break
        held = coming
    else:
        yield Event("done", asdict(held))
        return
except Exception as error:
    texts += 1
    yield Event("delta", {"text": held})
    if isinstance(error, ProviderFailed):
        message = str(error)
    else:
        log.exception("an answer failed")
        message = "something went wrong"
yield Event("error", {"message": message, "texts": texts})
# <<< 04.6
