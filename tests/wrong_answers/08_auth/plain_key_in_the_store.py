# fails: 08.2
# says: the key itself is kept
# says: TypeError came out of verify()
"""The key is kept as it is, and compared in constant time, as texts."""

# >>> 08.2
def _digest(self, key: str) -> str:
    return key

async def create(self, owner: Principal) -> tuple[str, KeyRecord]:
    """Issue a key that may do what `owner` may. Return it, here and nowhere else, and its record."""
    key_id = secrets.token_hex(6)
    key = f"sk_{key_id}_{secrets.token_urlsafe(32)}"
    principal = owner.model_copy(update={"id": f"key:{key_id}"})
    await self.store.add(record := KeyRecord(id=key_id, digest=self._digest(key), principal=principal))
    return key, record
# <<< 08.2
