# fails: 04.6
# says: The status line has not gone out yet
"""As lesson 04 has it: whatever fails is told in an `error` event."""

# >>> 04.6
texts, message = 0, "the answer broke off"
try:
    async for part in parts:
        if isinstance(part, Finish):
            yield Event("done", asdict(part))
            return
        texts += 1
        yield Event("delta", {"text": part})
except ProviderFailed as error:
    message = str(error)
except Exception:
    log.exception("an answer failed")
    message = "something went wrong on our side"
yield Event("error", {"message": message, "texts": texts})
# <<< 04.6
