# fails: 08.4
# says: ran on it
"""`async def` and a call that blocks for 160 ms."""

# >>> 08.4
def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
    self.find_user, self.hasher, self.slots = find_user, hasher, CapacityLimiter(at_once)
    self.decoy = hasher.hash(secrets.token_urlsafe())

async def check(self, name: str, password: str) -> Principal | None:
    """Return who it is if the password is right, else None after the same work."""
    known, principal = await self.find_user(name) or (self.decoy, None)
    right = self.hasher.verify(password, known)
    return principal if right else None
# <<< 08.4
