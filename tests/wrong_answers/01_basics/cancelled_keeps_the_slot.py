# fails: 01.5
# says: A cancellation is no Exception
"""`except Exception` and `else`: complete, but for the caller who leaves."""

# >>> 01.5
if not backend.free:
    raise HTTPException(503, "every slot is busy", headers={"Retry-After": "1"})
slot = backend.free.pop()
try:
    yield slot
except Exception:
    backend.free.append(slot)
    raise
else:
    backend.free.append(slot)
# <<< 01.5
