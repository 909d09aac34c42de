# %% [markdown]
# # 08 auth: who is asking
#
# Seven questions about keys, tokens, answers that tell too much, and a quota that holds.
# Each stands alone: run the cell below, then go to any of them.
# The lesson behind them is `lessons/08_auth`.

# %%
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient

# %% [markdown]
# ## How do you authenticate the callers of an LLM API?
#
# `auth-01` · mid · on every list
#
# *Think first.* Next month a colleague adds a route and forgets about authentication.
# Who can call it, and who pays for what the model answers?

# %% [markdown]
# **Spoken answer.** Machines get API keys, people get short-lived tokens from an identity provider, and both come in the `Authorization` header.
# One dependency turns either into a principal: who it is, which tenant, which scopes, how many tokens a day.
# It stands before the whole router, so a route is closed unless somebody opens it, and a test walks over all routes to see that.
# Of a key I keep a digest under a pepper, find it by an id that stands in the key, and compare in constant time.
# Refusals say 401 with `WWW-Authenticate`, the same for unknown, forged and ended.
# And because every call costs money, it is checked before a model is asked, and what was used is counted for that principal.

# %%
import hmac
import secrets
import time
from dataclasses import dataclass

PEPPER, SECRET = secrets.token_bytes(32), secrets.token_bytes(32)  # from the settings


@dataclass(frozen=True)
class Principal:
    id: str
    tenant: str


store: dict[str, tuple[str, Principal]] = {}  # by the key's id: a digest, and whose key it is
RULES = {"audience": "chat", "options": {"require": ["exp", "aud", "sub", "tenant"]}}


def digest(key: str) -> str:
    return hmac.digest(PEPPER, key.encode(), "sha256").hex()


def issue_key(key_id: str, tenant: str) -> str:
    key = f"sk_{key_id}_{secrets.token_urlsafe(32)}"
    store[key_id] = digest(key), Principal(f"key:{key_id}", tenant)
    return key


def issue_token(ends_in_s: int, audience: str = "chat") -> str:
    claims = {"sub": "user:ada", "tenant": "acme", "aud": audience}
    return jwt.encode(claims | {"exp": int(time.time()) + ends_in_s}, SECRET, "HS256")


def by_key(key: str) -> Principal | None:
    kept, principal = store.get(key.removeprefix("sk_").partition("_")[0], ("", None))
    return principal if hmac.compare_digest(kept, digest(key)) else None


def by_token(token: str) -> Principal | None:
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], **RULES)
    except jwt.PyJWTError:
        return None
    return Principal(claims["sub"], claims["tenant"])


# %%
from typing import Annotated

from fastapi import APIRouter, Request


async def current_principal(request: Request) -> Principal:
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    shown = shown.strip()
    if scheme.lower() != "bearer" or not shown:
        raise HTTPException(401, "no key or token", {"WWW-Authenticate": "Bearer"})
    principal = by_key(shown) if shown.startswith("sk_") else by_token(shown)
    if principal is None:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise HTTPException(401, "not a valid key or token", challenge)
    return principal


api = APIRouter(dependencies=[Depends(current_principal)])
CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
asked: list[str] = []  # for whom a model was asked


@api.post("/chat")
async def create_chat(principal: CurrentPrincipal) -> str:
    asked.append(principal.id)
    return "All is well."


@api.post("/summaries")  # added next month, by somebody who thought of the summary
async def create_summary() -> str:
    asked.append("nobody knows")
    return "In short: well."


app = FastAPI()
app.include_router(api)

# %%
key = issue_key("3f2a", "acme")
strangers = {
    "nothing": "",
    "a scheme alone": "Bearer ",
    "another scheme": f"Basic {key}",
    "a guess": f"Bearer sk_3f2a_{secrets.token_urlsafe(32)}",
    "a key but for its last character": f"Bearer {key[:-1]}",
    "a token that has ended": f"Bearer {issue_token(-1)}",
    "a token for another service": f"Bearer {issue_token(900, audience='payroll')}",
}
caller, paths = TestClient(app), list(app.openapi()["paths"])


def post(path: str, shown: str):
    return caller.post(path, headers={"Authorization": shown})


refused = [post(path, shown) for path in paths for shown in strangers.values()]
before = len(asked)
known = [post("/chat", f"Bearer {shown}").status_code for shown in (key, issue_token(900))]
del store["3f2a"]
revoked = post("/chat", f"Bearer {key}").status_code

count = [reply.status_code for reply in refused].count(401)
print(f"{len(paths)} routes, {len(strangers)} strangers: {count} times 401, model calls: {before}")
print(f"a key and a token: {known}, charged to {asked}")
print(f"the key, as soon as it is revoked: {revoked}")
assert count == len(refused) == 14 and before == 0
assert all(reply.headers["WWW-Authenticate"].startswith("Bearer") for reply in refused)
assert known == [200, 200] and asked == ["key:3f2a", "user:ada"] and revoked == 401

# %% [markdown]
# **Listens for**
#
# - One principal, however it was proved; routes see nothing else.
# - Closed by default: before the router, not in each route.
# - What is kept of a key, and that it can be revoked in a moment.
# - 401 with a challenge, before anything costs money.
#
# **Usual wrong answer.** *"FastAPI has `HTTPBearer` for that. I depend on it in every protected route."*
# It finds out that something stands in the header, not whose it is; and a route that was forgotten is open.

# %%
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

naive, bearer, asked = FastAPI(), HTTPBearer(), []


@naive.post("/chat")
async def create_chat(shown: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    asked.append(shown.credentials)
    return "All is well."


@naive.post("/summaries")
async def create_summary() -> str:
    asked.append("nobody")
    return "In short: well."


caller = TestClient(naive)
guess = caller.post("/chat", headers={"Authorization": "Bearer let-me-in"}).status_code
forgotten = caller.post("/summaries").status_code
print(f"/chat, to whoever writes `Bearer let-me-in`: {guess}")
print(f"/summaries, to whoever writes nothing:       {forgotten}")
print(f"the model was asked for {asked}")
assert (guess, forgotten, len(asked)) == (200, 200, 2)

# %% [markdown]
# **Then they ask.** *A page in the browser is to call your API. Where does its key live?*
# Nowhere: what is in a page belongs to whoever opens the developer tools.
# The page talks to our own backend with a session cookie, `HttpOnly` and `SameSite`, or with a token of a few minutes for this one user; the provider's key stays on the server.
#
# **Your turn.** Write what stands before every check: the credential of an `Authorization` header, or None.


# %%
def credential_of(header: str | None) -> str | None:
    """Return what stands behind `Bearer`, in any case of letters and with any blanks.

    None if there is nothing.
    """
    ...


# %%
from verdicts import check

check(
    credential_of,
    [
        (("Bearer sk_1_x",), "sk_1_x"),
        (("bearer   sk_1_x ",), "sk_1_x"),
        (("Basic sk_1_x",), None),
        (("sk_1_x",), None),
        (("Bearer",), None),
        (("Bearer   ",), None),
        ((None,), None),
    ],
    because=(
        "Split once, at the first blank; the scheme has no case; "
        "and what is only blanks is nothing."
    ),
)

# %% [markdown]
# ## How do you store API keys, how passwords, and why not in the same way?
#
# `auth-02` · junior
#
# *Think first.* Somebody has copied your database.
# How many guesses does a thief need for a password, and how many for a key that you made?

# %% [markdown]
# **Spoken answer.** Neither is kept as it is; and what differs is who made it.
# People choose passwords, so a thief tries a list of common ones, and each guess has to be slow: argon2 with its own salt, 160 milliseconds and 64 megabytes a guess.
# I make the keys, 32 random bytes, and nobody guesses those, however fast the hash: one HMAC with a pepper, which takes a few microseconds.
# It has to be fast, because a key is checked at every request and a password once a session.
# Salts differ for each user, so one table does not serve for all; the pepper is not in the database, so who steals only that cannot even check a guess.

# %%
import hashlib
import secrets

from pwdlib import PasswordHash

COMMON = ["123456", "password", "qwerty", "letmein", "dragon", "iloveyou", "monkey", "princess"]
people = {"ada": "letmein", "bob": "dragon", "eve": "letmein"}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


stolen = {name: sha256(password) for name, password in people.items()}
table = {sha256(word): word for word in COMMON}  # one hash a word, for everybody's passwords
found = [name for name, kept in stolen.items() if kept in table]

hasher = PasswordHash.recommended()
twice = [hasher.hash("letmein") for _ in ("ada", "eve")]
assert twice[0] != twice[1], "each has its own salt: what was found for ada says nothing about eve"
settings = dict(one.split("=") for one in twice[0].split("$")[3].split(","))
slow = len(COMMON) * len(people)
key = secrets.token_bytes(32)
years = 2 ** (8 * len(key)) // 10**12 // (365 * 86_400)  # at a trillion guesses a second

print(f"passwords, SHA-256: {len(table)} hashes find {len(found)} of {len(people)}")
print(f"passwords, argon2:  {slow} hashes for the same, each over {int(settings['m']) // 1024} MB")
print(f"a key, any hash:    a number of years with {len(str(years))} digits")
assert len(found) == 3 and len(table) == 8
assert int(settings["m"]) >= 64 * 1024 and years > 10**50

# %% [markdown]
# **Listens for**
#
# - Who made the secret decides: guessable or not.
# - Salt and pepper, and what each is for.
# - The price for each request: fast for keys, slow for logins, and slow work off the event loop.
#
# **Usual wrong answer.** *"Argon2 for both, to be on the safe side."*
# With a salt nobody can look a key up, so it is tried against all of them; and each try is meant to be slow.

# %%
import hmac

from pwdlib.hashers.argon2 import Argon2Hasher

# As weak as the library allows, because here the calls are counted and not timed.
quick = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
keys = [f"sk_{n:02}_{secrets.token_urlsafe(32)}" for n in range(40)]
by_argon2 = [quick.hash(key) for key in keys]
pepper = secrets.token_bytes(32)
by_hmac = {hmac.digest(pepper, key.encode(), "sha256"): n for n, key in enumerate(keys)}

tries = next(n for n, kept in enumerate(by_argon2, start=1) if quick.verify(keys[-1], kept))
looked_up = by_hmac[hmac.digest(pepper, keys[-1].encode(), "sha256")]
print(f"argon2: {tries} slow hashes find the caller among {len(keys)} keys")
print("HMAC:   1 fast hash, which the database has an index on")
print(f"at 160 ms a hash, two cores check {2 / (0.160 * tries):.1f} requests a second")
assert (tries, looked_up) == (40, 39)

# %% [markdown]
# **Then they ask.** *And where do you keep the provider's key, which you have to send as it is?*
# A digest does not help there: I need the key itself.
# It comes from a secret manager or a mounted file into the process, never into the image, the repository or the environment of a shell that others see; in the code it is a `SecretStr`, and it is rotated on a date, not after an accident.
#
# **Your turn.** Write how long a thief needs to try a whole list against everybody's stolen hash.


# %%
def seconds_for_all(words: int, people: int, hashes_per_s: float, salted: bool) -> float:
    """Return the seconds until every word of the list was tried for everybody."""
    ...


# %%
from verdicts import check

check(
    seconds_for_all,
    [
        ((10_000_000, 1_000, 1e9, False), 0.01),
        ((10_000_000, 1, 1e9, True), 0.01),
        ((10_000_000, 1_000, 1e9, True), 10.0),
        ((10_000_000, 1_000, 100.0, True), 1e8),
    ],
    because="Without a salt a word is hashed once for everybody; with one, once for each of them.",
)

# %% [markdown]
# ## A token says which algorithm it was signed with. Why must nobody listen?
#
# `auth-03` · senior
#
# *Think first.* An identity provider signs tokens with a private key, and publishes the public one.
# What happens if somebody signs with the *public* key, and writes HS256 into the header?

# %% [markdown]
# **Spoken answer.** Because the header was written by whoever made the token, and at that moment I do not know who that was.
# If my code takes the algorithm from there, an attacker writes HS256, and my public key becomes the secret of an HMAC: everybody has it, so everybody can sign.
# So the token may say `kid`, which picks one of my keys, and the key brings its algorithm and its issuer.
# Then I name the audience, because a good signature says who made a token and not for whom.
# And I require what I rely on, `exp` first of all, because libraries check a claim where it is and pass over one that is missing.

# %%
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

IDP = "https://idp.test"
private = Ed25519PrivateKey.generate()  # the provider's alone
public = private.public_key().public_bytes_raw()  # 32 bytes that everybody may have
RING = {"idp-1": ("EdDSA", public, IDP)}


def token(key, alg: str, kid: str = "idp-1", **changes) -> str:
    claims = {"iss": IDP, "aud": "chat", "sub": "ada", "exp": int(time.time()) + 900} | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, alg, {"kid": kid})


def verify(text: str) -> str | None:
    try:
        header = jwt.get_unverified_header(text)
        alg, material, issuer = RING[header["kid"]]
        key = Ed25519PublicKey.from_public_bytes(material) if alg == "EdDSA" else material
        rules = {"issuer": issuer, "audience": "chat", "leeway": 30}
        needed = {"require": ["exp", "iss", "aud", "sub"]}
        return jwt.decode(text, key, algorithms=[alg], options=needed, **rules)["sub"]
    except (jwt.PyJWTError, KeyError, TypeError):
        return None


ATTACKS = {
    "no signature, alg none": token(None, "none"),
    "HS256 with the public key": token(public, "HS256"),
    "somebody else's key": token(Ed25519PrivateKey.generate(), "EdDSA"),
    "for another service": token(private, "EdDSA", aud="payroll"),
    "without an end": token(private, "EdDSA", exp=None),
    "a kid that is a path": token(private, "EdDSA", kid="../../dev/null"),
}
good = verify(token(private, "EdDSA"))
let_in = [name for name, text in ATTACKS.items() if verify(text)]
print(f"the provider's token: {good}")
print(f"{len(ATTACKS)} attacks, let in: {let_in}")
assert good == "ada" and let_in == []

# %% [markdown]
# **Listens for**
#
# - The key decides; the token picks at most which of my keys.
# - Audience and issuer, and what each of them stops.
# - A claim that is missing is not checked unless it is required.
#
# **Usual wrong answer.** *"I read the header to support several algorithms, and the library checks the signature."*
# It does check it: with a key that everybody has.


# %%
def credulous(text: str) -> str | None:
    try:
        header = jwt.get_unverified_header(text)
        _, material, _ = RING[header["kid"]]
        key = material if header["alg"] != "EdDSA" else Ed25519PublicKey.from_public_bytes(material)
        options = {"verify_aud": False}  # it was in the way
        return jwt.decode(text, key, algorithms=[header["alg"]], options=options)["sub"]
    except (jwt.PyJWTError, KeyError):
        return None


let_in = [name for name, text in ATTACKS.items() if credulous(text)]
print(f"let in: {len(let_in)} of {len(ATTACKS)}")
for name in let_in:
    print("  ", name)
assert let_in == ["HS256 with the public key", "for another service", "without an end"]

# %% [markdown]
# **Then they ask.** *Would you use tokens at all, or look a session up in the database?*
# Where I have to be able to end it at once, I look it up: a read by key costs far less than a call to a model.
# Tokens pay where many services check and none of them should ask the others; then they live for minutes, and a refresh token, which is looked up, makes new ones.
#
# **Your turn.** Write which rules a token is checked by, before anything in it is believed.


# %%
def rules_for(header: dict, ring: dict[str, tuple[str, str]]) -> tuple[str, list[str]] | None:
    """Return the key's material and the algorithms to allow, or None.

    The ring has alg and material by kid.
    """
    ...


# %%
from verdicts import check

KEYS = {"own": ("HS256", "our secret"), "idp-1": ("EdDSA", "their public key")}
check(
    rules_for,
    [
        (({"alg": "EdDSA", "kid": "idp-1"}, KEYS), ("their public key", ["EdDSA"])),
        (({"alg": "HS256", "kid": "idp-1"}, KEYS), ("their public key", ["EdDSA"])),
        (({"alg": "none", "kid": "own"}, KEYS), ("our secret", ["HS256"])),
        (({"alg": "HS256"}, KEYS), None),
        (({"alg": "HS256", "kid": ["own"]}, KEYS), None),
    ],
    because="The header's `alg` is not read at all, and `kid` may be missing or be any JSON.",
)

# %% [markdown]
# ## 401 or 403? And when is it 404?
#
# `auth-04` · junior
#
# *Think first.* Ada asks for a document of another company.
# What does she learn from a 403 that she does not learn from a 404?

# %% [markdown]
# **Spoken answer.** 401 asks: who are you? It comes with `WWW-Authenticate`, and with better credentials the same request may succeed.
# 403 says: I know you, and you may not do this, whatever you show; a missing scope is one, a suspended account another.
# 404 is for what belongs to others: for this caller it does not exist, and the answer is the same, to the last byte, as for what was never there.
# Else whoever tries ids learns which exist.
# They come in that order, so that a stranger learns nothing but that they are one; and 429 comes last, for those who may, but not now.

# %%
from typing import Annotated

from fastapi import Header

DOCUMENTS = {"d-7": "acme", "d-8": "globex"}  # whose they are
CALLERS = {"Bearer ada": ("acme", {"documents"}), "Bearer bot": ("acme", {"chat"})}


def service(foreign: HTTPException) -> TestClient:
    app = FastAPI()

    @app.get("/documents/{id}")
    async def read_document(id: str, authorization: Annotated[str, Header()] = "") -> str:
        if authorization not in CALLERS:
            raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})
        tenant, scopes = CALLERS[authorization]
        if "documents" not in scopes:
            raise HTTPException(403, "this needs the scope documents")
        if id not in DOCUMENTS:
            raise HTTPException(404, "not found")
        if DOCUMENTS[id] != tenant:
            raise foreign
        return f"What stands in {id}."

    return TestClient(app)


def get(one: TestClient, key: str, id: str):
    return one.get(f"/documents/{id}", headers={"Authorization": f"Bearer {key}"})


caller = service(foreign=HTTPException(404, "not found"))
seen = [get(caller, key, id).status_code for key in ("eve", "bot", "ada") for id in DOCUMENTS]
theirs, missing = get(caller, "ada", "d-8"), get(caller, "ada", "d-9")
print("a stranger:", seen[:2])
print("no scope:  ", seen[2:4])
print("ada:       ", seen[4:], "her own, another's")
print("another's and one that never was:", theirs.content, missing.content)
assert seen == [401, 401, 403, 403, 200, 404]
assert (theirs.content, list(theirs.headers)) == (missing.content, list(missing.headers))

# %% [markdown]
# **Listens for**
#
# - Who, may, whose: three questions in that order.
# - 404 for others' things, the same to the last byte.
# - 401 carries a challenge; 403 says what is missing.
#
# **Usual wrong answer.** *"403 for what belongs to others: that is what forbidden means."*
# It means it, and says so: the thing is there.

# %%
DOCUMENTS |= {f"d-{n}": "globex" for n in range(100, 160) if n % 7 == 0}
ids = [f"d-{n}" for n in range(100, 160)]
telling = service(foreign=HTTPException(403, "it is not yours"))


def told(one: TestClient) -> list[str]:
    """The ids whose answer is not the one that something gets which never was."""
    nothing = get(one, "ada", "never-was").content
    return [id for id in ids if get(one, "ada", id).content != nothing]


there = [id for id in ids if id in DOCUMENTS]
print(f"ada tries {len(ids)} ids, {len(there)} of which are documents of another company")
print(f"with 403 she learns which: {', '.join(told(telling))}")
print(f"with 404 she learns of {len(told(caller))}")
assert told(telling) == there and told(caller) == []

# %% [markdown]
# **Then they ask.** *Then how does your support find out why a customer gets a 404?*
# From the log: there the reason stands with the request id, which the customer has in the response.
# What a caller is told and what we know are two things, and only the first has to be poor.
#
# **Your turn.** Write which status is the answer.


# %%
def status(known: bool, has_scope: bool, exists: bool, theirs: bool, tokens_left: int) -> int:
    """Return 200, 401, 403, 404 or 429; `theirs`: the thing belongs to the caller's tenant."""
    ...


# %%
from verdicts import check

check(
    status,
    [
        ((True, True, True, True, 5), 200),
        ((False, True, True, True, 5), 401),
        ((False, False, False, False, 0), 401),
        ((True, False, False, False, 0), 403),
        ((True, True, True, False, 0), 404),
        ((True, True, False, False, 0), 404),
        ((True, True, True, True, 0), 429),
    ],
    because=(
        "Who, may, whose, how much: the first that fails answers, "
        "and what others have is answered as what nobody has."
    ),
)

# %% [markdown]
# ## A key has leaked. What do you do in the first minute? And if it was a token?
#
# `auth-05` · senior
#
# *Think first.* A token lives for a day, and a thief has had it since this morning.
# Which line of your service would have to run to stop them?

# %% [markdown]
# **Spoken answer.** A key I revoke, first thing: it is looked up at every request, so the next one is refused, on every instance.
# If instances cache keys for speed, that is how long the thief goes on, so revoking has to be told to all of them.
# A token nobody looks up; that is its point, so it is good until it ends, which is why mine live for minutes and are renewed by something that can be revoked.
# Then I look at what the key has done since the leak, issue a new one without grace, and tell the customer.
# And because the first minute begins when somebody notices, each key has a quota, which bounds the bill before anybody is awake.

# %%
from pictures import bars

NOTICED_S, DAY_S = 60, 86_400
SECRET = bytes(range(32))


def calls_let_in(is_good) -> int:
    """How many calls of a thief, one a second for a day, succeed after the leak was noticed."""
    return sum(is_good(second) for second in range(NOTICED_S, DAY_S))


def key(cached_s: int):
    """A key that is looked up, and ended when the leak is noticed.

    What a worker has found it may keep for a while.
    """
    ends_at, found = NOTICED_S, {}

    def is_good(now: int) -> bool:
        if now >= found.get("until", 0):
            found.update(good=now < ends_at, until=now + cached_s)
        return found["good"]

    for second in range(NOTICED_S):
        is_good(second)
    return is_good


def token(lives_s: int):
    """A token that is checked by its signature and its end; nobody is asked."""
    text = jwt.encode({"sub": "ada", "exp": lives_s}, SECRET, "HS256")

    def is_good(now: int) -> bool:
        claims = jwt.decode(text, SECRET, algorithms=["HS256"], options={"verify_exp": False})
        return now < claims["exp"]  # by our clock, which begins at the leak

    return is_good


after = {
    "key, looked up": calls_let_in(key(cached_s=0)),
    "key, cached for 45 s": calls_let_in(key(cached_s=45)),
    "token of 5 minutes": calls_let_in(token(300)),
    "token of an hour": calls_let_in(token(3_600)),
}
assert list(after.values()) == [0, 30, 240, 3_540]
bars(
    after,
    unit="calls",
    title="What a thief still gets, with one call a second, after the leak was noticed",
)

# %% [markdown]
# **Listens for**
#
# - Revoked at once, on every instance, and what a cache does to that.
# - A token cannot be taken back: it has to be short.
# - What bounds the damage before anybody notices: a quota, few scopes.
#
# **Usual wrong answer.** *"I change the secret that tokens are signed with."*
# That stops the thief, and everybody else.

# %%
users = [f"user:{n}" for n in range(1_000)]
tokens = {user: jwt.encode({"sub": user}, SECRET, "HS256") for user in users}


def still_in(secret: bytes) -> list[str]:
    kept = []
    for user, text in tokens.items():
        try:
            jwt.decode(text, secret, algorithms=["HS256"])
            kept.append(user)
        except jwt.InvalidSignatureError:
            pass
    return kept


before, later = still_in(SECRET), still_in(bytes(range(1, 33)))
print(f"logged in before: {len(before):,}, one of them a thief")
print(f"logged in after:  {len(later):,}")
assert (len(before), len(later)) == (1_000, 0)

# %% [markdown]
# **Then they ask.** *How do you learn that a key has leaked?*
# Keys have a prefix of their own, so that scanners of public repositories find them and tell us.
# The rest I see per key: a new country, a new model, ten times the tokens; for that each request is counted by the key's id, and the customer sees the same numbers.
#
# **Your turn.** Write how many tokens a thief can spend at most.


# %%
def tokens_lost(per_s: float, noticed_s: float, stopped_s: float, limit: float) -> float:
    """Return the tokens spent between leak and end.

    `stopped_s`: from noticing to the last call; `limit`: the quota.
    """
    ...


# %%
from verdicts import check

check(
    tokens_lost,
    [
        ((100.0, 60.0, 0.0, 1e6), 6_000.0),
        ((100.0, 60.0, 900.0, 1e6), 96_000.0),
        ((100.0, 28_800.0, 900.0, 1e6), 1e6),
        ((100.0, 28_800.0, 0.0, 50_000.0), 50_000.0),
    ],
    because="They spend until the last call is refused, or until the quota refuses: what comes first.",
)

# %% [markdown]
# ## How do you change the key that signs tokens without logging anybody out?
#
# `auth-06` · senior
#
# *Think first.* Three instances are deployed one after another.
# The first signs with the new key; which of them can check what it signed?

# %% [markdown]
# **Spoken answer.** In three deployments, because between two instances there is always a moment in which one knows more than the other.
# First every instance learns the new key for checking, and all still sign with the old one.
# Then they sign with the new one; whoever gets such a token to another instance finds the key there.
# Last, when the last old token has ended, which is its lifetime and the leeway for clocks later, the old key goes.
# `kid` in the header says which key it was, so nobody has to try them all.
# If the old key has leaked I skip the patience: then being logged out is the point.

# %%
from dataclasses import dataclass, field

LIVES = 15  # minutes that a token is good for
SECRETS = {"old": b"o" * 32, "new": b"n" * 32}


@dataclass
class Instance:
    signs: str = "old"
    knows: set[str] = field(default_factory=lambda: {"old"})

    def issue(self, minute: int) -> str:
        claims = {"sub": f"user:{minute}", "exp": minute + LIVES}
        return jwt.encode(claims, SECRETS[self.signs], "HS256", {"kid": self.signs})

    def accepts(self, text: str) -> bool:
        kid = jwt.get_unverified_header(text)["kid"]
        options = {"verify_exp": False}  # the minutes here are ours
        return kid in self.knows and bool(jwt.decode(text, SECRETS[kid], ["HS256"], options))


def refused(deployments: dict[int, tuple[str, set[str]]]) -> int:
    """Refusals of good tokens in an hour; a deployment takes a minute an instance."""
    instances, tokens, count = [Instance() for _ in range(3)], [], 0
    for minute in range(60):
        for begins, (signs, knows) in deployments.items():
            if 0 <= minute - begins < 3:
                instances[minute - begins] = Instance(signs, knows)
        tokens += [(minute + LIVES, one.issue(minute)) for one in instances]
        tokens = [(ends, text) for ends, text in tokens if ends > minute]
        count += sum(not one.accepts(text) for one in instances for _, text in tokens)
    return count


three = {10: ("old", {"old", "new"}), 20: ("new", {"old", "new"}), 40: ("new", {"new"})}
print(f"three deployments: {refused(three)} refusals of a good token")
print("the old key signs until minute 21, its last token ends in 36, and it goes in 40")
assert refused(three) == 0

# %% [markdown]
# **Listens for**
#
# - Checking before signing, removing last, and why there is a wait between.
# - `kid`, and more than one key at any time.
# - What is different if the key has leaked.
#
# **Usual wrong answer.** *"I put the new key into the settings and restart."*
# Then every token that is out is refused; and with both keys in one deployment it is still some of them.

# %%
at_once = {10: ("new", {"new"})}
two = {10: ("new", {"old", "new"}), 40: ("new", {"new"})}
early = {10: ("old", {"old", "new"}), 20: ("new", {"old", "new"}), 26: ("new", {"new"})}
counts = {"replaced at once": refused(at_once), "learned and used in one": refused(two)}
counts["old one removed too soon"] = refused(early)
for name, count in counts.items():
    print(f"{name:25} {count:4} refusals")
assert all(counts.values())

# %% [markdown]
# **Then they ask.** *The key belongs to an identity provider. How do you notice a new one?*
# I keep its key set for minutes, and ask again when an unknown `kid` comes, at most once in a while, because anybody can send me unknown ones.
# If it cannot be asked, the keys that I have stay good; a provider that does this well publishes a key long before it signs with it.
#
# **Your turn.** Write when the second and the third deployment may begin.


# %%
def may_begin(first: int, takes: int, lives: int, leeway: int) -> tuple[int, int]:
    """Return the minutes.

    Each deployment takes `takes`; tokens live for `lives`, and clocks differ by `leeway`.
    """
    ...


# %%
from verdicts import check

check(
    may_begin,
    [
        ((0, 3, 15, 0), (3, 21)),
        ((0, 3, 15, 1), (3, 22)),
        ((10, 5, 60, 1), (15, 81)),
    ],
    because=(
        "Nobody signs with the new key before all know it; the old one signs "
        "until the second deployment is through, and its last token lives on."
    ),
)

# %% [markdown]
# ## Two workers, one quota, a hundred calls at once. What makes the count right?
#
# `auth-07` · staff
#
# *Think first.* A customer has 1,000 tokens left and sends eight calls of 800 in the same moment.
# Each worker looks, finds 1,000 and begins. What is on the bill?

# %% [markdown]
# **Spoken answer.** One step that looks and spends: an atomic statement in the store, which adds if the sum stays within the limit and says whether it did.
# Looking first and spending later are two steps, and a model's answer lies between them, so everybody who comes meanwhile sees the old sum.
# Nobody knows the price beforehand, so I reserve an estimate, which is the prompt and `max_tokens`, and settle when the call ends.
# However it ends: a reader who leaves after ten tokens pays for ten, so the settling stands in a `finally`, shielded, because a cancelled task is cancelled at every `await`, there too.
# And if the store cannot be asked, I refuse or lend a small bounded amount; which of them is a decision about money.

# %%
import asyncio
from contextlib import asynccontextmanager

from anyio import CancelScope, create_task_group
from virtual_time import run


class Quota:
    """Stands for Redis: each method is one script there, a round trip of a millisecond."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    async def spend(self, tokens: int) -> bool:
        await asyncio.sleep(0.001)
        fits = self.used + tokens <= self.limit
        self.used += tokens if fits else 0
        return fits

    async def settle(self, tokens: int) -> None:
        await asyncio.sleep(0.001)
        self.used += tokens


@asynccontextmanager
async def spending(quota: Quota, estimate: int):
    if not await quota.spend(estimate):
        raise PermissionError("429")
    bill = []  # a token each
    try:
        yield bill
    finally:
        with CancelScope(shield=True):
            await quota.settle(len(bill) - estimate)


async def answer(quota: Quota, estimate: int, tokens: int) -> None:
    async with spending(quota, estimate) as bill:
        for n in range(tokens):
            bill.append(n)
            await asyncio.sleep(0.1)


async def at_once(quota: Quota, calls: int, estimate: int) -> int:
    ended = [answer(quota, estimate, tokens=estimate) for _ in range(calls)]
    return (await asyncio.gather(*ended, return_exceptions=True)).count(None)


async def leaves(quota: Quota, after_s: float) -> int:
    async with create_task_group() as group:
        group.start_soon(answer, quota, 100, 100)
        await asyncio.sleep(after_s)
        group.cancel_scope.cancel()
    return quota.used


eight, hundred, left = Quota(1_000), Quota(10), Quota(1_000)
ran = run(at_once(eight, 8, 800)), run(at_once(hundred, 100, 1))
print(f"8 calls of 800 on 1,000: {ran[0]} let in, {eight.used} charged")
print(f"100 calls of 1 on 10:    {ran[1]} let in, {hundred.used} charged")
print(f"a reader who leaves in the tenth of 100 tokens pays {run(leaves(left, after_s=0.95))}")
assert (*ran, eight.used, hundred.used, left.used) == (1, 10, 800, 10, 10)

# %% [markdown]
# **Listens for**
#
# - One atomic step in a store that all workers share.
# - Reserve, then settle, whatever the end was: error, timeout, a reader who left.
# - What happens when the store is away, and who decides that.
#
# **Usual wrong answer.** *"Before the call I look whether there is something left, and after it I subtract what was used."*
# Then all who come in the same moment are let in, and whoever leaves early pays nothing.


# %%
class LookedAt(Quota):
    async def look(self, tokens: int) -> bool:
        await asyncio.sleep(0.001)
        return self.used + tokens <= self.limit


async def look_then_spend(quota: LookedAt, tokens: int) -> None:
    if not await quota.look(tokens):
        raise PermissionError("429")
    await asyncio.sleep(0.1 * tokens)  # the model
    await quota.settle(tokens)


async def eight_at_once(quota: LookedAt) -> int:
    ended = [look_then_spend(quota, 800) for _ in range(8)]
    return (await asyncio.gather(*ended, return_exceptions=True)).count(None)


async def leaves_early(quota: LookedAt) -> int:
    call = asyncio.create_task(look_then_spend(quota, 100))
    await asyncio.sleep(9.95)  # ninety-nine of a hundred tokens
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    return quota.used


shared = LookedAt(1_000)
ran, free = run(eight_at_once(shared)), run(leaves_early(LookedAt(1_000)))
print(f"8 calls of 800 on 1,000: {ran} let in, {shared.used:,} charged")
print(f"a reader who leaves before the last token pays {free}")
assert (ran, shared.used, free) == (8, 6_400, 0)

# %% [markdown]
# **Then they ask.** *A round trip to Redis for each call. Does that scale to thirty instances?*
# The call behind it takes seconds, so a millisecond is not what it costs; what it costs is that Redis has to be there.
# If that matters, an instance borrows a slice of the budget for a short time and spends from it by itself: fewer trips, an outage of some seconds passes unseen, and what is wrong at most is the sum of the slices, which I choose.
#
# **Your turn.** Write which of the calls that come at once are let in, in their order.


# %%
def let_in(limit: int, used: int, estimates: list[int]) -> list[int]:
    """Return the places of those that fit.

    Who does not fit takes nothing, and a smaller one behind may still fit.
    """
    ...


# %%
from verdicts import check

check(
    let_in,
    [
        ((1_000, 0, [800] * 8), [0]),
        ((1_000, 0, [300, 300, 300, 300]), [0, 1, 2]),
        ((1_000, 300, [800, 700, 1]), [1]),
        ((1_000, 0, [800, 400, 200]), [0, 2]),
        ((1_000, 1_000, [1]), []),
    ],
    because="Add an estimate if the sum stays within the limit, and go on with the next one if not.",
)
