"""API keys: a digest that can be looked up, and a hash that cannot. Shown on docs/systems/api-keys.md."""

import hashlib
import hmac
import secrets
from collections.abc import Callable

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

PEPPER = b"from the settings, and in no database"
Find = Callable[[str], str | None]


# --8<-- [start:example]
def new_key() -> str:
    # 256 random bits: nobody tries them out
    return f"sk_{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    # 2 µs, and always the same
    return hmac.new(PEPPER, key.encode(), hashlib.sha256).hexdigest()


# --8<-- [end:example]


class Argon2:
    """Argon2, as weak as it gets so that the test is quick, and with a count of what it is asked."""

    def __init__(self) -> None:
        self.hasher, self.asked = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)]), 0

    def hash(self, key: str) -> str:
        return self.hasher.hash(key)

    def verify(self, key: str, hashed: str) -> bool:
        self.asked += 1
        return self.hasher.verify(key, hashed)


def broken(hashes: dict[str, str], argon2: Argon2) -> Find:
    # --8<-- [start:broken]
    def owner_of(key: str) -> str | None:
        for hashed, owner in hashes.items():
            if argon2.verify(key, hashed):  # "secrets are hashed with Argon2"
                return owner
        return None

    # --8<-- [end:broken]
    return owner_of


def repaired(digests: dict[str, str]) -> Find:
    # --8<-- [start:repaired]
    def owner_of(key: str) -> str | None:
        return digests.get(digest(key))  # one look, in a table with an index

    # --8<-- [end:repaired]
    return owner_of


def test_a_hash_with_salt_is_found_by_trying_all() -> None:
    argon2 = Argon2()
    hashes = {argon2.hash(new_key()): f"customer {n}" for n in range(20)}
    owner_of = broken(hashes, argon2)
    # --8<-- [start:seen]
    assert owner_of("sk_made-up") is None
    # one for each customer, 160 ms each: whoever knocks stops the service
    assert argon2.asked == 20
    # another salt each time, so nothing can be looked up
    assert argon2.hash("sk_1") != argon2.hash("sk_1")
    # --8<-- [end:seen]


def test_a_digest_is_found_at_once_and_is_no_key() -> None:
    key = new_key()
    owner_of = repaired({digest(key): "ada"})
    assert owner_of(key) == "ada"
    assert owner_of(digest(key)) is None, "whoever reads the table has no key"
    for wrong in ("", "sk_made-up", key[:-1], "sk_ключ"):
        assert owner_of(wrong) is None


def test_a_key_is_long_and_new() -> None:
    assert len(new_key()) == 46
    assert new_key() != new_key()
