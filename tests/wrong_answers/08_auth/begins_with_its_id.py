# fails: 08.2
# says: the secret begins with the id
"""One random text, and its first characters for the id: what every log shows is a third of the secret."""

# >>> 08.2
def _digest(self, key: str) -> str:
    return hmac.digest(self.pepper, key.encode(), "sha256").hex()

async def create(self, owner: Principal) -> tuple[str, KeyRecord]:
    """Issue a key that may do what `owner` may. Return it, here and nowhere else, and its record."""
    secret = secrets.token_hex(16)
    key_id = secret[:12]
    key = f"sk_{key_id}_{secret}"
    principal = owner.model_copy(update={"id": f"key:{key_id}"})
    await self.store.add(record := KeyRecord(id=key_id, digest=self._digest(key), principal=principal))
    return key, record

# <<< 08.2
