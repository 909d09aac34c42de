# fails: 03.6
# says: it was blocked
"""Blocking work straight inside `async def`."""

# >>> 03.6
return [work(item) for item in items]
# <<< 03.6
