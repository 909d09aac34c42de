# fails: 08.2
# says: the plain sha256 of a key
"""A hash is a hash."""

# >>> 08.2
def __init__(self, store: Store, pepper: bytes, now: Callable[[], float], *, idle_days: float = 30) -> None:
    self.store, self.pepper, self.now, self.idle_s = store, pepper, now, idle_days * 86_400

async def create(self, owner: str) -> str:
    """Issue a key. It is returned here and kept nowhere."""
    key_id = secrets.token_hex(6)
    key = f"sk_{key_id}_{secrets.token_urlsafe(32)}"
    await self.store.add(Record(key_id, self._digest(key), owner, self.now()))
    return key

async def verify(self, key: str) -> str | None:
    """Return whose key this is; None if it is wrong or has ended, whatever the text."""
    record = await self.store.find(key.removeprefix("sk_").partition("_")[0])
    if record is None or not hmac.compare_digest(record.digest, self._digest(key)):
        return None
    if self.now() - record.used_at >= self.idle_s:
        return None
    # Only now: a guess that is wrong, or a use that comes too late, must not keep a key alive.
    await self.store.touch(record.id, self.now())
    return record.owner

def _digest(self, key: str) -> str:
    return __import__("hashlib").sha256(key.encode()).hexdigest()
# <<< 08.2
