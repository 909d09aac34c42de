# fails: 01.5
# says: sees the handler's errors too
"""One try for both: an IndexError of the handler is taken for an empty list."""

# >>> 01.5
slot = None
try:
    slot = backend.free.pop()
    yield slot
except IndexError:
    raise HTTPException(503, "every slot is busy", headers={"Retry-After": "1"}) from None
finally:
    if slot is not None:
        backend.free.append(slot)
# <<< 01.5
