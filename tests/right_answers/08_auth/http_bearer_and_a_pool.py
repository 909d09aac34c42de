"""FastAPI's own HTTPBearer answers who shows nothing; keyed BLAKE2 as bytes; a pool of threads; asyncio.shield."""

# >>> imports
import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor

from fastapi.security import HTTPAuthorizationCredentials
# <<< imports

# >>> 08.1
bearer = HTTPBearer(scheme_name="APIKey", description="An API key or a token.")


async def current_principal(
    held: Annotated[HTTPAuthorizationCredentials, Depends(bearer)], services: Using
) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    match await services.principal_of(held.credentials):
        case None:
            raise HTTPException(401, "unknown", {"WWW-Authenticate": 'Bearer realm="lesson", error="invalid_token"'})
        case Principal(tenant=tenant) if tenant in services.suspended:
            raise HTTPException(403, "suspended")
        case principal:
            return principal


# <<< 08.1

# >>> 08.2
def _digest(self, key: str) -> bytes:
    return hashlib.blake2b(key.encode(), key=self.pepper).digest()

async def create(self, owner: Principal) -> tuple[str, KeyRecord]:
    """Issue a key that may do what `owner` may. Return it, here and nowhere else, and its record."""
    key_id = secrets.token_hex(4)
    key = f"sk_{key_id}_{secrets.token_hex(24)}"
    data = {**owner.model_dump(), "id": f"key:{key_id}"}
    record = KeyRecord(id=key_id, digest=self._digest(key).hex(), principal=Principal(**data))
    await self.store.add(record)
    return key, record

# <<< 08.2

# >>> 08.2 (2)
parts = key.split("_", 2)
if len(parts) != 3 or parts[0] != "sk":
    return None
record = await self.store.find(parts[1])
if record is None or self.now() >= record.ends_at:
    return None
return record.principal if secrets.compare_digest(bytes.fromhex(record.digest), self._digest(key)) else None
# <<< 08.2

# >>> 08.4
def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
    self.find_user, self.hasher = find_user, hasher
    self.nobody = hasher.hash("nobody's password"), None
    self.pool = ThreadPoolExecutor(at_once, "passwords")

async def check(self, name: str, password: str) -> Principal | None:
    """Return who it is if the password is right, else None after the same work."""
    found = await self.find_user(name)
    digest, principal = found if found is not None else self.nobody
    right = await asyncio.get_running_loop().run_in_executor(self.pool, self.hasher.verify, password, digest)
    if principal is not None and right:
        return principal
    return None

# <<< 08.4

# >>> 08.5
oauth2 = OAuth2PasswordBearer("token", scheme_name="Login", scopes=SCOPES, auto_error=False)
keyed = HTTPBearer(scheme_name="APIKey", auto_error=False)


async def declared(_: Annotated[Any, Depends(oauth2)], __: Annotated[Any, Depends(keyed)]) -> None:
    """Stand in the schema."""


async def authorized(
    principal: CurrentPrincipal, wanted: SecurityScopes, _: Annotated[None, Depends(declared)]
) -> Principal:
    """Return who is asking, if they have every scope that the route names."""
    for scope in wanted.scopes:
        if scope not in principal.scopes:
            needed = " ".join(wanted.scopes)
            raise HTTPException(
                status_code=403,
                detail="not enough",
                headers={"WWW-Authenticate": f'Bearer realm="lesson", error="insufficient_scope", scope="{needed}"'},
            )
    return principal


Chatter = Annotated[Principal, Security(authorized, scopes=["chat"])]
Reader = Annotated[Principal, Security(authorized, scopes=["documents"])]
Keeper = Annotated[Principal, Security(authorized, scopes=["keys"])]
# <<< 08.5

# >>> 08.7
reserved = await quota.spend(principal.id, estimate, principal.token_limit)
if not reserved:
    raise HTTPException(status_code=429)
bill = Bill()
try:
    yield bill
finally:
    settling = asyncio.ensure_future(quota.settle(principal.id, bill.tokens - estimate))
    await asyncio.shield(settling)
# <<< 08.7
