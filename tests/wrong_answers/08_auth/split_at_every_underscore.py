# fails: 08.2
# says: ValueError came out of verify()
# says: not every text has three parts
"""Three parts, two underscores: until the secret has one of its own."""

# >>> 08.2 (2)
_, key_id, _ = key.split("_")
record = await self.store.find(key_id)
right = record and hmac.compare_digest(record.digest, self._digest(key))
return record.principal if record and right and self.now() < record.ends_at else None
# <<< 08.2
