"""What the brief promises, seen from outside. The time is a number in the hands of the test."""

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest

from . import solution as task

DAY_S = 86_400
PEPPER = b"a pepper of thirty-two bytes or so"


class Clock:
    """Says what time it is."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        """The time, in seconds since 1970."""
        return self.now_s

    def passes(self, days: float) -> None:
        """Let days pass."""
        self.now_s += days * DAY_S


class Noticing(str):
    """A digest that notices when somebody compares it with `==`, which stops at the first character that differs."""

    __slots__ = ()
    seen: list[str] = []  # noqa: RUF012 - of all of them

    def __eq__(self, other: object) -> bool:
        self.seen.append("==")
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        self.seen.append("!=")
        return str.__ne__(self, other)

    __hash__ = str.__hash__


class Watched(task.Store):
    """A store that counts how often it is asked, and hands out digests that notice `==`."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    async def find(self, key_id: str) -> Any:
        """Return the record of this id."""
        self.found += 1
        record = await super().find(key_id)
        return record and replace(record, digest=Noticing(record.digest))


def service(**options: Any) -> tuple[Any, Watched, Clock]:
    """A service of keys, with its store and its clock."""
    store, clock = Watched(), Clock()
    return task.KeyService(store, PEPPER, clock, **options), store, clock


@pytest.mark.task(2)
async def test_a_key_is_good_for_its_owner() -> None:
    """The record is found by its id, or every request reads the whole table."""
    keys, store, _ = service()
    ada, bob = await keys.create("ada"), await keys.create("bob")
    store.found = 0
    seen = [await keys.verify(one) for one in (ada, bob, ada)]
    assert seen == ["ada", "bob", "ada"], f"keys of ada, bob and ada were verified as {seen}"
    assert store.found <= 3, f"three keys were verified, and the store was asked {store.found} times"


@pytest.mark.task(2)
async def test_any_other_text_is_nobodys() -> None:
    """Strangers send what they like, and a 500 tells them that they have found something."""
    keys, store, _ = service()
    key, other = await keys.create("ada"), await keys.create("bob")
    for text in (
        "",
        "sk_",
        "sk__",
        "_",
        key[:-1],
        key + "x",
        key[:-1] + ("a" if key[-1] != "a" else "b"),
        key.removeprefix("sk_"),
        key.upper(),
        key.rpartition("_")[0],
        "_".join([*key.split("_")[:2], *other.split("_")[2:]]),
        "sk_ü_é",
        key + "ü",
        "sk_" + "x" * 100_000,
    ):
        shown, store.found = text[:60], 0
        try:
            seen = await keys.verify(text)
        except NotImplementedError:
            raise
        except Exception as error:
            pytest.fail(f"the text {shown!r} raised {error!r}; it is nobody's key, and that is None")
        assert seen is None, f"the text {shown!r} was verified as {seen!r}, and is nobody's key"
        assert store.found <= 1, f"for the text {shown!r} the store was asked {store.found} times"


@pytest.mark.task(2)
async def test_a_key_that_nobody_uses_ends() -> None:
    """The key in the wiki, of a script that nobody runs, is the one that is found."""
    for options, days in (({}, 30), ({"idle_days": 3}, 3)):
        keys, _, clock = service(**options)
        key, other = await keys.create("ada"), await keys.create("bob")
        clock.passes(days - 0.25)
        early = await keys.verify(key)
        clock.passes(0.25)
        late = await keys.verify(other)
        assert early == "ada", f"{options}: a key of {days} days less six hours was verified as {early}"
        assert late is None, (
            f"{options}: a key that nobody has used for {days} days was verified as {late}. "
            "It ends by itself: nobody has to come and end it."
        )


@pytest.mark.task(2)
async def test_each_use_starts_the_days_again() -> None:
    """A key that works every night must not end after a month, in the middle of one."""
    keys, store, clock = service(idle_days=3)
    key = await keys.create("ada")
    seen = []
    for _ in range(4):
        clock.passes(2)
        seen.append(await keys.verify(key))
    another = task.KeyService(store, PEPPER, clock, idle_days=3)
    clock.passes(2)
    seen.append(await another.verify(key))
    assert seen[:4] == ["ada"] * 4, (
        f"idle_days=3, a key used every second day was verified as {seen[:4]}. The days count from its last use."
    )
    assert seen[4] == "ada", f"idle_days=3, used 2 days ago, and another worker verified it as {seen[4]}: is it noted?"


@pytest.mark.task(2)
async def test_a_wrong_guess_is_no_use() -> None:
    """Whoever tries an old key once a week keeps it alive, or wakes it."""
    keys, _, clock = service(idle_days=3)
    key = await keys.create("ada")
    clock.passes(2)
    await keys.verify(key[:-2] + "..")
    clock.passes(2)
    seen = await keys.verify(key)
    assert seen is None, (
        f"idle_days=3; 2 days ago somebody sent its id with a wrong secret, and the key was verified as {seen}. "
        "A guess that is wrong is no use."
    )
    clock.passes(0.25)
    seen = await keys.verify(key)
    assert seen is None, (
        f"it had ended, was tried, and was then verified as {seen}: a try that comes too late is no use"
    )


@pytest.mark.task(2)
async def test_the_store_holds_no_key() -> None:
    """Databases are stolen as backups, and nobody notices."""
    keys, store, clock = service()
    key = await keys.create("ada")
    held = " ".join(f"{one.id} {one.digest} {one.owner}" for one in store.records.values())
    secret = key.split("_", 2)[2]
    for text in (key, secret):
        assert text not in held, "the store holds the key as it is"
        for algorithm in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()
            assert digest not in held, f"the store holds the plain {algorithm} of a key, which any thief can check"
    (kept,) = (one.digest for one in store.records.values())
    assert kept == hmac.digest(PEPPER, key.encode(), "sha256").hex(), (
        f"the record's digest is {kept!r}, and not the hexadecimal HMAC-SHA256 of the key with the pepper"
    )
    seen = await task.KeyService(store, b"another pepper, as long as that one", clock).verify(key)
    assert seen is None, f"with another pepper the same key was verified as {seen}: the pepper plays no part"


@pytest.mark.task(2)
async def test_secrets_are_nobodys_guess() -> None:
    """An id for a secret, or half of it, is a lock with the key in it."""
    keys, store, _ = service()
    parts = [(await keys.create("ada")).split("_", 2) for _ in range(20)]
    assert all(len(one) == 3 and one[0] == "sk" and one[1] in store.records for one in parts), (
        f"keys look like sk_<id of the record>_<secret>; the first was {'_'.join(parts[0])!r}"
    )
    assert len({one[2][:16] for one in parts} | {one[2][-16:] for one in parts}) == 40, "secrets begin or end alike"
    for _, id, secret in parts:
        assert len(secret) >= 32 and id not in secret, f"a secret of {len(secret)} characters, or with the id in it"


@pytest.mark.task(2)
async def test_digests_are_compared_in_constant_time() -> None:
    """`==` stops where the first character differs, and how long that takes can be measured."""
    keys, _, _ = service()
    key = await keys.create("ada")
    Noticing.seen.clear()
    seen = [await keys.verify(key), await keys.verify(key[:-2] + "..")]
    assert seen == ["ada", None], f"a right and a wrong key were verified as {seen}"
    assert not Noticing.seen, f"the record's digest was compared with {Noticing.seen[0]}; hmac has what compares it"
