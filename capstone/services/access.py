"""Who may ask: API keys, tokens, passwords, the demo key. What decides is lesson 08's, what is kept the store's."""

import asyncio
import hashlib
import hmac
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from capstone.errors import ApiError
from capstone.parts import auth, production
from capstone.settings import Settings
from capstone.store.keys import Keys, Users
from capstone.store.tables import Key, User

log = logging.getLogger("capstone.access")
SCOPES = {
    **auth.SCOPES,
    "metrics": "Read the metrics.",
    "tenants": "Issue and revoke keys of any tenant.",
}
ONLY_MODEL = "model:"  # a key with such scopes may ask these models and no other
NAME: ContextVar[str] = ContextVar("NAME", default="")  # of the key that is being issued
FOREVER = float("inf")
TRIES = 20  # passwords that one address may try in a minute


@dataclass
class StoredKeys:
    """Lesson 08's KeyStore over the database. What was found is believed for a while: no request waits for it."""

    keys: Keys
    fresh_s: float
    most: int = 10_000
    patience_s: float = 1.0  # with the database, for a key that was good a moment ago
    tell: Callable[[str], Awaitable[None]] | None = None  # that a key has ended, to all other instances
    _known: dict[str, tuple[float, Any]] = field(default_factory=dict[str, tuple[float, Any]])
    _forgotten: int = 0  # how often we were to forget something

    async def add(self, record: Any) -> None:
        """Keep a record."""
        who = record.principal
        await self.keys.add(
            Key(
                id=record.id,
                digest=record.digest,
                tenant=who.tenant,
                principal_id=who.id,
                scopes=sorted(who.scopes),
                token_limit=who.token_limit,
                created_at=time.time(),
                name=NAME.get(),
                ends_at=None if record.ends_at == FOREVER else record.ends_at,
            )
        )
        self.forget(record.id)  # somebody may have asked for it before it was there

    async def find(self, key_id: str) -> Any:
        """Return the record of this id."""
        now = time.monotonic()
        until, record = self._known.get(key_id, (0.0, None))
        if now < until:
            return record
        forgotten = self._forgotten
        try:
            async with asyncio.timeout(self.patience_s if record else None):
                row = await self.keys.find(key_id)
        except Exception as error:
            if record is None:
                raise ApiError(503, "Keys cannot be checked right now.", headers={"Retry-After": "1"}) from error
            # An outage is one line, which the store writes; this would be one for each request of it.
            log.debug("the database is away: key %s is believed for longer", key_id)
        else:
            record = row and record_of(row)
        if len(self._known) >= self.most:
            self._known.clear()
        if forgotten == self._forgotten:  # else what we read may be what has just been changed
            self._known[key_id] = now + self.fresh_s, record
        return record

    async def end(self, key_id: str, at: float) -> None:
        """Let a key end at `at`; a key that ends sooner keeps its end."""
        await self.keys.end(key_id, at)
        self.forget(key_id)
        if self.tell:
            await self.tell(key_id)

    def forget(self, key_id: str) -> None:
        """Read this key anew when it is shown next."""
        self._forgotten += 1
        self._known.pop(key_id, None)

    def forget_all(self) -> None:
        """Read every key anew when it is shown next; while the database is away those that we know are believed."""
        self._forgotten += 1
        self._known = {key_id: (0.0, record) for key_id, (_, record) in self._known.items()}


def record_of(row: Key) -> Any:
    """Return a row as lesson 08 knows it."""
    principal = auth.Principal(
        id=row.principal_id, tenant=row.tenant, scopes=frozenset(row.scopes), token_limit=row.token_limit
    )
    ends_at = FOREVER if row.ends_at is None else row.ends_at
    return auth.KeyRecord(id=row.id, digest=row.digest, principal=principal, ends_at=ends_at)


class Access:
    """Everything about who may ask."""

    def __init__(self, settings: Settings, keys: Keys, users: Users, secret: bytes, redis_url: str = "") -> None:
        self.settings, self.rows, self.users = settings, keys, users
        self.tries = production.RateLimiter(redis_url, limit=TRIES)
        self.store = StoredKeys(keys, settings.key_cache_s)
        self.keys = auth.KeyService(self.store, derived(secret, "key pepper"))
        own = auth.TokenKey(alg="HS256", material=derived(secret, "token signature"), issuer="capstone")
        self.tokens = auth.TokenService({f"own-{own.material.hex()[:8]}": own}, "capstone")
        self.suspended: frozenset[str] = frozenset()
        self.nobody = Asked(self, "", None)
        self.demo = auth.Principal(
            id="key:demo", tenant="demo", scopes=frozenset(SCOPES), token_limit=settings.tokens_per_day
        )
        self._passwords: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def asked_with(self, header: str) -> "Asked":
        """Return what lesson 08 may ask about a request with this Authorization header."""
        scheme, _, credential = header.partition(" ")
        if scheme.lower() != "bearer":
            return self.nobody
        credential = credential.strip()
        try:
            return Asked(self, credential, await self.principal_of(credential))
        except ApiError as error:
            return Asked(self, credential, None, error)

    async def principal_of(self, credential: str) -> Any:
        """Return whose key or token this is; None if it is nobody's."""
        if credential.startswith("sk_"):
            return await self.keys.verify(credential)
        if credential == "demo":
            return self.demo if self.settings.is_demo else None
        found = self.tokens.verify(credential)
        return found and found.model_copy(update={"token_limit": self.settings.tokens_per_day})

    async def log_in(self, name: str, password: str, scopes: Collection[str]) -> tuple[str, list[str]] | None:
        """Return a token and its scopes if the password is right."""
        async with self._one_at_a_time:
            if self._passwords is None:
                self._passwords = await self._open_passwords()
        principal = await self._passwords.check(name, password)
        if principal is None:
            return None
        granted = principal.scopes.intersection(scopes or principal.scopes) | only_models(principal)
        token = self.tokens.issue(principal.model_copy(update={"scopes": frozenset(granted)}))
        return token, sorted(granted)

    async def _open_passwords(self) -> Any:
        """Make what checks passwords. When first asked: it computes a hash, and most services never see a password."""
        from pwdlib import PasswordHash

        hasher = PasswordHash.recommended()
        known = {"demo": ("demo", "demo")} if self.settings.is_demo else {}
        if self.settings.admin_password:
            known["admin"] = (self.settings.admin_password.get_secret_value(), "main")
        for name, (password, tenant) in known.items():
            kept = await self.users.find(name)
            if kept is None or not await asyncio.to_thread(hasher.verify, password, kept.password_hash):
                user = User(
                    name=name,
                    password_hash=await asyncio.to_thread(hasher.hash, password),
                    tenant=tenant,
                    scopes=sorted(SCOPES),
                    token_limit=self.settings.tokens_per_day,
                    created_at=time.time(),
                )
                await self.users.put(user)

        async def find_user(name: str) -> tuple[str, Any] | None:
            if name in ("admin", "demo") and name not in known:  # what was set once is set no more
                return None
            row = await self.users.find(name)
            if row is None:
                return None
            scopes = frozenset(row.scopes)
            principal = auth.Principal(
                id=f"user:{row.name}", tenant=row.tenant, scopes=scopes, token_limit=row.token_limit
            )
            return row.password_hash, principal

        return await asyncio.to_thread(auth.Passwords, find_user, hasher)

    async def issue(self, owner: Any, name: str) -> tuple[str, Any]:
        """Issue a key that may do what `owner` may. Return it, here and nowhere else, and its record."""
        NAME.set(name)
        return await self.keys.create(owner)

    async def rotate(self, old: Key, grace_s: float) -> tuple[str, Any] | None:
        """Issue a key in place of another, which ends in `grace_s` seconds; None if it has ended."""
        NAME.set(old.name)
        return await self.keys.rotate(old.id, grace_s)


@dataclass(slots=True)  # not frozen: that costs a microsecond of each request
class Asked:
    """What lesson 08's dependencies know as their services, for one request: its credential is checked already."""

    access: Access
    credential: str
    principal: Any
    error: ApiError | None = None

    @property
    def suspended(self) -> Collection[str]:
        """Tenants that may not come in."""
        return self.access.suspended

    async def principal_of(self, credential: str) -> Any:
        """Return whose key or token this is; None if it is nobody's."""
        if self.error:
            raise self.error
        return self.principal if credential == self.credential else await self.access.principal_of(credential)


def only_models(principal: Any) -> frozenset[str]:
    """Return the scopes that narrow what a principal may ask. Unlike others, nobody gains by leaving them out."""
    return _only_models(principal.scopes)


@lru_cache(maxsize=1_000)  # few sets of scopes, many requests
def _only_models(scopes: frozenset[str]) -> frozenset[str]:
    return frozenset(scope for scope in scopes if scope.startswith(ONLY_MODEL))


def may_ask(principal: Any, model: str) -> bool:
    """Say whether a principal may ask a model."""
    only = only_models(principal)
    return not only or ONLY_MODEL + model in only


def derived(secret: bytes, use: str) -> bytes:
    """Return a secret of its own for a use."""
    return hmac.digest(secret, use.encode(), hashlib.sha256)


def secret_of(settings: Settings) -> bytes:
    """Return the service's secret: the one that was set, or one that is made once and kept beside the database."""
    if settings.secret:
        return settings.secret.get_secret_value().encode()
    settings.data.mkdir(parents=True, exist_ok=True)
    file = settings.data / "secret"
    if settings.database_url:
        log.warning("CAPSTONE_SECRET is not set: a key that is issued here is refused by instances without %s", file)
    try:
        return _made(file)
    except FileExistsError:
        return file.read_bytes()


def _made(file: Path) -> bytes:
    secret = secrets.token_urlsafe(48).encode()
    half = file.with_name(f"secret.{secrets.token_hex(4)}")  # no number of a process: in a container that is always 1
    half.touch(mode=0o600, exist_ok=False)
    try:
        half.write_bytes(secret)
        os.link(half, file)  # whole or not at all, and the first worker's is everybody's
    finally:
        half.unlink()
    return secret
