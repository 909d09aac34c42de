# fails: 08.2
# says: is ends_at not looked at
"""Revoking writes an end into the store, and nobody reads it."""

# >>> 08.2 (2)
record = await self.store.find(key.removeprefix("sk_").partition("_")[0])
right = record and hmac.compare_digest(record.digest, self._digest(key))
return record.principal if record and right else None
# <<< 08.2
