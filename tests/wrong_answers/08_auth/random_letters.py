# fails: 08.2
# says: Use `secrets`
"""Thirty-two letters that look random, from a generator whose next ones can be computed."""

# >>> imports
import random
import string
# <<< imports

# >>> 08.2
def _digest(self, key: str) -> str:
    return hmac.digest(self.pepper, key.encode(), "sha256").hex()

async def create(self, owner: Principal) -> tuple[str, KeyRecord]:
    """Issue a key that may do what `owner` may. Return it, here and nowhere else, and its record."""
    key_id = secrets.token_hex(6)
    secret = "".join(random.choices(string.ascii_letters, k=32))
    key = f"sk_{key_id}_{secret}"
    principal = owner.model_copy(update={"id": f"key:{key_id}"})
    await self.store.add(record := KeyRecord(id=key_id, digest=self._digest(key), principal=principal))
    return key, record
# <<< 08.2
