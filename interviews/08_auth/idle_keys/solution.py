"""Interview - keys that end when nobody uses them."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Record:
    """Given: what is kept of a key."""

    id: str  # no secret: it stands in the key and in logs
    digest: str = field(repr=False)  # hexadecimal
    owner: str
    used_at: float  # seconds since 1970


class Store:
    """Given: where records are kept. In a database each method is one statement."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    async def add(self, record: Record) -> None:
        """Keep a record."""
        self.records[record.id] = record

    async def find(self, key_id: str) -> Record | None:
        """Return the record of this id."""
        return self.records.get(key_id)

    async def touch(self, key_id: str, at: float) -> None:
        """Note that a key was used; a later use stays."""
        record = self.records[key_id]
        self.records[key_id] = replace(record, used_at=max(at, record.used_at))


class KeyService:
    """API keys that end when nobody has used them for `idle_days` days."""

    # TODO 08.2: issue keys, check them, and let those end that nobody uses.
    # >>> solution
    def __init__(self, store: Store, pepper: bytes, now: Callable[[], float], *, idle_days: float = 30) -> None:
        self.store, self.pepper, self.now, self.idle_s = store, pepper, now, idle_days * 86_400

    async def create(self, owner: str) -> str:
        """Issue a key. It is returned here and kept nowhere."""
        key_id = secrets.token_hex(6)
        key = f"sk_{key_id}_{secrets.token_urlsafe(32)}"
        await self.store.add(Record(key_id, self._digest(key), owner, self.now()))
        return key

    async def verify(self, key: str) -> str | None:
        """Return whose key this is; None if it is wrong or has ended, whatever the text."""
        record = await self.store.find(key.removeprefix("sk_").partition("_")[0])
        if record is None or not hmac.compare_digest(record.digest, self._digest(key)):
            return None
        if self.now() - record.used_at >= self.idle_s:
            return None
        # Only now: a guess that is wrong, or a use that comes too late, must not keep a key alive.
        await self.store.touch(record.id, self.now())
        return record.owner

    def _digest(self, key: str) -> str:
        return hmac.digest(self.pepper, key.encode(errors="surrogatepass"), "sha256").hex()

    # --- stub
    # def __init__(self, store: Store, pepper: bytes, now: Callable[[], float], *, idle_days: float = 30) -> None:
    #     self.store, self.pepper, self.now, self.idle_days = store, pepper, now, idle_days
    #
    # async def create(self, owner: str) -> str:
    #     """Issue a key. It is returned here and kept nowhere."""
    #     raise NotImplementedError("TODO 08.2")
    #
    # async def verify(self, key: str) -> str | None:
    #     """Return whose key this is; None if it is wrong or has ended, whatever the text."""
    #     raise NotImplementedError("TODO 08.2")
    # <<< solution
