# fails: 04.6
# says: a reader takes that cut for the end
"""Lets every failure out, as if the status could still change."""

# >>> 04.6
texts = 0
async for part in parts:
    if isinstance(part, Finish):
        yield Event("done", asdict(part))
        return
    texts += 1
    yield Event("delta", {"text": part})
if not texts:
    raise ProviderFailed("no answer")
yield Event("error", {"message": "the answer broke off", "texts": texts})
# <<< 04.6
