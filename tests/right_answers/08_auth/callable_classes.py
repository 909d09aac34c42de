"""A whole file in another style: guards are objects that are called, spending is a class, errors are made in one place."""

import hmac
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal, Protocol

import jwt
from anyio import CancelScope, CapacityLimiter, to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.security import HTTPBearer, OAuth2PasswordBearer, OAuth2PasswordRequestForm, SecurityScopes
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import BaseModel, Field

SCOPES = {"chat": "Ask the model.", "documents": "Read and write documents.", "keys": "Issue and revoke API keys."}


class Principal(BaseModel, frozen=True):
    """Given: who is asking, and what they may do. However they proved it, routes see this and nothing else."""

    id: str  # "user:ada" or "key:3f2a9c51d0e7"; quotas count by it
    tenant: str
    scopes: frozenset[str] = frozenset()
    token_limit: int = 100_000


class KeyRecord(BaseModel, frozen=True):
    """Given: what is kept of an API key."""

    id: str  # no secret: it stands in lists and logs, and in the key itself
    digest: str = Field(repr=False)  # hexadecimal
    principal: Principal  # whom requests with this key come from
    ends_at: float = float("inf")  # seconds since 1970


class KeyStore(Protocol):
    """Given: where records are kept. Each method is one step, in a database one statement."""

    async def add(self, record: KeyRecord) -> None:
        """Keep a record."""

    async def find(self, key_id: str) -> KeyRecord | None:
        """Return the record of this id."""

    async def end(self, key_id: str, at: float) -> None:
        """Let a key end at `at`; a key that ends sooner keeps its end."""


class MemoryKeys(dict[str, KeyRecord]):
    """Given: a KeyStore that lives as long as the process."""

    async def add(self, record: KeyRecord) -> None:
        """Keep a record."""
        self[record.id] = record

    async def find(self, key_id: str) -> KeyRecord | None:
        """Return the record of this id."""
        return self.get(key_id)

    async def end(self, key_id: str, at: float) -> None:
        """Let a key end at `at`; a key that ends sooner keeps its end."""
        self[key_id] = self[key_id].model_copy(update={"ends_at": min(at, self[key_id].ends_at)})


class KeyService:
    """API keys."""

    def __init__(self, store: KeyStore, pepper: bytes, now: Callable[[], float] = time.time) -> None:
        self.store, self.now = store, now
        self.mac = hmac.new(pepper, digestmod="sha512")

    def digest(self, key: str) -> bytes:
        """The HMAC of a key."""
        mac = self.mac.copy()
        mac.update(key.encode("utf-8", "replace"))
        return mac.hexdigest().encode()

    def lives(self, record: KeyRecord | None) -> bool:
        """Whether a record is good now."""
        return record is not None and record.ends_at > self.now()

    async def create(self, owner: Principal) -> tuple[str, KeyRecord]:
        """Issue a key."""
        name, secret = secrets.token_hex(8), secrets.token_urlsafe(48)
        key = "_".join(("sk", name, secret))
        principal = Principal(
            id=f"key:{name}", tenant=owner.tenant, scopes=owner.scopes, token_limit=owner.token_limit
        )
        record = KeyRecord(id=name, digest=self.digest(key).decode(), principal=principal)
        await self.store.add(record)
        return key, record

    async def verify(self, key: str) -> Principal | None:
        """Return whose key this is."""
        if not key.startswith("sk_"):
            return None
        record = await self.store.find(key[3:].split("_", 1)[0])
        # An unknown id costs a comparison too.
        kept = record.digest.encode() if record else b""
        same = hmac.compare_digest(kept, self.digest(key))
        return record.principal if record and same and self.lives(record) else None

    async def rotate(self, key_id: str, grace_s: float = 0) -> tuple[str, KeyRecord] | None:
        """Issue a key in place of another."""
        old = await self.store.find(key_id)
        if old is None or not self.lives(old):
            return None
        new = await self.create(old.principal)
        await self.store.end(old.id, self.now() + grace_s)
        return new


class TokenKey(BaseModel, frozen=True):
    """Given: a key that tokens are signed with, and what we know about it. What a token says is a claim."""

    alg: Literal["HS256", "EdDSA"]
    material: bytes = Field(repr=False)  # HS256: our secret. EdDSA: the 32 bytes of somebody's public key, no secret
    issuer: str  # whose tokens it signs


def verifying_key(alg: str, material: bytes) -> Any:
    """Given: return what PyJWT checks a signature of this algorithm with."""
    return Ed25519PublicKey.from_public_bytes(material) if alg == "EdDSA" else material


@dataclass(frozen=True)
class TokenService:
    """JSON Web Tokens: ours, and those of an identity provider whose public key we know.

    Source: https://www.rfc-editor.org/rfc/rfc8725
    """

    ring: Mapping[str, TokenKey]  # by `kid`. The first signs new tokens and is an HS256 one; all are good for checking
    audience: str
    leeway_s: int = 30  # clocks differ

    def issue(self, principal: Principal, ttl_s: int = 900) -> str:
        """Return a token for `principal` that ends in `ttl_s` seconds. Nothing ends it sooner."""
        (kid, key), now = next(iter(self.ring.items())), int(time.time())
        claims = {"iss": key.issuer, "aud": self.audience, "iat": now, "exp": now + ttl_s}
        claims |= {"sub": principal.id, "tenant": principal.tenant, "scope": " ".join(sorted(principal.scopes))}
        return jwt.encode(claims, key.material, key.alg, {"kid": kid})

    def verify(self, token: str) -> Principal | None:
        """Return whose token this is; None if anything about it is wrong, whatever the text."""
        try:
            header = jwt.get_unverified_header(token)
            key = self.ring[header["kid"]]
            checker = jwt.PyJWT({"require": ["exp", "iss", "aud", "sub", "tenant"]})
            said = checker.decode(
                token,
                key=verifying_key(key.alg, key.material),
                algorithms=[key.alg],
                audience=[self.audience],
                issuer=[key.issuer],
                leeway=timedelta(seconds=self.leeway_s),
            )
            fields = {"id": said["sub"], "tenant": said["tenant"], "scopes": said.get("scope", "").split()}
            return Principal.model_validate(fields)
        except Exception:
            return None


# Given: finds a hash of the password, and who it is, by a name.
FindUser = Callable[[str], Awaitable[tuple[str, Principal] | None]]


class Passwords:
    """Users and their passwords. The hasher is pwdlib's: `hash(password)`, `verify(password, hash)`, slow, blocking."""

    def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
        self.find_user, self.hasher, self.slots = find_user, hasher, CapacityLimiter(at_once)  # each hash takes 64 MB
        self.decoy = hasher.hash(secrets.token_urlsafe())  # with the parameters of the real ones, and made once

    async def check(self, name: str, password: str) -> Principal | None:
        """Return who it is if the password is right, else None after the same work."""
        known, principal = self.decoy, None
        if (found := await self.find_user(name)) is not None:
            known, principal = found
        async with self.slots:
            right = await to_thread.run_sync(lambda: self.hasher.verify(password, known))
        return principal if right else None



class QuotaStore(Protocol):
    """Given: tokens spent, by principal. Each method is one step, for all workers: in Redis one script."""

    async def spend(self, principal_id: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit; else add nothing and return False."""
        ...

    async def settle(self, principal_id: str, tokens: int) -> None:
        """Add tokens whatever the limit says; a negative number gives back."""


class MemoryQuota(dict[str, int]):
    """Given: a QuotaStore for one process: where nothing is awaited, nobody comes between."""

    async def spend(self, principal_id: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit; else add nothing and return False."""
        total = self.get(principal_id, 0) + tokens
        self.update({principal_id: total} if total <= limit else {})
        return total <= limit

    async def settle(self, principal_id: str, tokens: int) -> None:
        """Add tokens whatever the limit says; a negative number gives back."""
        self[principal_id] = self.get(principal_id, 0) + tokens


class Bill(BaseModel):
    """Given: what a call has used so far. Whoever receives tokens adds to it."""

    tokens: int = 0


class spending:  # noqa: N801 - used like a function
    """Reserve tokens, and charge what the Bill says at the end."""

    def __init__(self, quota: QuotaStore, principal: Principal, estimate: int) -> None:
        self.quota, self.principal, self.estimate = quota, principal, estimate
        self.bill = Bill()

    async def __aenter__(self) -> Bill:
        if await self.quota.spend(self.principal.id, self.estimate, self.principal.token_limit):
            return self.bill
        raise HTTPException(429, "too many tokens")

    async def __aexit__(self, *_: object) -> bool:
        with CancelScope(shield=True):
            await self.quota.settle(self.principal.id, self.bill.tokens - self.estimate)
        return False


class Document(BaseModel):
    """Given: a document, and whose it is."""

    id: str
    tenant: str
    text: str


@dataclass
class Services:
    """Given: what the routes use."""

    keys: KeyService
    tokens: TokenService
    passwords: Passwords
    quota: QuotaStore
    documents: dict[str, Document] = field(default_factory=dict)
    suspended: Collection[str] = ()  # tenants that did not pay

    async def principal_of(self, credential: str) -> Principal | None:
        """Return whose key or token this is; None if it is nobody's."""
        return await self.keys.verify(credential) if credential.startswith("sk_") else self.tokens.verify(credential)


async def get_services(request: Request) -> Services:
    """Given: find the services. Tests override this dependency."""
    return request.state.services


Using = Annotated[Services, Depends(get_services)]


def refused(status: int, detail: str, **challenge: str) -> HTTPException:
    """An error with the challenge that RFC 6750 describes."""
    words = ", ".join(f'{name}="{value}"' for name, value in {"realm": "lesson", **challenge}.items())
    return HTTPException(status, detail, {"WWW-Authenticate": f"Bearer {words}"})


class Door:
    """Lets in who holds a key or a token."""

    async def __call__(self, request: Request, services: Using) -> Principal:
        scheme, credential = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "bearer" or not credential:
            raise refused(401, "who are you?")
        principal = await services.principal_of(credential)
        if not principal:
            raise refused(401, "nobody", error="invalid_token")
        if principal.tenant in services.suspended:
            raise refused(403, "suspended")
        return principal


current_principal = Door()
CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


class Guard:
    """Lets through who has every scope that the route names."""

    async def __call__(
        self,
        wanted: SecurityScopes,
        principal: CurrentPrincipal,
        token: Annotated[Any, Depends(OAuth2PasswordBearer("/token", scopes=SCOPES, auto_error=False))],
        key: Annotated[Any, Depends(HTTPBearer(auto_error=False))],
    ) -> Principal:
        if set(wanted.scopes) - principal.scopes:
            raise refused(403, "not enough", error="insufficient_scope", scope=wanted.scope_str)
        return principal


authorized = Guard()
Chatter = Annotated[Principal, Security(authorized, scopes=["chat"])]
Reader = Annotated[Principal, Security(authorized, scopes=["documents"])]
Keeper = Annotated[Principal, Security(authorized, scopes=["keys"])]
Login = Annotated[OAuth2PasswordRequestForm, Depends()]  # Given: `username`, `password`, `scopes`


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Given: make the services that you try out by hand."""
    yield {"services": demo()}


app = FastAPI(title="Who is asking", lifespan=lifespan)
api = APIRouter(dependencies=[Depends(current_principal)])  # Given: closed by default, whatever a route forgets


@app.post("/token")
async def create_token(form: Login, services: Using, response: Response) -> dict[str, str]:
    """Exchange a name and a password for a token."""
    response.headers["Cache-Control"] = "no-store"
    principal = await services.passwords.check(form.username, form.password)
    if principal is None:
        response.status_code = 400
        return {"error": "invalid_grant"}
    scopes = principal.scopes.intersection(form.scopes or principal.scopes)
    token = services.tokens.issue(principal.model_copy(update={"scopes": scopes}))
    return {"access_token": token, "token_type": "bearer", "scope": " ".join(sorted(scopes))}


def owned(thing: Any, principal: Principal) -> Any:
    """Return the thing if it belongs to the principal's tenant; 404 if there is none, or it is somebody else's."""
    if thing is None or thing.tenant != principal.tenant:
        raise HTTPException(404, "not found")  # one sentence for both: a difference would be the answer
    return thing


@api.get("/documents")
async def list_documents(principal: Reader, services: Using) -> list[Document]:
    """Return the documents of the tenant."""
    return [one for one in services.documents.values() if one.tenant == principal.tenant]


@api.get("/documents/{document_id}")
async def read_document(document_id: str, principal: Reader, services: Using) -> Document:
    """Return one document of the tenant."""
    return owned(services.documents.get(document_id), principal)


@api.post("/keys", status_code=201)
async def create_key(scopes: Annotated[set[str], Body(embed=True)], principal: Keeper, services: Using) -> Any:
    """Given: issue a key. Nobody can give what they do not have."""
    key, record = await services.keys.create(principal.model_copy(update={"scopes": principal.scopes & scopes}))
    return {"key": key, "id": record.id, "scopes": record.principal.scopes}


@api.post("/chat")
async def create_chat(prompt: Annotated[str, Body(embed=True)], principal: Chatter, services: Using) -> str:
    """Given: stand for a model, which writes at most 100 tokens."""
    async with spending(services.quota, principal, estimate=100) as bill:
        bill.tokens += len(prompt.split()[:100])
        return f"You said: {prompt}"


def demo() -> Services:
    """Given: ada and bob, two tenants, password `correct horse`. The secrets live as long as the process."""
    from pwdlib import PasswordHash

    hasher = PasswordHash.recommended()
    people = [Principal(id=f"user:{name}", tenant=name, scopes=frozenset(SCOPES)) for name in ("ada", "bob")]
    users = {one.tenant: (hasher.hash("correct horse"), one) for one in people}
    documents = {name: Document(id=name, tenant=name, text=f"What {name} wrote.") for name in users}

    async def find_user(name: str) -> tuple[str, Principal] | None:
        return users.get(name)

    own = TokenKey(alg="HS256", material=secrets.token_bytes(32), issuer="https://auth.test")
    keys, tokens = KeyService(MemoryKeys(), secrets.token_bytes(32)), TokenService({"demo": own}, "lesson-08")
    return Services(keys, tokens, Passwords(find_user, hasher), MemoryQuota(), documents)


app.include_router(api)
