"""Tokens are checked with PyJWK, which knows its algorithm; keys by an HMAC of the HMAC; semaphores in place of limiters."""

# >>> imports
import asyncio
import base64
import re
# <<< imports

# >>> 08.1
async def current_principal(request: Request, services: Using) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    words = request.headers.get("Authorization", "").split(maxsplit=1)
    if len(words) < 2 or words[0].casefold() != "bearer":
        raise HTTPException(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="lesson 08"'})
    if (principal := await services.principal_of(words[1].rstrip())) is None:
        headers = {"WWW-Authenticate": 'Bearer realm="lesson 08", error="invalid_token", error_description="no"'}
        raise HTTPException(status_code=401, headers=headers)
    if principal.tenant in services.suspended:
        raise HTTPException(status_code=403)
    return principal


# <<< 08.1

# >>> 08.2 (2)
if not (match := re.fullmatch(r"sk_([0-9a-f]+)_([\w-]+)", key, re.ASCII)):
    return None
record = await self.store.find(match[1])
if record is None:
    return None
# Nobody can choose what this compares, so how long it takes says nothing about the digest.
mine, theirs = (hmac.digest(self.pepper, text.encode(), "sha256") for text in (record.digest, self._digest(key)))
return record.principal if mine == theirs and record.ends_at > self.now() else None
# <<< 08.2

# >>> 08.3
now = int(time.time())
kid = list(self.ring)[0]
said = {
    "iss": self.ring[kid].issuer,
    "sub": principal.id,
    "aud": [self.audience],
    "iat": now,
    "nbf": now,
    "exp": now + ttl_s,
    "jti": secrets.token_hex(8),
    "tenant": principal.tenant,
    "scope": " ".join(principal.scopes),
}
return jwt.encode(said, self.ring[kid].material, algorithm="HS256", headers={"kid": kid, "typ": "at+jwt"})
# <<< 08.3

# >>> 08.3 (2)
def jwk(key: TokenKey) -> jwt.PyJWK:
    material = base64.urlsafe_b64encode(key.material).rstrip(b"=").decode()
    if key.alg == "EdDSA":
        return jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": material}, "EdDSA")
    return jwt.PyJWK({"kty": "oct", "k": material}, key.alg)

try:
    kid = jwt.get_unverified_header(token).get("kid")
    if not isinstance(kid, str) or kid not in self.ring:
        return None
    said = jwt.decode(token, jwk(self.ring[kid]), audience=self.audience, leeway=self.leeway_s)
except (jwt.PyJWTError, UnicodeError):
    return None
if said.get("iss") != self.ring[kid].issuer or "exp" not in said:
    return None
sub, tenant, scope = said.get("sub"), said.get("tenant"), said.get("scope", "")
if not all(isinstance(one, str) for one in (sub, tenant, scope)) or not sub or not tenant:
    return None
return Principal(id=sub, tenant=tenant, scopes=frozenset(scope.split()))
# <<< 08.3

# >>> 08.4
def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
    self._find, self._hasher = find_user, hasher
    self._slots = asyncio.Semaphore(at_once)
    self._decoy = hasher.hash(secrets.token_hex(16))

async def check(self, name: str, password: str) -> Principal | None:
    """Return who it is if the password is right, else None after the same work."""
    found = await self._find(name)
    async with self._slots:
        right = await asyncio.to_thread(self._hasher.verify, password, found[0] if found else self._decoy)
    return found[1] if found and right else None

# <<< 08.4

# >>> 08.6
try:
    assert thing is not None and thing.tenant == principal.tenant
except AssertionError:
    raise HTTPException(status_code=404) from None
else:
    return thing
# <<< 08.6

# >>> 08.7
if await quota.spend(principal.id, estimate, principal.token_limit) is False:
    raise HTTPException(429, headers={"Retry-After": "3600"})
bill = Bill()

async def settle() -> None:
    with CancelScope(shield=True):
        await quota.settle(principal.id, bill.tokens)  # first: nobody finds room that is used
        await quota.settle(principal.id, -estimate)

try:
    yield bill
except BaseException:
    await settle()
    raise
else:
    await settle()
# <<< 08.7
