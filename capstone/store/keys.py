"""API keys and users, as they are kept."""

from dataclasses import dataclass

from sqlalchemy import func, select, update

from capstone.store.database import Database
from capstone.store.tables import Key, User


@dataclass(frozen=True)
class Keys:
    """The API keys of all tenants."""

    database: Database

    async def add(self, key: Key) -> None:
        """Keep a new key."""
        async with self.database.writing() as session:
            session.add(key)

    async def find(self, key_id: str) -> Key | None:
        """Return the key with this id."""
        async with self.database.reading() as session:
            return await session.get(Key, key_id)

    async def of_tenant(self, tenant: str) -> list[Key]:
        """Return the keys of a tenant, the oldest first."""
        async with self.database.reading() as session:
            found = await session.scalars(select(Key).where(Key.tenant == tenant).order_by(Key.created_at, Key.id))
            return list(found)

    async def end(self, key_id: str, at: float) -> None:
        """Let a key end at `at`; a key that ends sooner keeps its end."""
        later = func.coalesce(Key.ends_at, at + 1) > at
        async with self.database.writing() as session:
            await session.execute(update(Key).where(Key.id == key_id, later).values(ends_at=at))


@dataclass(frozen=True)
class Users:
    """Who can log in with a password."""

    database: Database

    async def put(self, user: User) -> None:
        """Keep a user, in place of one of the same name."""
        async with self.database.writing() as session:
            await session.merge(user)

    async def find(self, name: str) -> User | None:
        """Return the user of this name."""
        async with self.database.reading() as session:
            return await session.get(User, name)
