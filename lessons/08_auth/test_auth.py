"""What lesson 08 promises. Attacks are tests: each presents what somebody really tries, and looks at who gets in.

Nothing here waits by the clock. Argon2 runs with parameters that cost nothing; the work of a login is compared by
counting hashes; a comparison in constant time is seen by handing out digests that notice `==`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import SimpleNamespace
from typing import Annotated, Any

import anyio
import httpx2 as httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, FastAPI, HTTPException, Security
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from . import app as lesson

PATIENCE_S = 3.0  # how long a wrong answer is waited for; a right one never waits


def person(**changed: Any) -> Any:
    """A principal: ada of acme, who may chat."""
    known = {"id": "user:ada", "tenant": "acme", "scopes": frozenset({"chat"}), "token_limit": 1_000}
    return lesson.Principal(**{**known, **changed})


def shown(principal: Any, *fields: str) -> str:
    """Fields of a principal as JSON: real texts, whoever made them."""
    values = [getattr(principal, field) for field in fields or ("id", "tenant", "scopes")]
    return json.dumps([sorted(value) if isinstance(value, frozenset | set) else value for value in values])


def services(**brought: Any) -> Any:
    """The lesson's Services; what a test does not bring, it must not use."""
    return lesson.Services(**{**dict.fromkeys(("keys", "tokens", "passwords", "quota")), **brought})


async def turns(n: int = 20) -> None:
    """Let everything that can run, in this loop and in threads, run on."""
    for _ in range(n):
        await asyncio.to_thread(threading.Event().is_set)


@contextmanager
def overridden(app: Any, **replacements: Any) -> Iterator[None]:
    """Replace dependencies of the lesson while a block runs: `get_services=...`, a value."""

    def returning(value: Any) -> Callable[[], Any]:
        return lambda: value

    for name, value in replacements.items():
        app.dependency_overrides[getattr(lesson, name)] = returning(value)
    try:
        yield
    finally:
        app.dependency_overrides.clear()


async def ask(app: Any, method: str, path: str, **sent: Any) -> httpx.Response:
    """Send one request to an app in this event loop; what the app raises comes out."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        return await client.request(method, path, **sent)


# 08.1


class Known:
    """Stands for both services: knows some credentials."""

    def __init__(self, known: dict[str, Any], error: Exception | None = None) -> None:
        self.known, self.error, self.asked = known, error, list[str]()

    def verify(self, credential: str) -> Any:
        """Return whose token this is."""
        self.asked.append(credential)
        if self.error:
            raise self.error
        return self.known.get(credential)


class KnownKeys(Known):
    """The same for keys, which are looked up in a database."""

    async def verify(self, credential: str) -> Any:
        """Return whose key this is."""
        return super().verify(credential)


def door(suspended: Any = (), error: Exception | None = None) -> tuple[FastAPI, list[Any]]:
    """A service with one route, and the principals that came through to it. `sk_ada_1` and `token.of.bob` are known."""
    app = FastAPI()
    came: list[Any] = []

    @app.api_route("/who", methods=["GET", "POST"])
    async def who(principal: Annotated[Any, Depends(lesson.current_principal)]) -> str:
        came.append(principal)
        return principal.id

    keys = KnownKeys({"sk_ada_1": person()}, error)
    tokens = Known({"token.of.bob": person(id="user:bob", tenant="globex")}, error)
    found = services(keys=keys, tokens=tokens, suspended=suspended)
    app.dependency_overrides[lesson.get_services] = lambda: found
    return app, came


async def knock(app: FastAPI, what: str, path: str = "/who", **sent: Any) -> httpx.Response:
    """Ask who one is; nothing but a response may come out."""
    try:
        return await ask(app, "GET", path, **sent)
    except NotImplementedError:
        raise
    except Exception as error:
        pytest.fail(f"{what}: {type(error).__name__} came out of the service, which is a 500: {error}")


@pytest.mark.task(1)
async def test_who_shows_nothing_is_asked_to_authenticate() -> None:
    """Browsers, client libraries and gateways read WWW-Authenticate; 403 tells them that asking again is useless."""
    app, came = door()
    nothing = {
        "no header": None,
        "an empty header": "",
        "a known key without a scheme": "sk_ada_1",
        "another scheme with a known key": "Token sk_ada_1",
        "another scheme": "Basic YWRhOnNrX2FkYV8x",
        "a scheme that only begins like it": "Bearers sk_ada_1",
    }
    for what, header in nothing.items():
        answer = await knock(app, what, headers={} if header is None else {"Authorization": header})
        assert answer.status_code == 401, (
            f"{what}: {answer.status_code} {answer.text}, not 401: who are you? 403 says: known, and not enough."
        )
        challenge = answer.headers.get("www-authenticate", "")
        assert challenge.split(" ")[0] == "Bearer", (
            f"{what}: a 401 needs WWW-Authenticate: Bearer, which was {challenge!r}. HTTPException takes headers."
        )
        assert "error" not in challenge, f"{what}: nothing was shown, so nothing was wrong with it: {challenge!r}"
    assert came == [], f"without a key or token, {len(came)} requests came to the route"


@pytest.mark.task(1)
async def test_bearer_without_anything_behind_it_is_401() -> None:
    """`header.split()[1]` is an IndexError on the shortest attack there is."""
    app, came = door()
    for header in ("Bearer", "Bearer ", "Bearer    "):
        answer = await knock(app, f"the header {header!r}", headers={"Authorization": header})
        seen = (answer.status_code, answer.headers.get("www-authenticate", "")[:6])
        assert seen == (401, "Bearer"), f"the header {header!r}: status and challenge were {seen}"
    assert came == [], "an empty credential came to the route"


@pytest.mark.task(1)
async def test_who_is_known_comes_in() -> None:
    """The scheme is a word that clients write as they like, and the credential is not."""
    app, came = door()
    cases = {
        "Bearer sk_ada_1": "user:ada",
        "bearer sk_ada_1": "user:ada",
        "BEARER token.of.bob": "user:bob",
        "Bearer   token.of.bob": "user:bob",
    }
    for header, who in cases.items():
        answer = await knock(app, f"the header {header!r}", headers={"Authorization": header})
        assert (answer.status_code, answer.text) == (200, json.dumps(who)), (
            f"the header {header!r}: {answer.status_code} {answer.text}, and {who} was expected. "
            "The name of a scheme is the same in capitals; a blank more or less before the credential does not matter."
        )
    ids = json.dumps([one.id for one in came])
    assert ids == json.dumps(list(cases.values())), f"the route got the principals {ids}"


@pytest.mark.task(1)
async def test_an_invalid_credential_is_401_and_says_so() -> None:
    """A client that reads `invalid_token` fetches a new one; without it, it asks its user for a password."""
    app, came = door()
    for credential in ("sk_ada_2", "SK_ADA_1", "token.of.mallory", "sk_ada_1 sk_ada_1", "sk_ada_1,", '"sk_ada_1"'):
        answer = await knock(app, credential, headers={"Authorization": f"Bearer {credential}"})
        challenge = answer.headers.get("www-authenticate", "")
        assert answer.status_code == 401, f"the credential {credential!r}: {answer.status_code} {answer.text}"
        assert challenge.startswith("Bearer ") and 'error="invalid_token"' in challenge, (
            f'the credential {credential!r}: WWW-Authenticate was {challenge!r}, not Bearer error="invalid_token"'
        )
    assert came == [], f"somebody came in: {came}"


@pytest.mark.task(1)
async def test_no_header_however_odd_comes_in_as_anybody() -> None:
    """Headers are bytes from strangers. What cannot be read is nobody, never somebody without a name."""
    app, came = door()
    odd = [
        b"Bearer \xfc\xe9\xf0\x9f\x99\x82",
        b"Bearer \xff",
        b"\xff\xfe",
        b"Bearer sk_",
        b"Bearer null",
        b"Bearer undefined",
        b"Bearer ..",
        b"Bearer,sk_ada_1",
        b"Bearer=sk_ada_1",
        b"Bearer " + b"a." * 4_000,
        b"Basic , Bearer sk_ada_1",
        b"Digest username=ada",
    ]
    for header in odd:
        answer = await knock(app, f"the header {header[:40]!r}", headers={b"Authorization": header})
        assert answer.status_code == 401, f"the header {header[:40]!r}: {answer.status_code} {answer.text}, not 401"
    assert came == [], f"somebody came in: {came}"


@pytest.mark.task(1)
async def test_a_key_in_another_place_does_not_count() -> None:
    """What stands in a URL stands in every log, in the history of browsers and in the Referer of the next page."""
    app, came = door()
    places: dict[str, dict[str, Any]] = {
        "?access_token=": {"params": {"access_token": "sk_ada_1"}},
        "?api_key=": {"params": {"api_key": "sk_ada_1"}},
        "?token=": {"params": {"token": "token.of.bob"}},
        "?key=, ?apikey= or ?auth=": {"params": dict.fromkeys(("key", "apikey", "auth"), "sk_ada_1")},
        "a cookie": {"headers": {"Cookie": "access_token=sk_ada_1; Authorization=Bearer sk_ada_1"}},
        "a cookie of a session": {"headers": {"Cookie": "session=sk_ada_1; token=token.of.bob; api_key=sk_ada_1"}},
        "X-API-Key": {"headers": {"X-API-Key": "sk_ada_1"}},
        "X-Auth-Token or API-Key": {"headers": {"X-Auth-Token": "token.of.bob", "API-Key": "sk_ada_1"}},
        "another header with Bearer": {
            "headers": dict.fromkeys(("X-Forwarded-Authorization", "Proxy-Authorization"), "Bearer sk_ada_1")
        },
    }
    for place, sent in places.items():
        answer = await knock(app, place, "/who", **sent)
        assert answer.status_code == 401, (
            f"a known key in {place} was answered {answer.status_code}, not 401. The Authorization header alone counts."
        )
    assert came == [], f"somebody came in: {came}"


@pytest.mark.task(1)
async def test_who_is_known_and_not_allowed_gets_403() -> None:
    """Told 401, the client of a suspended account logs in again, and again, all night."""
    app, came = door(suspended={"acme"})
    statuses = []
    for credential in ("sk_ada_1", "token.of.bob", "sk_nobody"):
        answer = await knock(app, credential, headers={"Authorization": f"Bearer {credential}"})
        statuses.append(answer.status_code)

    assert statuses == [403, 200, 401], (
        f"ada's tenant is suspended, bob's is not, the third is unknown: the statuses were {statuses}, "
        "not 403, 200, 401. Whoever is known and may not come in gets 403."
    )
    assert [one.id for one in came] == ["user:bob"], f"to the route came {came}"


@pytest.mark.task(1)
async def test_a_broken_store_lets_nobody_in_and_is_nobodys_fault() -> None:
    """`except Exception: principal = None` turns an outage into a million clients that throw their keys away."""
    app, came = door(error=ConnectionError("the database is down"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        with_nothing = (await ask(app, "GET", "/who")).status_code
        with_key = (await client.get("/who", headers={"Authorization": "Bearer sk_ada_1"})).status_code

    assert came == [], f"the store of keys was down, and somebody came in: {came}"
    assert (with_nothing, with_key) == (401, 500), (
        f"the store of keys was down: no key was answered {with_nothing}, a key {with_key}, not 401 and 500. "
        "A 401 says that the key is wrong, which nobody knows; its error is not yours to catch."
    )


@pytest.mark.task(1)
async def test_every_route_but_the_open_ones_is_closed() -> None:
    """The route that nobody remembered to protect is how most data leaks."""
    open_routes = {"/token", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}
    asked = 0
    with overridden(lesson.app, get_services=services(keys=KnownKeys({}), tokens=Known({}))):
        schema = lesson.app.openapi()["paths"]
        for path in sorted(set(schema) - open_routes):
            for method in schema[path]:
                answer = await ask(lesson.app, method.upper(), path.replace("{document_id}", "1"))
                asked += 1
                assert answer.status_code == 401, (
                    f"{method.upper()} {path} without a key: {answer.status_code}, not 401"
                )
    assert asked >= 4, f"the app has {asked} routes that ask who one is; chat, keys and documents are missing"


# 08.2


class Noticing(str):
    """A digest that notices when somebody compares it with `==`, which stops at the first character that differs."""

    __slots__ = ("seen",)
    seen: list[str]

    def __eq__(self, other: object) -> bool:
        self.seen.append("==")
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        self.seen.append("!=")
        return str.__ne__(self, other)

    __hash__ = str.__hash__

    def encode(self, *how: str) -> bytes:  # type: ignore[override]
        """Bytes that notice it too."""
        encoded = NoticingBytes(str.encode(self, *how))
        encoded.seen = self.seen
        return encoded


class NoticingBytes(bytes):
    """The same digest as bytes."""

    seen: list[str]

    def __eq__(self, other: object) -> bool:
        self.seen.append("==")
        return bytes.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        self.seen.append("!=")
        return bytes.__ne__(self, other)

    __hash__ = bytes.__hash__


class Records:
    """A KeyStore that remembers what it was asked, and hands out digests that notice `==`."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.found: list[str] = []
        self.compared: list[str] = []
        self.revoked_meanwhile: dict[str, float] = {}  # by another worker, as soon as the record has been found
        self.full = False

    async def add(self, record: Any) -> None:
        """Keep a record."""
        await asyncio.sleep(0)
        if self.full:
            raise ConnectionError("the database is down")
        self.kept[record.id] = record

    async def find(self, key_id: str) -> Any:
        """Return a record of this id."""
        await asyncio.sleep(0)
        self.found.append(key_id)
        if (record := self.kept.get(key_id)) is None:
            return None
        digest = Noticing(record.digest)
        digest.seen = self.compared
        found = record.model_copy(update={"digest": digest})
        if (at := self.revoked_meanwhile.pop(key_id, None)) is not None:
            await self.end(key_id, at)
        return found

    async def end(self, key_id: str, at: float) -> None:
        """Let a key end at `at`; a key that ends sooner keeps its end."""
        await asyncio.sleep(0)
        record = self.kept[key_id]
        self.kept[key_id] = record.model_copy(update={"ends_at": min(at, record.ends_at)})

    def everything(self) -> str:
        """What a thief of the database reads."""
        return "\n".join(f"{record!r} {record.__dict__!r}" for record in self.kept.values())


class Clock:
    """Says what time it is."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time, in seconds since 1970."""
        return self.now


PEPPER = b"a pepper of thirty-two bytes or so"


@pytest.fixture
def records() -> Records:
    """An empty store of keys."""
    return Records()


@pytest.fixture
def clock() -> Clock:
    """The time, as the key service sees it."""
    return Clock()


@pytest.fixture
def keys(records: Records, clock: Clock) -> Any:
    """The learner's key service."""
    return lesson.KeyService(records, PEPPER, now=clock)


async def created(keys: Any, owner: Any = None) -> tuple[str, Any]:
    """A new key and its record."""
    key, record = await keys.create(owner or person())
    assert type(key) is str and isinstance(record, lesson.KeyRecord), (
        f"create() returns the key, a text, and its KeyRecord; this returned {key!r} and {record!r}"
    )
    return key, record


async def verified(keys: Any, key: str, what: str) -> Any:
    """What verify() says; it must not raise."""
    try:
        return await keys.verify(key)
    except NotImplementedError:
        raise
    except Exception as error:
        pytest.fail(
            f"{what}: {type(error).__name__} came out of verify(): {error}. What strangers send is any text: "
            "compare_digest takes no text outside ASCII, and not every text has three parts."
        )


@pytest.mark.task(2)
async def test_a_key_is_its_prefix_its_id_and_a_secret(keys: Any, records: Records) -> None:
    """With an id in the key you find the record by an index, and can tell people which key leaked."""
    key, record = await created(keys)

    assert key.startswith(f"sk_{record.id}_"), f"the record is {record.id!r}, so the key is sk_{record.id}_...: {key!r}"
    secret = key.removeprefix(f"sk_{record.id}_")
    assert len(secret) >= 32, f"behind the id there are {len(secret)} characters: too few, somebody can try them all"
    assert not secret.startswith(record.id), (
        f"the secret begins with the id, {record.id!r}, which stands in lists and logs: make it of numbers of its own"
    )
    assert json.dumps(list(records.kept)) == json.dumps([record.id]), (
        f"create() returned the record {record.id!r}, the store has {list(records.kept)}"
    )


@pytest.mark.task(2)
async def test_a_key_opens_what_its_owner_may(keys: Any) -> None:
    """A key is no second password of its owner: it is a principal of its own, with a quota of its own."""
    owner = person(scopes=frozenset({"chat", "documents"}), token_limit=77)
    key, record = await created(keys, owner)

    principal = await verified(keys, key, "a new key")

    assert isinstance(principal, lesson.Principal), f"a new key was not recognized: verify() returned {principal!r}"
    seen = shown(principal, "id", "tenant", "scopes", "token_limit")
    expected = json.dumps([f"key:{record.id}", "acme", ["chat", "documents"], 77])
    assert seen == expected, f"id, tenant, scopes and token_limit should be {expected}, and are {seen}"


@pytest.mark.task(2)
async def test_every_key_that_is_issued_opens(keys: Any) -> None:
    """Random text has underscores too, and `split("_")` finds them: every second customer cannot log in."""
    issued = [await created(keys) for _ in range(40)]
    ids = {record.id for _, record in issued}
    assert len({key for key, _ in issued}) == len(ids) == 40, f"40 keys were issued, with {len(ids)} different ids"
    refused = [key for key, _ in issued if await verified(keys, key, f"the key {key}") is None]

    assert refused == [], (
        f"{len(refused)} of 40 new keys were not recognized, such as {refused[:1]}. "
        'A secret may have "_" in it: split off the id and leave the rest alone. An id has none.'
    )


@pytest.mark.task(2)
async def test_a_key_is_found_by_its_id(keys: Any, records: Records) -> None:
    """A thousand keys, and each request compares with all of them: that is a thousand times the work for nothing."""
    (key, record), _ = await created(keys), await created(keys)
    records.found.clear()

    await verified(keys, key, "a new key")

    assert records.found == [record.id], (
        f"to verify a key of the record {record.id!r} the store was asked for {records.found}. "
        "The id stands in the key; ask for that one, each time, since another worker may have revoked it."
    )


@pytest.mark.task(2)
async def test_a_wrong_key_is_nobody_whatever_the_text(keys: Any) -> None:
    """Strangers send what they like. Every text is an answer, None, and none is a 500."""
    (key, record), (other, _) = await created(keys), await created(keys)
    secret, others = key.removeprefix(f"sk_{record.id}_"), other.split("_", 2)[2]
    texts = {
        "the secret of another key": f"sk_{record.id}_{others}",
        "no secret": f"sk_{record.id}_",
        "the id alone": f"sk_{record.id}",
        "a secret cut short": key[:-1],
        "a secret with more behind": f"{key}x",
        "a line end behind": f"{key}\n",
        "another case": f"sk_{record.id}_{secret.swapcase()}",
        "an unknown id": f"sk_ffffffffffff_{secret}",
        "no prefix": key.removeprefix("sk_"),
        "another prefix": f"pk_{record.id}_{secret}",
        "more between id and secret": f"sk_{record.id}_x_{secret}",
        "nothing": "",
        "the prefix alone": "sk_",
        "underscores": "____",
        "umlauts": f"sk_{record.id}_schlüssel",
        "a face": f"sk_{record.id}_🙂",
        "an id of umlauts": "sk_öäü_x",
        "a zero": f"sk_{record.id}_\0",
        "a megabyte": f"sk_{record.id}_{'x' * 1_000_000}",
    }
    for what, text in texts.items():
        principal = await verified(keys, text, what)
        assert principal is None, f"{what}: {text[:60]!r} was taken for {principal!r}"


@pytest.mark.task(2)
async def test_what_is_kept_opens_nothing(keys: Any, records: Records) -> None:
    """Databases are copied: a backup, a log of queries, a laptop. Whoever reads this one must not be able to log in."""
    key, record = await created(keys)
    kept = records.everything()
    secret = key.removeprefix(f"sk_{record.id}_")

    assert secret not in kept, "the key itself is kept. Keep a digest of it, and show the key once."
    plain = [hashlib.new(name, text.encode()).hexdigest() for name in ("sha256", "md5") for text in (key, secret)]
    assert not [digest for digest in plain if digest in kept], (
        "what is kept is a plain hash of the key, without pepper."
    )
    other = lesson.KeyService(records, b"another pepper of thirty-two bytes", now=keys.now)
    assert await verified(other, key, "a key under another pepper") is None, (
        "with another pepper the same key was recognized, so the pepper is not in the digest. With it, "
        "a stolen database alone cannot even check a guess."
    )
    for stolen in {record.digest, f"sk_{record.id}_{record.digest}"}:
        assert await verified(keys, stolen, "the digest in place of the key") is None, "the digest itself opens"


@pytest.mark.task(2)
async def test_a_secret_is_not_made_of_guessable_numbers(keys: Any) -> None:
    """`random` is for games: who has seen some of its numbers knows all that follow."""
    before = random.getstate()
    secrets = []
    for _ in range(2):
        random.seed(8)
        key, record = await created(keys)
        secrets.append(key.removeprefix(f"sk_{record.id}_"))
    random.setstate(before)

    assert secrets[0] != secrets[1], "with `random` in the same state twice, the same secret came. Use `secrets`."


@pytest.mark.task(2)
async def test_digests_are_compared_in_constant_time(keys: Any, records: Records) -> None:
    """`==` stops at the first character that differs, and how long it took can be measured from outside."""
    key, record = await created(keys)
    for text in (key, f"sk_{record.id}_wrong"):
        await verified(keys, text, "a key")

    assert records.compared == [], (
        f"the digest of the record was compared with {records.compared[0]}. "
        "hmac.compare_digest looks at every character, whatever it finds."
    )


@pytest.mark.task(2)
async def test_a_revoked_key_is_dead_at_once(keys: Any, records: Records, clock: Clock) -> None:
    """A key leaked, you revoked it, and for the next ten minutes a cache lets the thief in."""
    key, record = await created(keys)
    warm = [await verified(keys, key, "a new key") for _ in range(3)]
    assert all(isinstance(one, lesson.Principal) for one in warm), f"three times a good key: {warm}"

    await records.end(record.id, clock.now)  # another worker revokes it

    principal = await verified(keys, key, "a revoked key")
    assert principal is None, (
        f"the key has ended in the store, and verify() still says {principal!r}. "
        "Is there a cache, or is ends_at not looked at? A key has ended if ends_at <= now(); its digest costs "
        "a microsecond, so there is nothing to cache."
    )


@pytest.mark.task(2)
async def test_a_key_that_ends_is_good_until_then(keys: Any, records: Records, clock: Clock) -> None:
    """An end that lies ahead is no end yet."""
    key, record = await created(keys)
    await records.end(record.id, clock.now + 60)
    before = await verified(keys, key, "a key that ends in 60 seconds")
    clock.now += 61
    after = await verified(keys, key, "a key that ended a second ago")

    assert isinstance(before, lesson.Principal), f"60 seconds before its end the key was not recognized: {before!r}"
    assert after is None, f"a second after its end the key was taken for {after!r}"


@pytest.mark.task(2)
async def test_a_rotated_key_leaves_time_to_change(keys: Any, clock: Clock) -> None:
    """Between the new key and the last client that has it, both must work; after that, only one."""
    old, record = await created(keys, person(scopes=frozenset({"chat", "keys"}), token_limit=5))
    issued = await keys.rotate(record.id, grace_s=60)
    assert isinstance(issued, tuple), f"rotate() returns the new key and its record, this returned {issued!r}"
    new, successor = issued

    both = [await verified(keys, key, "during the grace") for key in (old, new)]
    clock.now += 61
    later = [await verified(keys, key, "after the grace") for key in (old, new)]

    assert [isinstance(one, lesson.Principal) for one in both] == [True, True], (
        f"within 60 seconds of grace, the old and the new key were {both}: both should be recognized"
    )
    assert [isinstance(one, lesson.Principal) for one in later] == [False, True], (
        f"after the grace, the old and the new key were {later}: only the new one should be recognized"
    )
    seen = shown(later[1], "id", "tenant", "scopes", "token_limit")
    expected = json.dumps([f"key:{successor.id}", "acme", ["chat", "keys"], 5])
    assert seen == expected and successor.id != record.id, f"the new key is {seen}, and {expected} was expected"


@pytest.mark.task(2)
async def test_rotation_revives_and_prolongs_nothing(keys: Any, records: Records, clock: Clock) -> None:
    """Whoever holds a revoked key must not be able to rotate it into a good one."""
    dead, dead_record = await created(keys)
    short, short_record = await created(keys)
    gone, gone_record = await created(keys)
    await records.end(dead_record.id, clock.now)
    await records.end(short_record.id, clock.now + 10)

    refused = [await keys.rotate(dead_record.id, grace_s=60), await keys.rotate("ffffffffffff")]
    assert refused == [None, None], f"an ended and an unknown key were rotated into {refused}, not None"
    assert len(records.kept) == 3, f"a rotation that was refused issued a key: {list(records.kept)}"

    await keys.rotate(short_record.id, grace_s=60)
    await keys.rotate(gone_record.id)
    assert await verified(keys, gone, "rotated without grace") is None, "rotated without grace, the old key still opens"
    clock.now += 11
    assert await verified(keys, dead, "a revoked key") is None, "a revoked key was revived"
    assert await verified(keys, short, "past its end") is None, (
        "a key that was to end in 10 seconds was rotated with 60 of grace, and lives on: the sooner end counts"
    )


@pytest.mark.task(2)
async def test_a_rotation_leaves_alone_what_others_do(keys: Any, records: Records, clock: Clock) -> None:
    """Two people see the same leak: one rotates with grace, the other revokes. The thief must not profit from it."""
    (key, record), (kept, kept_record) = await created(keys), await created(keys)
    records.revoked_meanwhile[record.id] = clock.now
    await keys.rotate(record.id, grace_s=60)
    assert records.revoked_meanwhile == {}, "rotate() did not ask the store for the key that it rotates"
    assert await verified(keys, key, "revoked while it was rotated") is None, (
        "another worker revoked a key while it was rotated with 60 seconds of grace, and it lives on: what was read "
        "before is written back. The store's end() keeps the sooner end, in one step."
    )

    records.full = True
    with suppress(ConnectionError):
        await keys.rotate(kept_record.id)
    assert isinstance(await verified(keys, kept, "not rotated"), lesson.Principal), (
        "the store could not keep the new key, and the old one has ended: nobody has a key now. First the new one."
    )


@pytest.mark.task(2)
async def test_no_log_and_no_output_has_a_key(
    keys: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logs are read by more people than any database, and kept for longer."""
    caplog.set_level(logging.DEBUG)
    key, record = await created(keys)
    secret, wrong = key.removeprefix(f"sk_{record.id}_"), "almost-the-right-one"
    shown_to_it = {
        "a new key": key,
        "a wrong key": f"sk_{record.id}_{wrong}",
        "a key of an unknown id": f"sk_ffffffffffff_{wrong}",
        "a key without its prefix": f"{record.id}_{wrong}",
        "a key of somebody else's service": f"ghp-{wrong}",
    }
    for what, text in shown_to_it.items():
        await verified(keys, text, what)
    rotated, successor = await keys.rotate(record.id)
    await verified(keys, key, "a key that has ended")

    written = caplog.text + "".join(capsys.readouterr()) + repr(keys)
    for text in (secret, wrong, rotated.removeprefix(f"sk_{successor.id}_")):
        assert text not in written, (
            "a key, or the secret in it, was written to a log or printed, perhaps one that was refused: "
            "its id says all that a reader needs"
        )


# 08.3

OURS, THEIRS = "https://auth.acme.test", "https://idp.test"
AUDIENCE = "the-chat-service"
SECRET, OLD_SECRET = b"our secret of sixty-four bytes:" + b"n" * 33, b"our secret of sixty-four bytes:" + b"o" * 33
IDP = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
IDP_PUBLIC = IDP.public_key().public_bytes_raw()


def ring(*kids: str) -> dict[str, Any]:
    """The keys that the service knows."""
    known = {
        "2026-11": lesson.TokenKey(alg="HS256", material=SECRET, issuer=OURS),
        "2026-10": lesson.TokenKey(alg="HS256", material=OLD_SECRET, issuer=OURS),
        "idp-1": lesson.TokenKey(alg="EdDSA", material=IDP_PUBLIC, issuer=THEIRS),
    }
    return {kid: known[kid] for kid in kids or known}


@pytest.fixture
def tokens() -> Any:
    """The learner's token service, with all three keys."""
    return lesson.TokenService(ring(), AUDIENCE, leeway_s=30)


@contextmanager
def somewhere_else() -> Iterator[None]:
    """Let the clock on the wall show another hour than UTC, as it does on most hosts."""
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "XYZ-9"
    getattr(time, "tzset", int)()  # Windows has none, and takes its zone from elsewhere
    try:
        yield
    finally:
        os.environ.pop("TZ")
        os.environ.update({} if zone is None else {"TZ": zone})
        getattr(time, "tzset", int)()


def b64(data: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says; `None` leaves a claim out."""
    now = int(time.time())
    said = {"iss": OURS, "aud": AUDIENCE, "sub": "user:ada", "tenant": "acme", "scope": "chat", "exp": now + 600}
    return {name: value for name, value in {**said, "iat": now, **changed}.items() if value is not None}


def signed(said: Any, key: Any = SECRET, alg: str = "HS256", **header: Any) -> str:
    """A token made by hand, as an attacker makes it: any header, any claims, any key."""
    known = {"typ": "JWT", "alg": alg, "kid": "2026-11", **header}
    head = {name: value for name, value in known.items() if value is not None}
    text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(said).encode())}"
    match alg.upper():
        case "EDDSA":
            signature = key.sign(text.encode())
        case "NONE":
            signature = b""
        case hashed:
            signature = hmac.digest(key, text.encode(), f"sha{hashed[2:]}")
    return f"{text}.{b64(signature)}"


def read(token: str, part: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a token."""
    text = token.split(".")[part]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def judged(tokens: Any, token: str, what: str) -> Any:
    """What verify() says; it must not raise."""
    try:
        return tokens.verify(token)
    except NotImplementedError:
        raise
    except Exception as error:
        pytest.fail(
            f"{what}: {type(error).__name__} came out of verify(), which is a 500: {error}. "
            "Whatever is wrong with a token, the answer is None."
        )


def assert_refused(tokens: Any, token: str, what: str, why: str) -> None:
    """The token must be nobody's."""
    principal = judged(tokens, token, what)
    assert principal is None, f"{what}: it was taken for {principal!r}. {why}"


def assert_accepted(tokens: Any, token: str, what: str, expected: str = '["user:ada", "acme", ["chat"]]') -> None:
    """The token must be ada's."""
    principal = judged(tokens, token, what)
    assert isinstance(principal, lesson.Principal), f"{what}: the token is good, and verify() returned {principal!r}"
    assert shown(principal) == expected, f"{what}: id, tenant and scopes should be {expected}, are {shown(principal)}"


@pytest.mark.task(3)
def test_a_token_says_who_for_whom_and_until_when(tokens: Any) -> None:
    """Others check your tokens too, and look for the claims that the standard names."""
    before = int(time.time())
    with somewhere_else():
        token = tokens.issue(person(scopes=frozenset({"chat", "keys"})), ttl_s=60)
    header, said = read(token, 0), read(token, 1)

    assert (header["alg"], header.get("kid")) == ("HS256", "2026-11"), (
        f"the ring's first key, 2026-11, signs, and the header says so: it was {header}. Without kid nobody can rotate."
    )
    audience = said.get("aud")
    named = {**said, "aud": audience[0] if isinstance(audience, list) and len(audience) == 1 else audience}
    seen = json.dumps([named.get(name) for name in ("iss", "aud", "sub", "tenant")])
    expected = json.dumps([OURS, AUDIENCE, "user:ada", "acme"])
    assert seen == expected, f"iss, aud, sub and tenant should be {expected}, and are {seen}"
    assert sorted(str(said.get("scope")).split()) == ["chat", "keys"], (
        f"scope is one text, its words are the scopes: {said.get('scope')!r}"
    )
    exp: Any = said.get("exp")
    assert type(exp) in (int, float) and before + 60 <= exp <= time.time() + 61, (
        f"issued at {before} with ttl_s=60, it ends at {exp!r}: exp is in seconds since 1970, wherever the host is. "
        "Hours too much or too little are a time zone: datetime.now() has none, datetime.now(UTC) has."
    )


@pytest.mark.task(3)
def test_what_is_issued_is_recognized(tokens: Any) -> None:
    """A token that says too little cannot be checked, and one that says another scope lets in the wrong people."""
    for scopes in (set(), {"chat"}, {"chat", "documents"}):
        token = tokens.issue(person(scopes=frozenset(scopes)))
        assert_accepted(
            tokens, token, f"issued with {scopes or 'no scopes'}", json.dumps(["user:ada", "acme", sorted(scopes)])
        )


@pytest.mark.task(3)
def test_every_key_of_the_ring_checks_and_the_first_one_signs() -> None:
    """Rotation without it: everybody is logged out at midnight, so nobody rotates."""
    yesterday = lesson.TokenService(ring("2026-10"), AUDIENCE)
    today = lesson.TokenService(ring("2026-11", "2026-10", "idp-1"), AUDIENCE)
    tomorrow = lesson.TokenService(ring("2026-11"), AUDIENCE)
    old, new = yesterday.issue(person()), today.issue(person())

    assert_accepted(today, old, "signed with the old key, which is still in the ring")
    assert_accepted(today, signed(claims(iss=THEIRS), IDP, "EdDSA", kid="idp-1"), "signed by the identity provider")
    assert_accepted(tomorrow, new, "signed with the new key")
    assert_refused(tomorrow, old, "signed with the old key, which has left the ring", "So nobody can retire a key.")


@pytest.mark.task(3)
def test_a_forged_signature_is_nobodys(tokens: Any) -> None:
    """Anybody can write a token; base64 is no lock. The signature is all there is."""
    good = signed(claims())
    head, said, signature = good.split(".")
    richer = b64(json.dumps(claims(scope="chat keys", tenant="globex")).encode())
    why = "Its signature is not ours: the claims are what a stranger wrote."
    assert_refused(tokens, signed(claims(), b"x" * 64), "signed with a foreign key", why)
    assert_refused(tokens, f"{head}.{richer}.{signature}", "claims changed behind the signature", why)
    assert_refused(tokens, f"{head}.{said}.", "the signature cut off", why)
    assert_refused(tokens, f"{head}.{said}", "without its third part", why)
    foreign = Ed25519PrivateKey.from_private_bytes(b"f" * 32)
    assert_refused(tokens, signed(claims(iss=THEIRS), foreign, "EdDSA", kid="idp-1"), "a foreign EdDSA key", why)
    assert_accepted(tokens, good, "the good one beside these")


@pytest.mark.task(3)
@pytest.mark.parametrize("alg", ["none", "None", "NONE"])
def test_a_token_without_signature_is_nobodys(tokens: Any, alg: str) -> None:
    """`alg: none` is in the standard, and was a way in for years: the token itself asks not to be checked."""
    signature = signed(claims()).rsplit(".", 1)[1]
    why = "The algorithm belongs to the key; what the token says about it is the attacker's wish."
    for kid in ("2026-11", "idp-1", None):
        token = signed(claims(iss=THEIRS if kid == "idp-1" else OURS), alg=alg, kid=kid)
        assert_refused(tokens, token, f"alg={alg}, kid={kid}, no signature", why)
        assert_refused(tokens, f"{token}{signature}", f"alg={alg}, kid={kid}, some signature", why)


@pytest.mark.task(3)
def test_a_public_key_is_not_taken_for_a_secret(tokens: Any) -> None:
    """Everybody has the public key. Checked as an HMAC secret, it lets everybody sign: HS/RS confusion."""
    for kid in ("idp-1", "2026-11"):
        token = signed(claims(iss=THEIRS, scope="chat keys"), IDP_PUBLIC, "HS256", kid=kid)
        assert_refused(
            tokens,
            token,
            f"signed by HS256 with the identity provider's public key, kid={kid}",
            "The token chose HS256, and the public key became the secret: take the algorithm from the TokenKey.",
        )


@pytest.mark.task(3)
def test_the_algorithm_is_the_keys(tokens: Any) -> None:
    """A list of everything that the library can do is a list of everything that will be broken one day."""
    for alg in ("HS384", "HS512"):
        why = "The key is one for HS256. algorithms=[...] has one name, and it comes from the key."
        assert_refused(tokens, signed(claims(), alg=alg), f"signed with our secret by {alg}", why)


@pytest.mark.task(3)
def test_kid_picks_a_key_and_does_nothing_else(tokens: Any) -> None:
    """`kid` is text of a stranger: it has been a path, a query and a shell command in other people's services."""
    why = "An unknown kid is an unknown key, and no kid is none: no default, no file, no trying of all."
    cases: dict[str, Any] = {
        "kid is missing": None,
        "kid is unknown": "2025-01",
        "kid is empty": "",
        "kid is a path": "../../../../../../dev/null",
        "kid is a query": "' UNION SELECT 'known' --",
        "kid is a number": 1,
        "kid is a list": ["2026-11"],
        "kid is a dict": {"2026-11": 1},
    }
    for what, kid in cases.items():
        assert_refused(tokens, signed(claims(), SECRET, kid=kid), f"{what}, signed with our secret", why)
        assert_refused(tokens, signed(claims(), b"", kid=kid), f"{what}, signed with an empty secret", why)
    assert_refused(tokens, signed(claims(), OLD_SECRET, kid="2026-11"), "signed with another key than kid says", why)


@pytest.mark.task(3)
def test_a_token_ends(tokens: Any) -> None:
    """Nothing else ends a token: one without an end is a password that nobody can change."""
    now = int(time.time())
    assert_refused(tokens, signed(claims(exp=now - 3_600)), "it ended an hour ago", "exp is not looked at.")
    assert_refused(
        tokens, signed(claims(exp=now - 40)), "it ended 40 seconds ago, leeway_s=30", "The leeway is larger."
    )
    assert_refused(tokens, signed(claims(exp=None)), "it has no exp", "What is not there is not checked: require it.")
    assert_refused(tokens, signed(claims(exp="never")), "exp is a text", "It has no end.")
    for never in (float("nan"), float("inf")):
        assert_refused(tokens, signed(claims(exp=never)), f"exp is {never}", "It has no end.")
    assert_accepted(tokens, signed(claims(exp=now - 5)), "it ended 5 seconds ago, leeway_s=30: clocks differ")
    strict = lesson.TokenService(ring(), AUDIENCE, leeway_s=0)
    why = "How much patience there is, is said by leeway_s."
    assert_refused(strict, signed(claims(exp=now - 10)), "it ended 10 seconds ago, leeway_s=0", why)


@pytest.mark.task(3)
def test_a_token_begins(tokens: Any) -> None:
    """A token for tomorrow is a token for tomorrow."""
    now = int(time.time())
    assert_refused(tokens, signed(claims(nbf=now + 3_600)), "it is good in an hour", "nbf is not looked at.")
    assert_accepted(tokens, signed(claims(nbf=now + 5)), "it is good in 5 seconds, leeway_s=30: clocks differ")
    assert_accepted(tokens, signed(claims(nbf=now - 5)), "it has been good for 5 seconds")


@pytest.mark.task(3)
def test_a_token_for_somebody_else_is_not_for_us(tokens: Any) -> None:
    """One provider signs for a hundred services: without `aud`, a token of the worst of them opens yours."""
    why = "It was made for another service, which can now be you."
    assert_refused(tokens, signed(claims(aud="the-photo-service")), "another audience", why)
    assert_refused(tokens, signed(claims(aud=["the-photo-service", "x"])), "two other audiences", why)
    assert_refused(tokens, signed(claims(aud=f"{AUDIENCE}-2")), "an audience that begins like ours", why)
    assert_refused(tokens, signed(claims(aud=AUDIENCE[:8])), "an audience that ours begins with", why)
    assert_refused(tokens, signed(claims(aud=None)), "no audience", "What is not there is not checked: require it.")
    assert_accepted(tokens, signed(claims(aud=["the-photo-service", AUDIENCE])), "two audiences, one of them ours")


@pytest.mark.task(3)
def test_a_key_speaks_for_its_issuer_alone(tokens: Any) -> None:
    """Who may sign for one issuer must not be able to speak as another."""
    why = "Each TokenKey has its issuer: a token's `iss` is compared with that of the key that signed it."
    assert_refused(tokens, signed(claims(iss="https://evil.test")), "an unknown issuer", why)
    assert_refused(tokens, signed(claims(iss=f"{OURS}.evil.test")), "an issuer that begins like ours", why)
    assert_refused(tokens, signed(claims(iss=OURS[:12])), "an issuer that ours begins with", why)
    assert_refused(tokens, signed(claims(iss=None)), "no issuer", why)
    assert_refused(tokens, signed(claims(iss=OURS), IDP, "EdDSA", kid="idp-1"), "our issuer, signed by the other", why)
    assert_refused(tokens, signed(claims(iss=THEIRS)), "their issuer, signed with our key", why)


@pytest.mark.task(3)
def test_a_token_says_whose_it_is(tokens: Any) -> None:
    """A user without a tenant is a user of all tenants in the first query that forgets to ask."""
    why = "Nobody knows whose it is."
    for what, said in {
        "no sub": claims(sub=None),
        "sub is a number": claims(sub=7),
        "no tenant": claims(tenant=None),
        "tenant is a number": claims(tenant=7),
    }.items():
        assert_refused(tokens, signed(said), what, why)
    for scope in (["chat"], 7):
        assert_refused(tokens, signed(claims(scope=scope)), f"scope is {scope}, no text", "What it may do is unclear.")
    assert_accepted(tokens, signed(claims(scope=None)), "no scope means no scopes", '["user:ada", "acme", []]')


@pytest.mark.task(3)
def test_a_token_says_nothing_else(tokens: Any) -> None:
    """`Principal(**claims)` takes whatever the issuer wrote, also what one day has the name of one of your fields."""
    token = signed(claims(token_limit=10**9, id="user:root", scopes=["keys"]))
    assert_accepted(tokens, token, "with claims named token_limit, id and scopes")
    limit = json.dumps(judged(tokens, token, "the same").token_limit)
    expected = json.dumps(lesson.Principal(id="x", tenant="x").token_limit)
    assert limit == expected, (
        f"a claim named token_limit made it {limit}, and the default, {expected}, was expected: sub, tenant and scope "
        "are taken from a token, and nothing else"
    )


@pytest.mark.task(3)
def test_nonsense_is_nobodys(tokens: Any) -> None:
    """The header is open to everybody, and so is your error log."""
    good = signed(claims())
    nested = b64(b'{"alg":"HS256","kid":"2026-11","x":' + b"[" * 5_000)
    texts = ["", ".", "..", "....", "a.b.c", "ü.ü.ü", "🙂", "null", "Bearer", good[1:], f"{good}.", f"{good}\n"]
    texts += [good.replace(".", ""), f"{b64(b'[]')}.e30.x", f"{b64(b'null')}.e30.x", f"{nested}.e30.x", "." * 9_000]
    texts += [signed([]), signed("ada"), signed(None), b64(b"\xff\xfe") + ".e30.x"]
    for text in texts:
        assert_refused(tokens, text, f"the text {text[:30]!r}", "It is no token at all.")


# 08.4


class Hasher:
    """Argon2 with parameters that cost nothing. It remembers what it was asked, and holds on while told to."""

    def __init__(self) -> None:
        self.real = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
        self.calls: list[str] = []
        self.lock = threading.Lock()
        self.inside = self.peak = 0
        self.wanted = 1  # so many hashes at once ring `came`
        self.came, self.released = threading.Event(), threading.Event()
        self.released.set()
        self.stuck = self.slow_hash = False

    def hash(self, password: str) -> str:
        """Hash a password; hold on as verify() does, if told to."""
        self.calls.append("hash")
        if self.slow_hash:
            self.came.set()
            self.hold_on()
        return self.real.hash(password)

    def hold_on(self) -> None:
        """Wait to be released. Who was stuck once is not waited for again."""
        self.stuck = self.stuck or not self.released.wait(PATIENCE_S)

    def verify(self, password: str, hash: str) -> bool:
        """Whether the hash is that of the password. What was asked is noted with the hash's parameters."""
        with self.lock:
            self.calls.append(f"verify {hash.rsplit('$', 2)[0]}")
            self.inside += 1
            self.peak = max(self.peak, self.inside)
            if self.inside >= self.wanted:
                self.came.set()
        try:
            self.hold_on()
            return self.real.verify(password, hash)
        finally:
            with self.lock:
                self.inside -= 1


@pytest.fixture
def hasher() -> Hasher:
    """A cheap argon2."""
    return Hasher()


def passwords(hasher: Hasher, **options: Any) -> Any:
    """The learner's Passwords. Ada's is `correct horse`, and hers are the scopes chat and documents."""
    ada = person(scopes=frozenset({"chat", "documents"}))
    others = {"eve": "", "zoe": "z" * 80}
    known = {name: (hasher.real.hash(text), person(id=f"user:{name}")) for name, text in others.items()}
    known["ada"] = hasher.real.hash("correct horse"), ada

    async def find_user(name: str) -> Any:
        await asyncio.sleep(0)
        return known.get(name)

    return lesson.Passwords(find_user, hasher, **options)


async def first_of(task: "asyncio.Future[Any]", came: threading.Event) -> None:
    """Wait for the hasher, or for the task to end without it."""
    waiting = asyncio.ensure_future(asyncio.to_thread(came.wait, PATIENCE_S))
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    came.set()
    await waiting


@pytest.mark.task(4)
async def test_the_right_password_is_ada(hasher: Hasher) -> None:
    """Whoever is let in by name alone, or by an empty password, is everybody."""
    users = passwords(hasher)
    principal = await users.check("ada", "correct horse")
    long = await users.check("zoe", "z" * 80)
    tried = [("ada", "wrong"), ("ada", ""), ("Ada", "correct horse"), ("bob", "correct horse"), ("", ""), ("eve", "x")]
    tried += [("ada", "correct horse "), ("ada", "schön🙂"), ("x" * 1_000, "y" * 1_000), ("zoe", "z" * 72 + "y" * 8)]
    let_in = [attempt for attempt in tried if await users.check(*attempt) is not None]

    assert isinstance(principal, lesson.Principal), f"ada's own password was refused: check() returned {principal!r}"
    assert shown(principal) == '["user:ada", "acme", ["chat", "documents"]]', f"ada became {shown(principal)}"
    assert isinstance(long, lesson.Principal), f"zoe's own password of 80 characters was refused: {long!r}"
    assert let_in == [], f"these names and passwords are wrong, and were let in: {let_in}"


@pytest.mark.task(4)
async def test_an_unknown_user_costs_the_same_work(hasher: Hasher) -> None:
    """An answer in 2 ms where others take 160 says: no such user. A list of names is half of a break-in."""
    work: dict[str, list[list[str]]] = {}
    for names in (("nobody", "ada"), ("ada", "nobody")):
        users = passwords(hasher)
        await turns()  # a decoy that is made in a thread is made now
        for nth, name in enumerate(names):
            hasher.calls.clear()
            try:
                await users.check(name, "wrong")
            except NotImplementedError:
                raise
            except Exception as error:
                pytest.fail(
                    f"{type(error).__name__} for {name}: {error}. The decoy must be a real hash, by this hasher."
                )
            work.setdefault(("the first login", "a later one")[nth], []).append(list(hasher.calls))

    for when, (first, second) in work.items():
        unknown, known = (first, second) if when == "the first login" else (second, first)
        assert any(call.startswith("verify") for call in known), f"a wrong password cost {known}: no verify"
        assert json.dumps(unknown) == json.dumps(known), (
            f"{when} asked the hasher for {unknown} with an unknown name, for {known} with a known one. Both must cost "
            "the same calls with the same parameters, from the first login on: a decoy is made before, and by this "
            "hasher."
        )


@pytest.mark.task(4)
async def test_the_event_loop_stays_free_while_it_hashes(hasher: Hasher) -> None:
    """One login is 160 ms in which no stream moves; ten a second, and the service stands still."""
    users = passwords(hasher)
    hasher.slow_hash = True
    hasher.released.clear()
    task = asyncio.ensure_future(users.check("ada", "correct horse"))
    await first_of(task, hasher.came)
    hasher.released.set()
    principal = await task

    assert not hasher.stuck, (
        f"the hash waited {PATIENCE_S:g} s for the event loop, which stood still: verify() or hash() ran on it. "
        "`async def` in front of a blocking call changes nothing; a thread does."
    )
    assert isinstance(principal, lesson.Principal), f"ada's own password was refused: {principal!r}"


@pytest.mark.task(4)
async def test_no_more_hashes_at_once_than_allowed(hasher: Hasher) -> None:
    """Each takes 64 MB: forty threads of logins are two and a half gigabytes, and the kernel ends your process."""
    for at_once in (2, 3):
        hasher.wanted, hasher.peak = at_once, 0
        hasher.came.clear()
        hasher.released.clear()
        users = passwords(hasher, at_once=at_once)
        logins = asyncio.gather(*(users.check(("ada", "nobody")[n % 2], f"wrong {n}") for n in range(8)))
        await first_of(logins, hasher.came)
        await turns()  # others that are on their way come now
        hasher.released.set()
        await logins

        assert hasher.peak <= at_once, (
            f"at_once={at_once}, eight logins with known and unknown names, and {hasher.peak} hashes were worked on "
            "together: nothing held the rest back."
        )
        assert hasher.peak == at_once, (
            f"at_once={at_once}, eight logins, and never more than {hasher.peak} hashes were worked on together."
        )


class Issuing:
    """Stands for TokenService: says which principal it was asked for."""

    def __init__(self) -> None:
        self.issued: list[Any] = []

    def issue(self, principal: Any, ttl_s: int = 900) -> str:
        """Return a token."""
        self.issued.append(principal)
        return f"token-{len(self.issued)}"


@asynccontextmanager
async def logging_in(hasher: Hasher) -> AsyncIterator[tuple[Callable[..., Any], Issuing]]:
    """How to log in, and what tokens were issued."""
    issuing = Issuing()

    async def log_in(name: str, password: str, **more: str) -> httpx.Response:
        form = {"grant_type": "password", "username": name, "password": password, **more}
        return await ask(lesson.app, "POST", "/token", data=form)

    with overridden(lesson.app, get_services=services(passwords=passwords(hasher), tokens=issuing)):
        yield log_in, issuing


@pytest.mark.task(4)
async def test_a_login_is_answered_with_a_token(hasher: Hasher) -> None:
    """Client libraries know the form and the answer by heart: RFC 6749."""
    async with logging_in(hasher) as (log_in, issuing):
        answer = await log_in("ada", "correct horse")

    assert answer.status_code == 200, f"ada logged in, and was answered {answer.status_code} {answer.text}"
    said = answer.json()
    seen = json.dumps([said.get("access_token"), said.get("token_type"), sorted(str(said.get("scope")).split())])
    assert seen == '["token-1", "bearer", ["chat", "documents"]]', (
        f"access_token, token_type and scope were {said}: the token of services.tokens.issue(principal), "
        "`bearer`, and the scopes in one text"
    )
    assert [shown(one) for one in issuing.issued] == ['["user:ada", "acme", ["chat", "documents"]]'], (
        f"tokens were issued for {issuing.issued}: one for ada was expected"
    )
    directives = [one.strip().lower() for one in answer.headers.get("cache-control", "").split(",")]
    assert "no-store" in directives, (
        f"Cache-Control was {answer.headers.get('cache-control')!r}: a token in a cache is a token of the next reader"
    )


@pytest.mark.task(4)
async def test_a_failed_login_says_nothing_about_why(hasher: Hasher) -> None:
    """An answer of `no such user` is a service for whoever collects names."""
    async with logging_in(hasher) as (log_in, issuing):
        wrong, unknown = await log_in("ada", "x"), await log_in("nobody", "x")

    for what, answer in (("a wrong password", wrong), ("an unknown user", unknown)):
        assert (answer.status_code, answer.text and answer.json()) == (400, {"error": "invalid_grant"}), (
            f'{what}: {answer.status_code} {answer.text}, not 400 {{"error": "invalid_grant"}}'
        )
    assert wrong.headers == unknown.headers, f"the headers tell: {wrong.headers} and {unknown.headers}"
    assert issuing.issued == [], f"a token was issued for {issuing.issued}"


@pytest.mark.task(4)
async def test_nobody_logs_in_with_more_than_they_have(hasher: Hasher) -> None:
    """The form has a field `scope`, and whoever logs in fills it."""
    async with logging_in(hasher) as (log_in, issuing):
        asked = ("keys chat", "keys", "chat", "chats Chat * chat:read")
        said = [(await log_in("ada", "correct horse", scope=scope)).json() for scope in asked]

    granted = [sorted(one.scopes) for one in issuing.issued]
    assert granted == [["chat"], [], ["chat"], []], (
        f"ada has chat and documents; asked for {asked}, she got {granted}. "
        "What the form says is a wish: grant what is in it and hers."
    )
    told = [one.get("scope") for one in said]
    assert told == ["chat", "", "chat", ""], f"the answers should tell what was granted, and said {told}"


@pytest.mark.task(4)
async def test_no_log_and_no_output_has_a_password(
    hasher: Hasher, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong password is most often the right one of another service."""
    caplog.set_level(logging.DEBUG)
    async with logging_in(hasher) as (log_in, _):
        for name in ("ada", "nobody"):
            for password in ("correct horse", "the-one-of-my-bank"):
                await log_in(name, password)

    written = caplog.text + "".join(capsys.readouterr())
    for password in ("correct horse", "the-one-of-my-bank"):
        assert password not in written, "a password was written to a log or printed; the name says all that helps"


# 08.5


SHOWN = {"Authorization": "Bearer sk_ada_1"}  # who it is, is replaced; a scheme may want to see something


async def attempt(method: str, path: str, scopes: set[str]) -> str:
    """What a request to the lesson's own route got: "401", "403", or "through", whatever the route does then."""
    found = services(keys=KnownKeys({}), quota=lesson.MemoryQuota())
    who = person(scopes=frozenset(scopes))
    body = {"prompt": "Why?"} if path == "/chat" else {"scopes": ["chat"]}
    with overridden(lesson.app, get_services=found, current_principal=who):
        try:
            sent = {} if method == "GET" else {"json": body}
            answer = await ask(lesson.app, method, path, headers=SHOWN, **sent)
        except NotImplementedError as error:
            if "08.5" in str(error):
                raise
            return "through"
        except Exception:
            return "through"
    return str(answer.status_code) if answer.status_code in (401, 403) else "through"


ROUTES = {("POST", "/chat"): "chat", ("GET", "/documents"): "documents", ("POST", "/keys"): "keys"}


@pytest.mark.task(5)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[path for _, path in ROUTES])
async def test_a_route_wants_its_scope(method: str, path: str) -> None:
    """A key that leaks from a chat widget must not be able to issue more keys."""
    wanted = ROUTES[method, path]
    others = set(lesson.SCOPES) - {wanted}

    refused = await attempt(method, path, others)
    assert refused != "through", (
        f"{method} {path} with {sorted(others)} came through to the route, and it wants {wanted!r}. "
        "Depends() carries no scopes, Security() does."
    )
    assert refused == "403", f"{method} {path} with {sorted(others)}: {refused}, not 403: who it is, is known."
    alone = await attempt(method, path, {wanted})
    assert alone == "through", f"{method} {path} with {wanted!r} alone was answered {alone}"


def guarded(scopes: list[str]) -> FastAPI:
    """A route of a test that wants these scopes."""
    app = FastAPI()

    @app.get("/who")
    async def who(principal: Annotated[Any, Security(lesson.authorized, scopes=scopes)]) -> str:
        return principal.id

    return app


async def guard(wanted: list[str], own: set[str]) -> httpx.Response:
    """Ask a route that wants some scopes, with others."""
    app = guarded(wanted)
    with overridden(app, get_services=services(), current_principal=person(scopes=frozenset(own))):
        return await ask(app, "GET", "/who", headers=SHOWN)


@pytest.mark.task(5)
async def test_every_scope_is_needed_and_whole() -> None:
    """`"chat" in "read:chat-logs"` is true, and that is a hole."""
    cases: list[tuple[list[str], set[str], int]] = [
        ([], set(), 200),
        (["chat"], {"chat"}, 200),
        (["chat"], {"chat", "keys"}, 200),
        (["chat", "documents"], {"chat", "documents"}, 200),
        (["chat", "documents"], {"chat"}, 403),
        (["chat", "documents"], {"documents", "keys"}, 403),
        (["chat"], set(), 403),
        (["chat"], {"chats", "chat:read", "Chat", "cha", "*", "admin"}, 403),
        (["chat", "documents"], {"chat documents"}, 403),
    ]
    for wanted, own, status in cases:
        answer = await guard(wanted, own)
        assert answer.status_code == status, (
            f"the route wants {wanted}, the principal has {sorted(own)}: {answer.status_code}, not {status}. "
            "Every scope of the route is needed, as a whole word."
        )
        assert status == 403 or answer.json() == "user:ada", f"the route did not get the principal: {answer.text}"


@pytest.mark.task(5)
async def test_a_missing_scope_is_403_and_named() -> None:
    """RFC 6750: the client reads which scope to ask its user for."""
    answer = await guard(["chat", "documents"], {"chat"})
    challenge = answer.headers.get("www-authenticate", "")

    assert answer.status_code == 403, f"known, and not enough: 403, and it was {answer.status_code}"
    assert challenge.startswith("Bearer ") and 'error="insufficient_scope"' in challenge, (
        f'WWW-Authenticate should be Bearer error="insufficient_scope", scope="...": {challenge!r}'
    )
    assert 'scope="chat documents"' in challenge, f"the challenge names all scopes of the route: {challenge!r}"


async def schema() -> dict[str, Any]:
    """The lesson's OpenAPI."""
    await guard([], set())  # says what is still to do
    return (await ask(lesson.app, "GET", "/openapi.json")).json()


@pytest.mark.task(5)
async def test_the_schema_declares_both_ways() -> None:
    """The Authorize button, generated clients and gateways read this; what is not declared has no button."""
    schemes = (await schema()).get("components", {}).get("securitySchemes", {})

    flows = [one.get("flows", {}).get("password") for one in schemes.values() if one.get("type") == "oauth2"]
    assert len(flows) == 1 and flows[0], f"securitySchemes has one oauth2 with the password flow, and is {schemes}"
    assert flows[0].get("tokenUrl") in ("token", "/token"), f"the token comes from `token`: {flows[0]}"
    assert flows[0].get("scopes") == dict(lesson.SCOPES), f"the flow offers SCOPES: {flows[0]}"
    bearers = [name for name, one in schemes.items() if (one.get("type"), one.get("scheme")) == ("http", "bearer")]
    assert len(bearers) == 1, (
        f"securitySchemes has one http bearer, for API keys, and is {schemes}. "
        "Two HTTPBearer objects with different names are two schemes."
    )


@pytest.mark.task(5)
async def test_the_schema_names_the_scope_of_each_route() -> None:
    """Who reads the docs must see what a key needs, before the 403."""
    found = await schema()
    kinds = {name: one["type"] for name, one in found.get("components", {}).get("securitySchemes", {}).items()}
    for (method, path), scope in ROUTES.items():
        ways = found["paths"][path][method.lower()].get("security", [])
        seen = {kinds.get(name, name): scopes for way in ways for name, scopes in way.items()}
        assert set(seen) == {"oauth2", "http"} and seen["oauth2"] == [scope], (
            f"{method} {path}: security is {ways}; a token with the scope {scope!r} or a key was expected"
        )
        assert all(len(way) == 1 for way in ways), f"{method} {path}: {ways} wants a token and a key, not one of them"
    assert "security" not in found["paths"]["/token"]["post"], "/token wants what only /token gives"


# 08.6

ACME, GLOBEX = {"d-1": "plans of acme", "d-2": "numbers of acme"}, {"d-9": "secrets of globex"}
ALIKE = ("ACME", "acme-2", "acm", "", " acme")  # tenants that are not acme


def library() -> Any:
    """Services with documents of two tenants."""
    kept = {key: lesson.Document(id=key, tenant="acme", text=text) for key, text in ACME.items()}
    kept |= {key: lesson.Document(id=key, tenant="globex", text=text) for key, text in GLOBEX.items()}
    return services(documents=kept)


async def as_ada(found: Any, method: str, path: str, **sent: Any) -> httpx.Response:
    """What ada of acme gets, who has every scope there is, and some that there are elsewhere."""
    ada = person(scopes=frozenset({*lesson.SCOPES, "admin", "*"}))
    with overridden(lesson.app, get_services=found, current_principal=ada, authorized=ada):
        return await ask(lesson.app, method, path, **sent)


@pytest.mark.task(6)
async def test_ones_own_document_is_read() -> None:
    """The test that everybody writes."""
    answer = await as_ada(library(), "GET", "/documents/d-1")

    assert (answer.status_code, answer.text and answer.json()) == (
        200,
        {"id": "d-1", "tenant": "acme", "text": "plans of acme"},
    ), f"ada of acme asked for a document of acme: {answer.status_code} {answer.text}"


@pytest.mark.task(6)
async def test_the_list_has_ones_own_and_no_others() -> None:
    """Nobody attacks a list: it is enough to open the page."""
    found = library()
    for n, tenant in enumerate(ALIKE):
        found.documents[f"e-{n}"] = lesson.Document(id=f"e-{n}", tenant=tenant, text="secrets")
    answer = await as_ada(found, "GET", "/documents")

    assert answer.status_code == 200, f"ada of acme listed documents: {answer.status_code} {answer.text}"
    assert "globex" not in answer.text, f"ada of acme listed documents, and was told of globex's: {answer.text}"
    listed = sorted((one["id"], one["tenant"]) for one in answer.json())
    assert listed == [("d-1", "acme"), ("d-2", "acme")], (
        f"acme has d-1 and d-2, the list has {listed}. Tenants that look alike are others."
    )
    empty = await as_ada(services(), "GET", "/documents")
    assert (empty.status_code, empty.text) == (200, "[]"), (
        f"without documents: {empty.status_code} {empty.text}, not []"
    )


@pytest.mark.task(6)
async def test_somebody_elses_document_does_not_exist() -> None:
    """403 says: there is one. Numbers counted up, and a rival knows how many customers you have, and which."""
    found = library()
    foreign = await as_ada(found, "GET", "/documents/d-9")
    del found.documents["d-9"]
    missing = await as_ada(found, "GET", "/documents/d-9")

    assert foreign.status_code == 404, (
        f"ada of acme asked for a document of globex: {foreign.status_code} {foreign.text}. "
        "Scopes say what, the tenant says whose. 403 tells that it exists; 404 tells nothing."
    )
    assert missing.status_code == 404, f"a document that does not exist: {missing.status_code} {missing.text}, not 404"
    assert (foreign.text, foreign.headers) == (missing.text, missing.headers), (
        f"globex's document: {foreign.text} {dict(foreign.headers)}; none at all: {missing.text} "
        f"{dict(missing.headers)}. Whoever can tell the two apart knows what globex has."
    )


@pytest.mark.task(6)
async def test_nobody_chooses_their_tenant() -> None:
    """Whoever may say which tenant they are will say another."""
    claims: list[dict[str, Any]] = [
        {"headers": {name: "globex"}} for name in ("X-Tenant-ID", "X-Tenant", "Tenant", "X-Organization")
    ]
    claims += [{"params": {name: "globex"}} for name in ("tenant", "tenant_id", "org", "owner")]
    for claim in claims:
        one = await as_ada(library(), "GET", "/documents/d-9", **claim)
        every = await as_ada(library(), "GET", "/documents", **claim)
        assert one.status_code == 404 and "globex" not in every.text, (
            f"with {claim} ada of acme got a document of globex: {one.status_code} {one.text}, {every.text}. "
            "The tenant comes from the principal and from nowhere else."
        )


@pytest.mark.task(6)
async def test_owned_guards_whatever_has_a_tenant() -> None:
    """One guard for documents, keys and jobs, or every route invents its own."""
    ada = person(tenant="acme")
    mine = SimpleNamespace(tenant="acme")
    assert lesson.owned(mine, ada) is mine, "owned() hands on what belongs to the principal's tenant, the thing itself"

    details = []
    theirs: list[Any] = [
        None,
        *(SimpleNamespace(tenant=name) for name in ("globex", *ALIKE)),
    ]
    asked = [(thing, ada) for thing in theirs] + [(mine, person(tenant=name)) for name in ALIKE]
    for thing, who in asked:
        try:
            let_through = lesson.owned(thing, who)
        except HTTPException as error:
            details.append((error.status_code, str(error.detail)))
        else:
            pytest.fail(f"owned({thing}) for ada of {who.tenant!r} returned {let_through!r}, and should raise 404")
    assert set(details) == {(404, details[0][1])}, (
        f"missing and foreign should raise the same 404, and raised {details}"
    )


# 08.7


class Ledger:
    """A QuotaStore as far away as Redis is: others come between any two of its steps, and none into one."""

    def __init__(self) -> None:
        self.sums: Counter[str] = Counter()

    async def spend(self, principal_id: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit."""
        await asyncio.sleep(0)
        fits = self.sums[principal_id] + tokens <= limit
        self.sums[principal_id] += tokens if fits else 0
        await asyncio.sleep(0)
        return fits

    async def settle(self, principal_id: str, tokens: int) -> None:
        """Add tokens, whatever the limit says."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.sums[principal_id] += tokens


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger."""
    return Ledger()


class Crowded(Ledger):
    """A ledger on which another worker takes whatever is free, after each step of ours."""

    async def spend(self, principal_id: str, tokens: int, limit: int) -> bool:
        """Add tokens if the sum stays within the limit."""
        fits = await super().spend(principal_id, tokens, limit)
        self.rival(principal_id)
        return fits

    async def settle(self, principal_id: str, tokens: int) -> None:
        """Add tokens, whatever the limit says."""
        await super().settle(principal_id, tokens)
        self.rival(principal_id)

    def rival(self, principal_id: str) -> None:
        """Spend what is left of 1000."""
        self.sums[principal_id] = max(1_000, self.sums[principal_id])


async def settled(ledger: Ledger, expected: int) -> str:
    """What ada has spent, once whatever is on its way has arrived."""
    for _ in range(50):
        if ledger.sums["user:ada"] == expected:
            break
        await asyncio.sleep(0)
    return json.dumps(ledger.sums["user:ada"])


async def call(ledger: Ledger, estimate: int, used: int, who: Any = None, began: Any = None, go: Any = None) -> str:
    """One call to a model: "done", "429", or the name of another error."""
    try:
        async with lesson.spending(ledger, who or person(), estimate) as bill:
            if began is not None:
                began.append(1)
            if go is not None:
                await go.wait()
            bill.tokens += used
    except HTTPException as error:
        return str(error.status_code)
    return "done"


@pytest.mark.task(7)
async def test_what_was_used_is_charged_and_no_more(ledger: Ledger) -> None:
    """An estimate of 500 for an answer of 12 tokens: who keeps the estimate runs out forty times too early."""
    outcomes = [await call(ledger, estimate=500, used=used) for used in (12, 0, 30)]

    assert outcomes == ["done"] * 3, (
        f"three calls with an estimate of 500, on a limit of 1000, ended as {outcomes}. "
        "Each used a few tokens, so a 429 means that the rest of an estimate is not given back when a call ends."
    )
    spent = await settled(ledger, 42)
    assert spent == "42", f"calls used 12, 0 and 30 tokens of an estimate of 500 each, and {spent} were charged, not 42"


@pytest.mark.task(7)
async def test_an_estimate_that_does_not_fit_is_429_before_anything_runs(ledger: Ledger) -> None:
    """After the call it is too late: the provider has been asked, and will be paid."""
    ledger.sums["user:ada"] = 900
    began: list[int] = []
    outcomes = [await call(ledger, estimate, used=1, began=began) for estimate in (101, 1_000_000)]

    assert outcomes == ["429", "429"], f"100 tokens are left, 101 and a million were asked for: {outcomes}, not 429"
    assert began == [], "the block ran: it calls the model, and must not begin without a reservation"
    assert json.dumps(ledger.sums["user:ada"]) == "900", f"refused calls changed the sum to {ledger.sums['user:ada']}"
    assert await call(ledger, 100, used=100) == "done", "100 tokens are left, and an estimate of 100 was refused"


@pytest.mark.task(7)
async def test_of_two_hundred_calls_on_a_quota_of_ten_ten_succeed(ledger: Ledger) -> None:
    """Look, then spend: two hundred look at once, and all of them see room."""
    ada = person(token_limit=10)
    outcomes = Counter(await asyncio.gather(*(call(ledger, 1, used=1, who=ada) for _ in range(200))))

    assert outcomes == {"done": 10, "429": 190}, (
        f"200 calls at once, each of 1 token, on a quota of 10: {dict(outcomes)}. "
        "More than 10 means that looking and spending are two steps: spend() is one, and says whether it did."
    )


@pytest.mark.task(7)
async def test_of_eight_calls_that_need_most_of_the_quota_one_runs(ledger: Ledger) -> None:
    """Who charges after the call lets eight of them start, and pays for eight."""
    go, began = asyncio.Event(), list[int]()
    calls = asyncio.gather(*(call(ledger, 800, used=800, began=began, go=go) for _ in range(8)))
    for _ in range(20):
        await asyncio.sleep(0)
    running = len(began)
    go.set()
    outcomes = Counter(await calls)

    assert running == 1 and outcomes == {"done": 1, "429": 7}, (
        f"8 calls at once, each worth 80 % of the quota: {running} were running together, and ended as "
        f"{dict(outcomes)}. Tokens are reserved before a call, and settled after it."
    )


@pytest.mark.task(7)
async def test_a_call_that_fails_costs_nothing(ledger: Ledger) -> None:
    """The provider is down for an hour, everybody retries, and by noon nobody has a quota."""
    for error in (ConnectionError("the provider is down"), HTTPException(502)):
        try:
            async with lesson.spending(ledger, person(), 500):
                raise error
        except (ConnectionError, HTTPException) as came_out:
            seen: Any = came_out
        else:
            seen = "nothing"
        assert seen != "nothing", f"the call failed with {error!r}, and nothing came out: who asked thinks it went well"
        assert seen is error, f"the call failed with {error!r}, and {seen!r} came out: its own error goes its way"

    spent = await settled(ledger, 0)
    assert spent == "0", f"two calls failed before they used anything, and {spent} tokens are charged: refund them"


@pytest.mark.task(7)
async def test_a_call_that_fails_halfway_costs_what_it_used(ledger: Ledger) -> None:
    """The connection breaks after 30 tokens; the provider bills them. Free, they invite to break connections."""
    try:
        async with lesson.spending(ledger, person(), 500) as bill:
            bill.tokens += 30
            raise ConnectionError("the line broke")
    except ConnectionError:
        pass

    spent = await settled(ledger, 30)
    assert spent == "30", f"a call failed after 30 of 500 tokens, and {spent} are charged: what was used is paid"


@pytest.mark.task(7)
async def test_nobody_comes_between_and_finds_room_that_is_taken() -> None:
    """Given back first and charged then, the whole reservation is free for a moment: long enough under load."""
    ledger = Crowded()
    async with lesson.spending(ledger, person(), 500) as bill:
        reserved = ledger.sums["user:ada"]
        bill.tokens += 500
    await settled(ledger, -1)  # whatever is on its way arrives

    why = "Between two steps somebody else comes in; spend() reserves in one, settle() charges the difference in one."
    assert json.dumps(reserved) == "1000", (
        f"with a limit of 1000, another worker took what was free after each step of ours, and the sum is {reserved} "
        f"once 500 are reserved. {why}"
    )
    spent = json.dumps(ledger.sums["user:ada"])
    assert spent == "1000", (
        f"with a limit of 1000, another worker took what was free after each step of ours, and the sum is {spent} "
        f"once the call has ended: its 500 were given back before they were charged. {why}"
    )


@pytest.mark.task(7)
@pytest.mark.parametrize("by", ["task", "scope"])
async def test_a_call_that_is_cut_off_costs_what_it_used(ledger: Ledger, by: str) -> None:
    """The reader of a stream leaves after 10 of 100 tokens; the server cancels, and whatever waits in a `finally`."""
    holding = asyncio.Event()

    async def stream() -> None:
        async with lesson.spending(ledger, person(), 100) as bill:
            bill.tokens += 10
            holding.set()
            await asyncio.Event().wait()

    if by == "task":  # as asyncio cancels: once
        task = asyncio.ensure_future(stream())
        waiting = asyncio.ensure_future(holding.wait())
        await asyncio.wait({task, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, NotImplementedError):
            raise outcome
        assert isinstance(outcome, asyncio.CancelledError), f"the call was cancelled, and ended with {outcome!r}"
    else:  # as Starlette and anyio cancel: every await again, until the scope is left
        async with anyio.create_task_group() as group:
            group.start_soon(stream)
            waiting = asyncio.ensure_future(holding.wait())
            await asyncio.wait({waiting}, timeout=PATIENCE_S)
            group.cancel_scope.cancel()

    spent = await settled(ledger, 10)
    assert spent == "10", (
        f"a call was cut off after 10 of 100 tokens, and {spent} are charged. "
        "100 means that the rest was never given back: an await in `finally` is cancelled too, unless it is shielded. "
        "0 means that what was used is for free."
    )


@pytest.mark.task(7)
async def test_a_call_that_used_more_is_charged_for_it(ledger: Ledger) -> None:
    """An estimate is an estimate. What the provider bills is what was used."""
    outcomes = [await call(ledger, estimate=600, used=1_100)]
    spent = await settled(ledger, 1_100)
    outcomes.append(await call(ledger, estimate=1, used=1))

    assert spent == "1100", f"estimated were 600 tokens, used 1100, and {spent} are charged"
    assert outcomes == ["done", "429"], f"the call, and the next one over the limit, ended as {outcomes}"


@pytest.mark.task(7)
async def test_everybody_has_their_own_quota(ledger: Ledger) -> None:
    """One key that runs wild must not stop the others."""
    keys = [person(id="key:1", token_limit=10), person(id="key:2", token_limit=20)]
    outcomes = [[await call(ledger, 10, used=10, who=key) for _ in range(3)] for key in keys]

    assert outcomes == [["done", "429", "429"], ["done", "done", "429"]], (
        f"two keys with limits of 10 and 20, three calls of 10 each: {outcomes}. "
        "What is counted is counted for principal.id, against principal.token_limit."
    )
