# fails: 08.4
# says: The decoy must be a real hash
"""Verifies against a text that is no hash: the library says so at once, and loudly."""

# >>> 08.4
def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
    self.find_user, self.hasher, self.slots = find_user, hasher, CapacityLimiter(at_once)
    self.decoy = "$decoy$"

async def check(self, name: str, password: str) -> Principal | None:
    """Return who it is if the password is right, else None after the same work."""
    known, principal = await self.find_user(name) or (self.decoy, None)
    right = await to_thread.run_sync(self.hasher.verify, password, known, limiter=self.slots)
    return principal if right else None
# <<< 08.4
