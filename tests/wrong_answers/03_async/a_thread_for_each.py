# fails: 03.6
# says: nothing held the rest back
"""asyncio.to_thread for every item at once: the default pool is full."""

# >>> 03.6
return await asyncio.gather(*(asyncio.to_thread(work, item) for item in items))
# <<< 03.6
