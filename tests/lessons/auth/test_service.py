"""The reference of lesson 08 as a service: its own keys and tokens, its own stores, and strangers at the door.

Each name says which fault of the field it is held against. What the learner's suite proves part by part is proved here
of the whole, with what takes a socket, argon2 as it is, or more inputs than anybody would write down.
"""

import asyncio
import importlib
import json
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.routing import Route

from tests.docs.traps.serving import served

lesson: Any = importlib.import_module("solutions.08_auth.app")

EVERYTHING = frozenset(lesson.SCOPES)
OPEN = {"/token", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
fuzzed = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

pytestmark = pytest.mark.timeout(60)


def person(name: str = "ada", tenant: str = "acme", **changed: Any) -> Any:
    return lesson.Principal(**{"id": f"user:{name}", "tenant": tenant, "scopes": EVERYTHING, **changed})


@pytest.fixture
def services() -> Any:
    """The reference's own stores; argon2 costs nothing."""
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    users = {
        name: (hasher.hash(f"{name}'s"), person(name, tenant)) for name, tenant in (("ada", "acme"), ("bob", "globex"))
    }

    async def find_user(name: str) -> Any:
        return users.get(name)

    own = lesson.TokenKey(alg="HS256", material=secrets.token_bytes(32), issuer="https://auth.test")
    keys = lesson.KeyService(lesson.MemoryKeys(), secrets.token_bytes(32))
    tokens = lesson.TokenService({"k1": own}, "the-service")
    documents = {name: lesson.Document(id=name, tenant=name, text=f"plans of {name}") for name in ("acme", "globex")}
    return lesson.Services(keys, tokens, lesson.Passwords(find_user, hasher), lesson.MemoryQuota(), documents)


@contextmanager
def serving(services: Any) -> Iterator[Any]:
    lesson.app.dependency_overrides[lesson.get_services] = lambda: services
    try:
        yield lesson.app
    finally:
        lesson.app.dependency_overrides.clear()


@pytest.fixture
def caller(services: Any) -> Iterator[TestClient]:
    with serving(services) as app:
        yield TestClient(app)


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def token_of(caller: TestClient, name: str, **form: str) -> str:
    answer = caller.post("/token", data={"username": name, "password": f"{name}'s", **form})
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def key_of(caller: TestClient, name: str, scopes: Any = EVERYTHING) -> tuple[str, str]:
    answer = caller.post("/keys", json={"scopes": sorted(scopes)}, headers=bearer(token_of(caller, name)))
    assert answer.status_code == 201, answer.text
    return answer.json()["key"], answer.json()["id"]


def test_password_token_key_and_call_go_together(caller: TestClient) -> None:
    key, _ = key_of(caller, "ada", {"chat", "documents"})
    assert caller.post("/chat", json={"prompt": "Why?"}, headers=bearer(key)).json() == "You said: Why?"
    assert [one["id"] for one in caller.get("/documents", headers=bearer(key)).json()] == ["acme"]
    assert caller.post("/keys", json={"scopes": ["chat"]}, headers=bearer(key)).status_code == 403


def test_16_every_route_is_401_without_a_key_unless_it_is_on_the_short_list(caller: TestClient) -> None:
    # An included router is one entry of app.routes, and the schema leaves out what is hidden: so both lists.
    asked = set()
    for route in [*lesson.app.routes, *lesson.api.routes]:
        if not isinstance(route, APIRoute | Route) or route.path in OPEN:
            continue
        for method in (route.methods or set()) - {"HEAD"}:
            answer = caller.request(method, route.path.replace("{document_id}", "acme"))
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), (method, route.path)
            asked.add(route.path)
    assert asked == {"/documents", "/documents/{document_id}", "/keys", "/chat"}
    assert asked | {"/token"} == set(lesson.app.openapi()["paths"])


def test_8_and_10_two_hundred_calls_on_a_quota_of_ten(services: Any) -> None:
    """The route reserves 100 tokens, and the prompt uses all of them."""

    async def call_all() -> Counter[int]:
        key, _ = await services.keys.create(person(token_limit=1_000))
        transport = httpx.ASGITransport(lesson.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer(key)) as client:
            calls = (client.post("/chat", json={"prompt": "word " * 100}) for _ in range(200))
            return Counter([answer.status_code for answer in await asyncio.gather(*calls)])

    with serving(services):
        assert asyncio.run(call_all()) == {200: 10, 429: 190}


def streaming(services: Any, sent: list[int]) -> FastAPI:
    """A service that streams a hundred tokens, and waits for ever after the tenth."""
    app = FastAPI()

    async def tokens(principal: Any) -> AsyncIterator[bytes]:
        async with lesson.spending(services.quota, principal, 100) as bill:
            for n in range(100):
                bill.tokens += 1
                sent.append(n)
                yield b"token "
                if n == 9:
                    await asyncio.Event().wait()

    @app.post("/stream")
    async def create_stream(principal: Annotated[Any, Depends(lesson.current_principal)]) -> StreamingResponse:
        return StreamingResponse(tokens(principal), media_type="text/plain")

    app.dependency_overrides[lesson.get_services] = lambda: services
    return app


def test_11_a_reader_who_leaves_after_10_of_100_tokens_pays_for_10(services: Any) -> None:
    key, record = asyncio.run(services.keys.create(person()))
    sent: list[int] = []

    async def settled() -> int:
        for _ in range(500):  # the server notices a closed socket when it notices it
            if services.quota.get(record.principal.id) != 100:
                break
            await asyncio.sleep(0.01)
        return services.quota[record.principal.id]

    with served(streaming(services, sent)) as url:
        with (
            httpx.Client(trust_env=False, timeout=10) as client,
            client.stream("POST", f"{url}/stream", headers=bearer(key)) as answer,
        ):
            received = 0
            for chunk in answer.iter_bytes():
                received += chunk.count(b"token")
                if received == 10:
                    assert services.quota[record.principal.id] == 100  # reserved
                    break
        assert asyncio.run(settled()) == 10
    assert len(sent) == 10


def test_15_no_response_and_no_log_line_contains_a_key(services: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = []
    # A server that ran in this process before may have taken these lines for its own handlers.
    heard = {"level": "INFO", "propagate": True}
    log_config = {
        "version": 1,
        "disable_existing_loggers": False,
        "loggers": {"uvicorn": heard, "uvicorn.access": heard},
    }
    with (
        serving(services) as app,
        served(app, log_config=log_config) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        form = {"username": "ada", "password": "ada's"}
        token = client.post("/token", data=form).json()["access_token"]
        issued = client.post("/keys", json={"scopes": ["chat", "keys", "documents"]}, headers=bearer(token)).json()
        key, wrong = issued["key"], issued["key"][:-1]
        for credential in (key, token, wrong, token[:-1]):
            for method, path in (
                ("GET", "/documents"),
                ("GET", "/documents/globex"),
                ("POST", "/chat"),
                ("GET", "/x"),
            ):
                answers.append(client.request(method, path, headers=bearer(credential), json={"prompt": "Why?"}))
    assert {answer.status_code for answer in answers} >= {200, 401, 404}
    said = "".join(answer.text + str(answer.headers) for answer in answers) + caplog.text
    assert "GET /documents/globex" in caplog.text
    for secret in (key, wrong, key.split("_", 2)[2], token, token[:-1], "ada's"):
        assert secret not in said
    kept = repr(services.keys.store) + repr(services.keys) + repr(services.tokens)
    assert key not in kept and key.split("_", 2)[2] not in kept


async def status_of(headers: list[tuple[bytes, bytes]], path: str = "/documents", query: bytes = b"") -> int:
    """Send a request as a server would, whatever bytes its headers have."""
    statuses: list[int] = []
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query}
    scope |= {
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "client": ("test", 1),
        "server": ("test", 80),
    }
    scope |= {"root_path": "", "asgi": {"version": "3.0"}, "state": {}}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await lesson.app(scope, receive, send)
    return statuses[0]


HEADER = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda scheme, rest: scheme + b" " + rest, st.sampled_from([b"Bearer", b"bearer", b"Basic"]), st.binary()
    ),
    st.builds(lambda text: b"Bearer sk_" + text.encode(), st.text(max_size=60)),
    st.builds(lambda parts: b"Bearer " + b".".join(parts), st.lists(st.binary(max_size=30), max_size=5)),
)


@fuzzed
@given(header=HEADER, host=st.binary(max_size=40), forwarded=st.binary(max_size=40))
def test_17_fuzzed_headers_and_hosts_never_reach_a_principal(
    services: Any, header: bytes, host: bytes, forwarded: bytes
) -> None:
    headers = [
        (b"host", host),
        (b"authorization", header),
        (b"x-forwarded-for", forwarded),
        (b"x-forwarded-user", b"ada"),
    ]
    with serving(services):
        assert asyncio.run(status_of(headers)) == 401


@fuzzed
@given(
    at=st.integers(0, 10_000),
    change=st.sampled_from(["drop", "insert", "flip", "cut", "swap"]),
    byte=st.integers(0, 255),
)
def test_17_a_key_and_a_token_that_were_changed_are_nobodys(services: Any, at: int, change: str, byte: int) -> None:
    """In base64 the last character of a signature has bits that mean nothing: they must be as they were, too."""

    async def check() -> None:
        key, _ = await services.keys.create(person())
        for good in (key, services.tokens.issue(person())):
            n = at % len(good)
            changed = {
                "drop": good[:n] + good[n + 1 :],
                "insert": good[:n] + chr(byte) + good[n:],
                "flip": good[:n] + chr(ord(good[n]) ^ ((byte % 127) + 1)) + good[n + 1 :],
                "cut": good[:n],
                "swap": good[n:] + good[:n],
            }[change]
            assert (await services.principal_of(changed) is not None) == (changed == good), (good, changed)

    asyncio.run(check())


def test_17_two_credentials_are_not_one(services: Any) -> None:
    key, _ = asyncio.run(services.keys.create(person()))
    with serving(services):
        for header in (f"Basic x, Bearer {key}", f"Bearer {key}, Bearer x", f"Bearer x {key}", f"Bearer {key} x"):
            assert asyncio.run(status_of([(b"authorization", header.encode())])) == 401


def test_17_a_key_in_the_query_string_does_not_count(services: Any) -> None:
    key, _ = asyncio.run(services.keys.create(person()))
    with serving(services):
        for name in ("access_token", "api_key", "token", "key", "authorization"):
            assert asyncio.run(status_of([], query=f"{name}={key}".encode())) == 401
            assert asyncio.run(status_of([], query=f"{name}=Bearer%20{key}".encode())) == 401
        assert asyncio.run(status_of([(b"authorization", f"Bearer {key}".encode())])) == 200


def test_18_secrets_are_made_at_the_start_and_there_is_no_default(services: Any) -> None:
    first, second = lesson.demo(), lesson.demo()
    assert second.tokens.verify(first.tokens.issue(person())) is None
    assert first.keys.pepper != second.keys.pepper
    assert min(len(first.keys.pepper), *(len(key.material) for key in first.tokens.ring.values())) >= 32
    assert repr(first.keys.pepper)[2:-1] not in repr(first)
    material = first.tokens.ring["demo"].material
    assert repr(material)[2:-1] not in repr(first)


async def test_18_the_login_of_the_demo_runs_on_argon2_as_it_is() -> None:
    """And the decoy costs what the others cost."""
    services = lesson.demo()
    principal = await services.passwords.check("ada", "correct horse")
    assert principal is not None and principal.tenant == "ada"
    assert await services.passwords.check("ada", "wrong") is None
    assert await services.passwords.check("nobody", "correct horse") is None
    known, _ = await services.passwords.find_user("ada")
    assert known.split("$")[1:4] == services.passwords.decoy.split("$")[1:4]
    assert known.startswith("$argon2id$")


def test_20_a_tenant_never_lists_or_reads_anothers_and_does_not_learn_that_it_exists(caller: TestClient) -> None:
    for name, own, foreign in (("ada", "acme", "globex"), ("bob", "globex", "acme")):
        for credential in (token_of(caller, name), key_of(caller, name)[0]):
            headers = bearer(credential)
            assert [one["tenant"] for one in caller.get("/documents", headers=headers).json()] == [own]
            assert caller.get(f"/documents/{own}", headers=headers).status_code == 200
            theirs, none = (caller.get(f"/documents/{id}", headers=headers) for id in (foreign, "no-such"))
            assert (theirs.status_code, theirs.text) == (none.status_code, none.text) == (404, '{"detail":"not found"}')


def test_a_key_revoked_by_another_worker_is_dead_at_once(services: Any, caller: TestClient) -> None:
    key, key_id = key_of(caller, "ada")
    assert [caller.get("/documents", headers=bearer(key)).status_code for _ in range(3)] == [200] * 3
    other_worker = lesson.KeyService(services.keys.store, services.keys.pepper)
    asyncio.run(other_worker.store.end(key_id, other_worker.now()))
    assert caller.get("/documents", headers=bearer(key)).status_code == 401


def test_nobody_escalates_by_a_login_or_by_a_key(services: Any, caller: TestClient) -> None:
    weak = token_of(caller, "ada", scope="keys")
    assert caller.get("/documents", headers=bearer(weak)).status_code == 403
    answer = caller.post("/keys", json={"scopes": ["keys", "documents", "admin"]}, headers=bearer(weak)).json()
    assert answer["scopes"] == ["keys"]
    assert caller.get("/documents", headers=bearer(answer["key"])).status_code == 403
    assert caller.post("/token", data={"username": "ada", "password": "ada's", "scope": "admin"}).json()["scope"] == ""


def test_a_body_is_not_looked_at_before_the_key_is(caller: TestClient) -> None:
    """A stranger learns nothing of the schema, and pays for no validation."""
    assert caller.post("/chat", json={"nonsense": 1}).status_code == 401
    assert caller.post("/keys", json=[]).status_code == 401


def test_a_scope_that_is_no_text_makes_nobody(services: Any) -> None:
    import jwt

    key = services.tokens.ring["k1"]
    good = {"iss": key.issuer, "aud": "the-service", "sub": "ada", "tenant": "acme", "exp": 9_999_999_999}
    for scope in (["chat"], {"chat": 1}, 7, True):
        token = jwt.encode({**good, "scope": scope}, key.material, "HS256", {"kid": "k1"})
        assert services.tokens.verify(token) is None, scope


def test_the_schema_is_what_clients_rely_on(caller: TestClient) -> None:
    schema = caller.get("/openapi.json").json()
    assert json.loads(json.dumps(schema["components"]["securitySchemes"])) == {
        "OAuth2PasswordBearer": {
            "type": "oauth2",
            "flows": {"password": {"scopes": lesson.SCOPES, "tokenUrl": "token"}},
        },
        "APIKey": {"type": "http", "scheme": "bearer"},
    }
    assert schema["paths"]["/chat"]["post"]["security"] == [{"OAuth2PasswordBearer": ["chat"]}, {"APIKey": ["chat"]}]
