# fails: 01.5
# says: The clean-up after `yield` was skipped
"""No finally: when the handler raises, the line after the yield is never reached."""

# >>> 01.5
if not backend.free:
    raise HTTPException(503, "every slot is busy", headers={"Retry-After": "1"})
slot = backend.free.pop()
yield slot
backend.free.append(slot)
# <<< 01.5
