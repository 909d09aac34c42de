# fails: 08.2
# says: an ended and an unknown key were rotated
"""Whoever asks for a new key gets one, also for a key that was revoked."""

# >>> 08.2 (3)
if (old := await self.store.find(key_id)) is None:
    return None
issued = await self.create(old.principal)
await self.store.end(key_id, self.now() + grace_s)
return issued
# <<< 08.2
