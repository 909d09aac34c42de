# fails: 08.2
# says: what was read before is written back
"""Reads the record, computes its new end, and writes the record: what another worker did in between is undone."""

# >>> 08.2 (3)
if (old := await self.store.find(key_id)) is None or old.ends_at <= self.now():
    return None
issued = await self.create(old.principal)
await self.store.add(old.model_copy(update={"ends_at": min(old.ends_at, self.now() + grace_s)}))
return issued
# <<< 08.2
