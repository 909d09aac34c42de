"""Lesson 08 - who is asking: API keys, tokens, passwords, scopes, tenants and quotas."""

import hmac
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

import jwt
from anyio import CancelScope, CapacityLimiter, to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.security import HTTPBearer, OAuth2PasswordBearer, OAuth2PasswordRequestForm, SecurityScopes
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


@dataclass(frozen=True)
class KeyService:
    """API keys. Each is `sk_`, the id of its record, `_`, and a secret."""

    store: KeyStore
    pepper: bytes = field(repr=False)  # from the settings: who steals only the database cannot check a guess
    now: Callable[[], float] = time.time

    # TODO 08.2: issue a key. Keep what can check it and cannot make it.
    async def create(self, owner: Principal) -> tuple[str, KeyRecord]:
        """Issue a key that may do what `owner` may. Return it, here and nowhere else, and its record."""
        raise NotImplementedError("TODO 08.2")

    async def verify(self, key: str) -> Principal | None:
        """Return whose key this is; None if it is unknown, wrong or has ended, whatever the text."""
        # TODO 08.2: find the record by the id in the key, and compare without telling how far it was right.
        raise NotImplementedError("TODO 08.2")

    async def rotate(self, key_id: str, grace_s: float = 0) -> tuple[str, KeyRecord] | None:
        """Issue a key in place of another, which ends in `grace_s` seconds; None if there is none or it has ended."""
        # TODO 08.2: the new key first, then the end of the old one.
        raise NotImplementedError("TODO 08.2")


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
        # TODO 08.3: say who it is for, by whom, until when, and which key signed it.
        raise NotImplementedError("TODO 08.3")

    def verify(self, token: str) -> Principal | None:
        """Return whose token this is; None if anything about it is wrong, whatever the text."""
        # TODO 08.3: let the key decide how a token is checked, never the token.
        raise NotImplementedError("TODO 08.3")


# Given: finds a hash of the password, and who it is, by a name.
FindUser = Callable[[str], Awaitable[tuple[str, Principal] | None]]


class Passwords:
    """Users and their passwords. The hasher is pwdlib's: `hash(password)`, `verify(password, hash)`, slow, blocking."""

    # TODO 08.4: check a password off the event loop, and without telling who is a user.
    def __init__(self, find_user: FindUser, hasher: Any, at_once: int = 2) -> None:
        self.find_user, self.hasher, self.at_once = find_user, hasher, at_once

    async def check(self, name: str, password: str) -> Principal | None:
        """Return who it is if the password is right, else None after the same work."""
        raise NotImplementedError("TODO 08.4")


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


@asynccontextmanager
async def spending(quota: QuotaStore, principal: Principal, estimate: int) -> AsyncIterator[Bill]:
    """Reserve `estimate` tokens, let the block work, then charge what its Bill says, however the block ends.

    Raises:
        HTTPException: 429, the limit of the principal does not allow the estimate; the block does not run.
    """
    # TODO 08.7: never spend more than the limit; never keep what was not used.
    raise NotImplementedError("TODO 08.7")
    yield Bill()


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


# TODO 08.1: ask `services.principal_of` whose credential stands in the Authorization header, and refuse the rest.
async def current_principal(services: Using) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    raise NotImplementedError("TODO 08.1")


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


# TODO 08.5: declare both ways to authenticate, and let in who has every scope that the route names.
async def authorized(principal: CurrentPrincipal) -> Principal:
    """Return who is asking, if they have every scope that the route names."""
    raise NotImplementedError("TODO 08.5")


Chatter = Annotated[Principal, Depends(authorized)]
Reader = Annotated[Principal, Depends(authorized)]
Keeper = Annotated[Principal, Depends(authorized)]
Login = Annotated[OAuth2PasswordRequestForm, Depends()]  # Given: `username`, `password`, `scopes`


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Given: make the services that you try out by hand."""
    yield {"services": demo()}


app = FastAPI(title="Who is asking", lifespan=lifespan)
api = APIRouter(dependencies=[Depends(current_principal)])  # Given: closed by default, whatever a route forgets


# TODO 08.4: the OAuth2 password flow. Nobody gets a scope that the user does not have.
@app.post("/token")
async def create_token() -> None:
    """Exchange a name and a password for a token."""
    raise NotImplementedError("TODO 08.4")


def owned(thing: Any, principal: Principal) -> Any:
    """Return the thing if it belongs to the principal's tenant; 404 if there is none, or it is somebody else's."""
    # TODO 08.6: nobody learns what another tenant has.
    raise NotImplementedError("TODO 08.6")


# TODO 08.6: list and read documents, those of the principal's tenant and no others.
@api.get("/documents")
async def list_documents(principal: Reader, services: Using) -> list[Document]:
    """Return the documents of the tenant."""
    raise NotImplementedError("TODO 08.6")


@api.get("/documents/{document_id}")
async def read_document(document_id: str, principal: Reader, services: Using) -> Document:
    """Return one document of the tenant."""
    raise NotImplementedError("TODO 08.6")


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
