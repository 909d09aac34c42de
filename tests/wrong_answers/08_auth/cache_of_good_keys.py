# fails: 08.2
# says: Is there a cache
"""Looking a key up at every request seems a waste, so who was good once stays good."""

# >>> imports
GOOD = {}
# <<< imports

# >>> 08.2 (2)
if (digest := self._digest(key)) in GOOD:
    return GOOD[digest]
record = await self.store.find(key.removeprefix("sk_").partition("_")[0])
if record and hmac.compare_digest(record.digest, digest) and self.now() < record.ends_at:
    GOOD[digest] = record.principal
    return record.principal
return None
# <<< 08.2
