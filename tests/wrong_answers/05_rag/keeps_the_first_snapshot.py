# fails: 05.3
# says: exchanged between two searches
"""Looks faster: what the first question found is at hand for all others."""

# >>> 05.3 (2)
vectors = await self.embed([query.text])
if "kept" not in self.__dict__:
    self.__dict__["kept"] = self.library.snapshot
return await asyncio.to_thread(self.rank, self.__dict__["kept"], query, vectors[0])
# <<< 05.3
