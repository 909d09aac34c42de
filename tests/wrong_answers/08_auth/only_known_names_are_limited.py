# fails: 08.4
# says: nothing held the rest back
"""The decoy was added later, behind the limit: a thousand names that nobody has are a thousand times 64 MB."""

# >>> 08.4
def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
    self.find_user, self.hasher, self.slots = find_user, hasher, CapacityLimiter(at_once)
    self.decoy = hasher.hash(secrets.token_urlsafe())

async def check(self, name: str, password: str) -> Principal | None:
    """Return who it is if the password is right, else None after the same work."""
    if (found := await self.find_user(name)) is None:
        await to_thread.run_sync(self.hasher.verify, password, self.decoy)
        return None
    known, principal = found
    right = await to_thread.run_sync(self.hasher.verify, password, known, limiter=self.slots)
    return principal if right else None

# <<< 08.4
