# fails: 01.5
# says: After clean-up the error has to go on
"""The slot comes back, and the error ends in the dependency."""

# >>> 01.5
if not backend.free:
    raise HTTPException(503, "every slot is busy", headers={"Retry-After": "1"})
slot = backend.free.pop()
try:
    yield slot
except Exception:
    backend.free.append(slot)
else:
    backend.free.append(slot)
# <<< 01.5
