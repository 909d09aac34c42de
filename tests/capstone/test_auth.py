"""Who may ask: rows 15 to 18 of the list of faults."""

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import jwt
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone import main, startup
from capstone.settings import Settings
from capstone.startup import UnsafeSettings
from mockllm import MockLLM
from tests.capstone.inside import CHAT, PATIENCE_S, Running, capstone

OPEN = {
    "/", "/health", "/health/live", "/health/ready", "/ready", "/parts", "/auth/token", "/openapi.json", "/docs",
    "/docs/oauth2-redirect", "/redoc", "/docs-assets", "/chat", "/chat/", "/chat/config", "/web/{name}",
    "/metrics",  # while `demo` lets in; see below
}  # fmt: skip
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nobody listens there
GOOD = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG"
lesson: Any = main.composition
CHECKS = [lesson.check, startup.check]  # lesson 09's, and our own behind it
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with capstone(tmp_path_factory.mktemp("data"), MockLLM(settle_turns=0), requests_per_minute=10**6) as running:
        yield running


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As it is deployed: a secret of its own, a password, no demo key."""
    data = tmp_path_factory.mktemp("public")
    password = "a long enough password 1"
    with capstone(data, host="service.example", secret=GOOD, admin_password=password) as running:
        running.client.headers["Authorization"] = "Bearer demo"
        yield running


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every path of the application and a method of it, those of routers that it holds too."""
    found: list[tuple[str, str]] = []

    def walk(routes: Any, prefix: str = "") -> None:
        for route in routes:
            path = prefix + getattr(route, "path", "")
            if methods := getattr(route, "methods", None):
                found.extend((method, path) for method in methods if method != "HEAD")
            elif inner := getattr(route, "original_router", None):
                walk(inner.routes, path)
            elif path:
                found.append(("GET", path))

    walk(app.routes)
    return found


def test_row_16_without_a_key_every_route_is_401_but_those_that_are_meant_to_be_open(running: Running) -> None:
    known = routes(running.app)
    documented = {(method.upper(), path) for path, ways in running.app.openapi()["paths"].items() for method in ways}
    assert {(method, re.sub(r":\w+}", "}", path)) for method, path in known} >= documented
    assert len(known) > 25
    with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as nobody:
        for method, path in known:
            answer = nobody.request(method, re.sub(r"{[^}]*}", "x", path))
            if path in OPEN:
                assert answer.status_code != 401, path
            else:
                assert answer.status_code == 401, f"{method} {path} is {answer.status_code}"
                assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "service.example"])
def test_row_16_metrics_need_a_key_also_through_a_proxy_of_this_machine(public: Running, host: str) -> None:
    """A proxy comes from 127.0.0.1, and many ask for localhost, whoever it is that asks them."""
    asked = {"Host": host}
    assert public.client.get("/metrics", headers=asked).status_code == 401
    token = log_in(public, "admin", "a long enough password 1").json()["access_token"]
    allowed = {**asked, "Authorization": f"Bearer {token}"}
    assert public.client.get("/metrics", headers=allowed).status_code == 200
    key = public.client.post("/auth/keys", json={"scopes": ["chat"]}, headers=allowed).json()["key"]
    assert public.client.get("/metrics", headers={**asked, "Authorization": f"Bearer {key}"}).status_code == 403


def log_in(running: Running, name: str, password: str, **more: str) -> httpx.Response:
    return running.client.post("/auth/token", data={"username": name, "password": password, **more})


# The demo key.


def test_the_demo_key_lets_in_nobody_who_calls_this_machine_by_another_name(running: Running) -> None:
    """A web page can make its own name mean 127.0.0.1, and then ask from the visitor's browser."""
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""):
        answer = running.client.get("/usage", headers={"Host": host})
        assert answer.status_code in (400, 403), host
    assert running.client.get("/usage", headers={"Host": "LOCALHOST:1"}).status_code == 200
    answer = running.client.get("/usage", headers={"Host": "evil.example"})
    assert "CAPSTONE_SECRET" in answer.json()["error"]


async def call(app: FastAPI, state: dict[str, Any], client: Any, headers: list[tuple[bytes, bytes]], path: str) -> int:
    """Ask the application without a server: it sees what no client would send."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
        "client": client, "server": ("127.0.0.1", 80), "state": dict(state),
    }  # fmt: skip
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]


def state_of(running: Running) -> dict[str, Any]:
    service = running.service
    names = ("access", "chat", "providers", "store", "usage")
    return {"service": service, **{name: getattr(service, name) for name in names}}


def test_the_demo_key_lets_in_no_other_machine(running: Running) -> None:
    state, key = state_of(running), [(b"host", b"localhost"), (b"authorization", b"Bearer demo")]
    for client, status in [
        (("127.0.0.1", 1), 200),
        (("127.1.2.3", 1), 200),
        (("::1", 1), 200),
        (("::ffff:127.0.0.1", 1), 200),
        (("10.0.0.7", 1), 403),
        (("::ffff:10.0.0.7", 1), 403),
        (("", 1), 403),
        (("unix", 1), 403),
        (None, 403),
    ]:
        assert running.run(lambda client=client: call(running.app, state, client, key, "/usage")) == status, client


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)
SCHEMES = st.sampled_from(["Bearer", "bearer", "BEARER ", "Basic", "Digest", "", "Bearer Bearer", "Token", "\tBearer"])
CREDENTIALS = st.one_of(
    PRINTABLE,
    st.sampled_from(["demo ", "DEMO", "demo\x00", "null", "None", "sk_", "sk__", "sk_demo_", "key:demo", "a.b.c"]),
    st.builds(lambda text: f"sk_{text}_{text}", PRINTABLE),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(scheme=SCHEMES, credential=CREDENTIALS, host=PRINTABLE, local=st.booleans(), twice=st.booleans())
def test_row_17_no_header_makes_somebody_of_nobody(
    running: Running, scheme: str, credential: str, host: str, local: bool, twice: bool
) -> None:
    value = f"{scheme} {credential}"
    if value.partition(" ")[0].lower() == "bearer" and value.partition(" ")[2].strip() == "demo":
        return
    headers = [(b"authorization", value.encode("latin-1"))]
    headers += [(b"authorization", b"Bearer nobody")] if twice else []
    headers += [(b"host", b"localhost" if local else host.encode("latin-1"))]
    status = running.run(lambda: call(running.app, state_of(running), ("127.0.0.1", 1), headers, "/usage"))
    assert status in ((401,) if local else (400, 401, 403))


@settings(max_examples=50, deadline=None)
@given(host=PRINTABLE)
def test_row_17_no_host_makes_the_demo_key_work_elsewhere(running: Running, host: str) -> None:
    headers = [(b"authorization", b"Bearer demo"), (b"host", host.encode("latin-1"))]
    status = running.run(lambda: call(running.app, state_of(running), ("127.0.0.1", 1), headers, "/usage"))
    assert status == (200 if re.fullmatch(r"(localhost|127\.0\.0\.1|\[?::1\]?)(:[^:]*)?", host.lower()) else 403)


def test_where_the_service_is_deployed_the_demo_key_is_nobodys(public: Running) -> None:
    assert public.client.get("/usage").status_code == 401
    assert log_in(public, "demo", "demo").status_code == 400


# Start-up.


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"host": EVERYWHERE}, "CAPSTONE_SECRET has to be set"),
        ({"host": EVERYWHERE, "demo": True, "secret": GOOD}, "CAPSTONE_DEMO=false"),
        ({"secret": "changeme"}, "fewer than 32"),
        ({"secret": "a" * 64}, "different characters"),
        ({"secret": "please-change-me-before-you-deploy-this"}, "looks like an example"),
        ({"secret": "your-super-long-and-very-hidden-secret"}, "looks like an example"),
        ({"secret": GOOD, "admin_password": "admin"}, "CAPSTONE_ADMIN_PASSWORD"),
        ({"secret": GOOD, "admin_password": "password-password"}, "CAPSTONE_ADMIN_PASSWORD"),
    ],
)
def test_row_18_the_start_refuses_what_everybody_knows(chosen: dict[str, Any], says: str) -> None:
    for check in CHECKS:
        with pytest.raises(UnsafeSettings) as refused:
            check(Settings(_env_file=None, **chosen))  # type: ignore[call-arg]
        assert says in str(refused.value)
        assert chosen.get("secret", "no secret") not in str(refused.value)
        assert "secrets.token_urlsafe" in str(refused.value) or "CAPSTONE_DEMO" in str(refused.value)


def test_row_18_a_good_secret_is_taken() -> None:
    for check in CHECKS:
        check(Settings(_env_file=None, host=EVERYWHERE, secret=GOOD))  # type: ignore[call-arg]


def test_row_18_a_lesson_09_that_is_finished_and_wrong_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It checks nothing, and leaves out the door before the key `demo`."""
    guards = lesson.add_guards
    monkeypatch.setattr(lesson, "check", lambda _: None)
    monkeypatch.setattr(
        lesson, "add_guards", lambda app, service, known: guards(app, service, known.model_copy(update={"demo": False}))
    )
    with pytest.raises(UnsafeSettings, match="CAPSTONE_SECRET has to be set"):
        main.create_app(Settings(_env_file=None, host=EVERYWHERE))  # type: ignore[call-arg]
    with capstone(tmp_path) as running:
        assert running.client.get("/usage").status_code == 200
        answer = running.client.get("/usage", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, "demo_is_local")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "CAPSTONE_REQUESTS_PER_MINUTE",
            "many-secrets",
            "CAPSTONE_REQUESTS_PER_MINUTE: Input should be a valid",
        ),
        ("CAPSTONE_FALLBACKS", "{many-secrets", "CAPSTONE_FALLBACKS: it has to be JSON"),
        ("CAPSTONE_PARTS", "many-secrets", "CAPSTONE_PARTS: Input should be 'auto', 'yours' or 'reference'"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_and_not_shown(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(startup.BadSettings) as bad:
        startup.read_settings()
    assert says in str(bad.value)
    assert "many-secrets" not in str(bad.value)


def test_a_setting_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPSTONE_REQUEST_PER_MINUTE", "5")
    monkeypatch.setenv("CAPSTONE_COLOUR", "5")
    said = startup.misspelled()
    assert "CAPSTONE_REQUEST_PER_MINUTE is no setting; is it CAPSTONE_REQUESTS_PER_MINUTE?" in said
    assert "CAPSTONE_COLOUR is no setting" in said


def test_row_18_the_refusal_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    code = "import capstone.main"
    env = {
        "CAPSTONE_HOST": EVERYWHERE,
        "CAPSTONE_DATA": str(tmp_path),
        "CAPSTONE_PARTS": "reference",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"capstone: CAPSTONE_HOST is {EVERYWHERE}")
    assert "Traceback" not in done.stderr


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    with capstone(tmp_path) as running:
        key = running.key()
    file = tmp_path / "secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes()) >= 64
    with capstone(tmp_path) as running:
        assert running.client.get("/usage", headers=key).status_code == 200


# Tokens.


def test_a_password_is_good_for_a_token_and_a_token_for_what_it_says(running: Running) -> None:
    answer = log_in(running, "demo", "demo", scope="chat")
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["scope"] == "chat"
    assert answer.headers["cache-control"] == "no-store"
    shown = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert running.client.post("/v1/chat/completions", json=CHAT, headers=shown).status_code == 200
    refused = running.client.get("/rag/documents", headers=shown)
    assert refused.status_code == 403
    assert "insufficient_scope" in refused.headers["www-authenticate"]


def test_a_wrong_password_and_an_unknown_user_look_alike(running: Running) -> None:
    answers = [log_in(running, "demo", "wrong"), log_in(running, "nobody", "demo")]
    assert {one.status_code for one in answers} == {400}
    assert len({one.json()["error"] for one in answers}) == 1


def test_row_18_tokens_of_others_are_nobodys(running: Running) -> None:
    service = running.service.access.tokens
    ((kid, own),) = service.ring.items()
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": own.issuer, "aud": service.audience, "exp": now + 600, "iat": now, "sub": "user:demo", "tenant": "demo",
        "scope": "chat documents keys",
    }  # fmt: skip

    def status(token: str) -> int:
        return running.client.get("/usage", headers={"Authorization": f"Bearer {token}"}).status_code

    def signed(claims: dict[str, Any], key: bytes = own.material, **more: Any) -> str:
        return jwt.encode(claims, key, **{"algorithm": "HS256", "headers": {"kid": kid}, **more})

    assert status(signed(good)) == 200
    for name, token in {
        "alg none": jwt.encode(good, "", algorithm="none", headers={"kid": kid}),
        "another audience": signed({**good, "aud": "other"}),
        "no audience": signed({name: value for name, value in good.items() if name != "aud"}),
        "another issuer": signed({**good, "iss": "https://evil.example"}),
        "expired": signed({**good, "exp": now - 3_600}),
        "for ever": signed({name: value for name, value in good.items() if name != "exp"}),
        "another key": signed(good, b"another key of thirty-two bytes!"),
        "an unknown key": signed(good, headers={"kid": "x"}),
        "no kid": jwt.encode(good, own.material, algorithm="HS256"),
        "the id of the key as the key": signed(good, kid.encode() * 4),
        "cut short": signed(good)[:-2],
    }.items():
        assert status(token) == 401, name


def test_passwords_cannot_be_tried_without_end(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from capstone.parts import production

    monkeypatch.setattr(running.service.access, "tries", production.RateLimiter(limit=3))
    answers = [log_in(running, f"user{n}", "x") for n in range(5)]
    assert [one.status_code for one in answers] == [400] * 3 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) >= 1


# Keys.


def test_a_key_is_shown_once_kept_as_a_digest_and_can_end(running: Running) -> None:
    issued = running.client.post("/auth/keys", json={"name": "mine", "scopes": ["chat"]}).json()
    key, shown = issued["key"], {"Authorization": f"Bearer {issued['key']}"}
    assert issued["scopes"] == ["chat"]
    assert key not in running.client.get("/auth/keys").text
    assert issued["id"] in {one["id"] for one in running.client.get("/auth/keys").json()["items"]}
    assert running.client.post("/v1/chat/completions", json=CHAT, headers=shown).status_code == 200
    assert running.client.get("/auth/keys", headers=shown).status_code == 403
    database = b"".join(file.read_bytes() for file in running.service.settings.data.glob("capstone.db*"))
    assert issued["id"].encode() in database
    assert key.encode() not in database
    assert key.rpartition("_")[2].encode() not in database

    assert running.client.delete(f"/auth/keys/{issued['id']}").status_code == 204
    assert running.client.post("/v1/chat/completions", json=CHAT, headers=shown).status_code == 401


def test_a_rotated_key_works_for_as_long_as_was_said(running: Running) -> None:
    old = running.client.post("/auth/keys", json={"name": "old", "models": ["mock-small"]}).json()
    new = running.client.post(f"/auth/keys/{old['id']}/rotate", params={"grace_s": 60}).json()
    assert (new["name"], new["models"]) == ("old", ["mock-small"])
    for key in (old, new):
        assert running.client.get("/usage", headers={"Authorization": f"Bearer {key['key']}"}).status_code == 200
    newer = running.client.post(f"/auth/keys/{new['id']}/rotate").json()
    statuses = [
        running.client.get("/usage", headers={"Authorization": f"Bearer {key['key']}"}).status_code
        for key in (new, newer)
    ]
    assert statuses == [401, 200]
    assert running.client.post(f"/auth/keys/{new['id']}/rotate").status_code == 409


def test_nobody_gives_what_they_do_not_have(running: Running) -> None:
    weak = running.key(scopes=["keys", "chat"], models=["mock-small"], tokens_per_day=100)

    def issue(**wanted: Any) -> httpx.Response:
        return running.client.post("/auth/keys", json=wanted, headers=weak)

    assert issue(scopes=["documents"]).status_code == 403
    assert issue(models=["mock-large"]).status_code == 403
    assert issue(models=[]).status_code in (403, 422)
    assert issue(tenant="other").status_code == 403
    assert issue(scopes=["nonsense"]).status_code == 422
    same = issue(tokens_per_day=10**9).json()
    assert (same["models"], same["tokens_per_day"], same["tenant"]) == (["mock-small"], 100, "demo")
    strong = running.client.post("/auth/keys", json={}).json()
    assert running.client.post(f"/auth/keys/{strong['id']}/rotate", headers=weak).status_code == 403


def test_another_tenants_key_is_not_there(running: Running) -> None:
    other = running.key(tenant="other", scopes=["keys", "chat"])
    mine = running.client.post("/auth/keys", json={}).json()["id"]
    assert running.client.delete(f"/auth/keys/{mine}", headers=other).status_code == 404
    assert running.client.post(f"/auth/keys/{mine}/rotate", headers=other).status_code == 404
    assert mine not in running.client.get("/auth/keys", headers=other).text


def test_a_key_that_another_worker_ended_ends_here_too(tmp_path: Path) -> None:
    with capstone(tmp_path, key_cache_s=0.05) as running:
        key = running.key()
        assert running.client.get("/usage", headers=key).status_code == 200
        key_id = key["Authorization"].split("_")[1]
        running.run(lambda: running.service.store.keys.end(key_id, time.time()))
        deadline = time.monotonic() + 5
        while running.client.get("/usage", headers=key).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_while_the_database_is_away_known_keys_are_believed_and_others_are_told_to_wait(tmp_path: Path) -> None:
    with capstone(tmp_path, key_cache_s=0.01) as running:
        key = running.key()
        assert running.client.post("/v1/chat/completions", json=CHAT, headers=key).status_code == 200

        class Away:
            async def find(self, _: str) -> None:
                raise OSError("the database is away")

        running.service.access.store.keys = Away()
        time.sleep(0.02)  # so that what was read is no longer fresh
        answer = running.client.post("/v1/chat/completions", json=CHAT, headers=key)
        assert answer.status_code == 200
        unknown = {"Authorization": "Bearer sk_aaaaaaaaaaaa_bbbb"}
        answer = running.client.post("/v1/chat/completions", json=CHAT, headers=unknown)
        assert answer.status_code == 503
        assert "away" not in answer.text


# What is told.


def test_row_15_no_answer_and_no_line_ever_holds_a_key(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=0, log_level="debug") as running:
        issued = running.client.post("/auth/keys", json={"name": "x"}).json()
        key, said = issued["key"], io.StringIO()
        shown = {"Authorization": f"Bearer {key}"}
        client = running.client

        def ask(method: str, path: str, **more: Any) -> None:
            answer = client.request(method, path, **{"headers": shown, **more})
            said.write(f"{dict(answer.headers)} {answer.text}\n")

        for method, path in routes(running.app):
            ask(method, re.sub(r"{[^}]*}", key, path))
            ask(method, re.sub(r"{[^}]*}", "x", path), params={"key": key, "limit": key}, json={"key": key})
        ask("POST", "/v1/chat/completions", json={"model": key, "messages": [{"role": key, "content": key}], key: key})
        ask("POST", "/v1/embeddings", json={"model": key, "input": key})
        ask("GET", "/usage", headers={"Authorization": f"Basic {key}"})
        ask("GET", "/usage", headers={"Authorization": f"Bearer {key}x"})
        for fault in (401, 500):
            fake.fail(fault, message=f"wrong key {key}")
            ask("POST", "/v1/chat/completions", json=CHAT)
        ask("DELETE", f"/auth/keys/{issued['id']}", headers={"Authorization": "Bearer demo"})
        ask("GET", "/usage")
        secret = key.rpartition("_")[2]
        lines = [line for line in said.getvalue().splitlines() if secret in line]
        assert not lines
        assert secret not in running.log.getvalue()
        assert "sk-mock" not in running.log.getvalue()
        assert json.loads(running.log.getvalue().splitlines()[-1])
