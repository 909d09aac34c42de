# fails: 04.6
# says: the reader learned about the inside
"""Puts whatever went wrong into the event."""

# >>> 04.6
texts, message = 0, "the answer broke off"
try:
    async for part in parts:
        if isinstance(part, Finish):
            yield Event("done", asdict(part))
            return
        texts += 1
        yield Event("delta", {"text": part})
except Exception as error:
    if not texts:
        raise
    log.exception("an answer failed")
    message = f"{type(error).__name__}: {error}" if not isinstance(error, ProviderFailed) else str(error)
if not texts:
    raise ProviderFailed("no answer")
yield Event("error", {"message": message, "texts": texts})
# <<< 04.6
