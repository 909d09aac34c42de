# fails: 08.2
# says: hmac.compare_digest looks at every character
"""`==` between two texts: it works, and answers sooner the sooner they differ."""

# >>> 08.2 (2)
record = await self.store.find(key.removeprefix("sk_").partition("_")[0])
right = record and record.digest == self._digest(key)
return record.principal if record and right and self.now() < record.ends_at else None
# <<< 08.2
