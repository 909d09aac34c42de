# fails: 05.3
# says: it ran on it
"""Looks asynchronous: there is an `async def` around it."""

# >>> 05.3 (2)
vectors = await self.embed([query.text])
return self.rank(self.library.snapshot, query, vectors[0])
# <<< 05.3
