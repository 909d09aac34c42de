# fails: 08.4
# says: must cost the same calls
"""Without a user there is nothing to verify: the answer is instant, and tells."""

# >>> 08.4
def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
    self.find_user, self.hasher, self.slots = find_user, hasher, CapacityLimiter(at_once)
    self.decoy = hasher.hash(secrets.token_urlsafe())

async def check(self, name: str, password: str) -> Principal | None:
    """Return who it is if the password is right, else None after the same work."""
    if (found := await self.find_user(name)) is None:
        return None
    known, principal = found
    right = await to_thread.run_sync(self.hasher.verify, password, known, limiter=self.slots)
    return principal if right else None
# <<< 08.4
