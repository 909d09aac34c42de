"""A parameter reads the header; schemes refuse by themselves; the first login makes the decoy, whoever logs in."""

# >>> imports
import asyncio
import re

from fastapi import Header
from fastapi.responses import JSONResponse
# <<< imports

# >>> 08.1
def unauthorized(**words: str) -> HTTPException:
    """Return a 401 with its challenge."""
    challenge = ", ".join(f'{name}="{value}"' for name, value in {"realm": "lesson", **words}.items())
    return HTTPException(401, {"message": "who are you?"}, {"www-authenticate": f"Bearer {challenge}"})


async def current_principal(services: Using, authorization: Annotated[str | None, Header()] = None) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    match (authorization or "").split(maxsplit=1):
        case [scheme, credential] if scheme.casefold() == "bearer":
            principal = await services.principal_of(credential.strip())
        case _:
            raise unauthorized()
    if principal is None:
        raise unauthorized(error="invalid_token")
    if principal.tenant in services.suspended:
        raise HTTPException(status_code=403)
    return principal


# <<< 08.1

# >>> 08.2 (2)
if not (parts := re.fullmatch(r"sk_([0-9a-f]+)_([\w-]+)", key, re.ASCII)):
    return None
match await self.store.find(parts[1]):
    case KeyRecord(digest=digest, principal=principal, ends_at=ends_at) if self.now() < ends_at:
        return principal if secrets.compare_digest(digest.encode(), self._digest(key).encode()) else None
return None
# <<< 08.2

# >>> 08.3
(kid, key), *_ = self.ring.items()
said: dict[str, Any] = {"sub": principal.id, "tenant": principal.tenant, "scope": " ".join(principal.scopes)}
said |= {"iss": key.issuer, "aud": self.audience, "exp": time.time() + ttl_s}
return jwt.encode(said, key.material, key.alg, {"kid": kid, "typ": "at+jwt"})
# <<< 08.3

# >>> 08.4
def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
    self.find_user, self.hasher = find_user, hasher
    self.slots, self.making = asyncio.Semaphore(at_once), asyncio.Lock()
    self.decoy = ""

async def check(self, name: str, password: str) -> Principal | None:
    """Return who it is if the password is right, else None after the same work."""
    async with self.making:  # for known names too: the first login costs the same, whoever it is
        self.decoy = self.decoy or await asyncio.to_thread(self.hasher.hash, secrets.token_hex())
    found = await self.find_user(name)
    async with self.slots:
        right = await asyncio.to_thread(self.hasher.verify, password, found[0] if found else self.decoy)
    return found[1] if found and right else None

# <<< 08.4

# >>> 08.4 (2)
class InvalidGrant(Exception):
    """A login that failed."""


@app.exception_handler(InvalidGrant)
async def refuse(_: Request, __: Exception) -> JSONResponse:
    """Say it as OAuth2 does."""
    return JSONResponse({"error": "invalid_grant"}, 400)


class Granted(BaseModel):
    """What OAuth2 answers."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = 900
    scope: str


@app.post("/token")
async def create_token(response: Response, services: Using, form: Login) -> Granted:
    """Exchange a name and a password for a token."""
    user = await services.passwords.check(form.username, form.password)
    if user is None:
        raise InvalidGrant
    user = user.model_copy(update={"scopes": user.scopes.intersection(form.scopes or user.scopes)})
    response.headers["cache-control"] = "no-store, max-age=0"
    return Granted(access_token=services.tokens.issue(user), scope=" ".join(user.scopes))


# <<< 08.4

# >>> 08.5
def authorized(
    scopes: SecurityScopes,
    principal: CurrentPrincipal,
    _a: Any = Security(OAuth2PasswordBearer(tokenUrl="token", scopes=SCOPES)),
    _b: Any = Security(HTTPBearer(description="an API key")),
) -> Principal:
    """Return who is asking, if they have every scope that the route names."""
    if missing := [scope for scope in scopes.scopes if scope not in principal.scopes]:
        challenge = f'Bearer realm="lesson", error="insufficient_scope", scope="{scopes.scope_str}"'
        raise HTTPException(403, f"needs {missing}", {"WWW-Authenticate": challenge})
    return principal


Chatter = Annotated[Principal, Security(authorized, scopes=["chat"])]
Reader = Annotated[Principal, Security(authorized, scopes=["documents"])]
Keeper = Annotated[Principal, Security(authorized, scopes=["keys"])]
# <<< 08.5

# >>> 08.6
try:
    if thing.tenant == principal.tenant:
        return thing
except AttributeError:
    pass
raise HTTPException(status_code=404)
# <<< 08.6

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "quota exceeded")
bill = Bill()
try:
    yield bill
finally:
    if bill.tokens != estimate:
        await asyncio.shield(asyncio.create_task(quota.settle(principal.id, bill.tokens - estimate)))
# <<< 08.7
