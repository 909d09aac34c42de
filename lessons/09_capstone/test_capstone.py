"""What lesson 09 promises: one service, started as its users start it, over a fake provider behind a socket.

The other eight parts are the reference's here, so that nothing of yours elsewhere fails this suite.
"""

import asyncio
import io
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from pydantic import SecretStr

_asked_for = os.environ.get("CAPSTONE_PARTS")
os.environ["CAPSTONE_PARTS"] = "reference"
from capstone.lifespan import Service  # noqa: E402
from capstone.parts import PARTS, deployment  # noqa: E402
from capstone.settings import Settings  # noqa: E402
from capstone.startup import UnsafeSettings  # noqa: E402
from mockllm import MockLLM  # noqa: E402
from mockllm.server import serve_in_thread  # noqa: E402

from . import app as lesson  # noqa: E402

if _asked_for is None:
    del os.environ["CAPSTONE_PARTS"]
else:
    os.environ["CAPSTONE_PARTS"] = _asked_for

PATIENCE_S = 5.0  # real seconds that a wrong answer is given; a right one never waits for them
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nobody listens there
GOOD = "k3Vb9qLw_zR7tYx2NcM5pHs8JdG4fAe6uQ1oIW0vTB"
STREAMS = 40  # at the same moment
HELLO = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "mock-large", "messages": HELLO}
DEMO = {"Authorization": "Bearer demo"}
NINE = [
    *(replace(part, whose="yours", reason="finished") if part.lesson == "03_async" else part for part in PARTS),
    replace(PARTS[0], lesson="09_capstone", whose="yours", file="lessons/09_capstone/app.py", reason="finished"),
]


def settings(**chosen: Any) -> Settings:
    """Settings that nothing outside of the test has a say in."""
    known: dict[str, Any] = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "ANTHROPIC_API_KEY": None}
    known |= {"ANTHROPIC_BASE_URL": None, "corpus": None, "parts": "reference", "retries": 0}
    return Settings(_env_file=None, **known, **chosen)  # type: ignore[call-arg]


def begun(app: FastAPI, task: int) -> None:
    """Say that a task is to do, where the stub has gone on without it."""
    if (todo := f"TODO 09.{task}") in getattr(app.state, "todo", ()):
        raise NotImplementedError(todo)


def wait_for(ready: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What `ready` returns once that is something, or what it returns in the end."""
    deadline = time.monotonic() + patience_s
    while not (found := ready()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


@pytest.fixture(scope="module")
def ends() -> Iterator[ExitStack]:
    """What is waited for when all servers have been told to end, and do so together."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def provider(ends: ExitStack) -> Iterator[MockLLM]:
    """The provider, behind a socket."""
    fake = MockLLM(settle_turns=0)
    with serve_in_thread(fake) as served:
        fake.url = served.url  # type: ignore[attr-defined]
        yield fake


def real(provider: MockLLM, data: Path, **chosen: Any) -> Settings:
    """Settings of a service over that provider."""
    made = settings(data=data, max_body_bytes=20_000, requests_per_minute=10**6, **chosen)
    base = f"{provider.url}/v1"  # type: ignore[attr-defined]
    return made.model_copy(update={"openai_api_key": SecretStr("sk-mock"), "openai_base_url": base})


# The service, started once for many tests.

careless = APIRouter()  # what a colleague adds, who has forgotten to ask for a key


@careless.get("/reports")
async def read_reports() -> dict[str, str]:
    """Show what belongs to somebody."""
    return {"report": "of everybody"}


@careless.get("/reports/broken")
@careless.get("/v1/broken")
async def read_broken() -> None:
    """Show a bug."""
    raise RuntimeError("the tables of sk-mock have turned")


@careless.get("/reports/closed")
async def read_closed() -> None:
    """Refuse, in a form of their own."""
    raise HTTPException(409, {"message": "no reports on Sundays"})


async def asks_for_something_else() -> None:
    """Stand for a dependency that is no check."""


another = APIRouter(dependencies=[Depends(asks_for_something_else)])


@another.get("/figures")
async def read_figures() -> dict[str, str]:
    """Show what belongs to somebody."""
    return {"figures": "of everybody"}


@dataclass
class Running:
    """A service that runs on a port of this machine."""

    app: FastAPI
    url: str
    client: httpx.Client
    fake: MockLLM
    log: io.StringIO

    def chat(self, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Ask the model."""
        return self.client.post("/v1/chat/completions", json={**CHAT, **more}, headers=headers)

    def key(self, **more: Any) -> dict[str, str]:
        """The header of a new key."""
        answer = self.client.post("/auth/keys", json={"name": "of a test", **more})
        assert answer.status_code == 201, f"POST /auth/keys with the key `demo` was answered {answer.status_code}"
        return {"Authorization": f"Bearer {answer.json()['key']}"}


class Server(uvicorn.Server):
    """A uvicorn that says when it is ready, or has given up, and does not let a test wait for its end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Look whether this is the end, more often than ten times a second."""
        while not await self.on_tick(0):  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)


def last_error(log: io.StringIO) -> str:
    """What went wrong last, in one line of a traceback in the log."""
    found = re.findall(r"(?:\\n)?(\w*(?:Error|Exception|Exit): [^\\\"\n]*)", log.getvalue())
    return f"the log says {found[-1]}" if found else "the log says nothing of it"


@contextmanager
def serve(app: FastAPI, log: io.StringIO, ends: ExitStack) -> Iterator[str]:
    """Run a service in a thread."""
    listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2, lifespan="on", proxy_headers=False)
    server = Server(config)
    problems: list[BaseException] = []

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as error:
            problems.append(error)
        server.ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ends.callback(thread.join, PATIENCE_S)
    server.ready.wait(PATIENCE_S * 4)
    if not server.started:
        told = repr(problems[0]) if problems and not isinstance(problems[0], SystemExit) else last_error(log)
        pytest.fail(
            f"uvicorn has started the service, and the service has given up: {told}. Look at 09.2 first, then at 09.7."
        )
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all services here, as workers of one service have it: its tables are made once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def started(provider: MockLLM, data: Path, ends: ExitStack) -> Iterator[Running]:
    """The service, as `uvicorn` runs it."""
    log = io.StringIO()
    app = lesson.create_app(real(provider, data), log, parts=NINE, more=[careless, another])
    begun(app, 2)
    with serve(app, log, ends) as url, httpx.Client(base_url=url, headers=DEMO, timeout=PATIENCE_S) as client:
        status = client.get("/health").status_code
        assert status != 500, (
            f"every request is answered 500, and {last_error(log)}. Look at what 09.4 adds, and where."
        )
        yield Running(app, url, client, provider, log)


@pytest.fixture
def running(started: Running, request: pytest.FixtureRequest) -> Running:
    """The service, with a provider that knows nothing of earlier tests."""
    begun(started.app, request.node.get_closest_marker("task").args[0])
    started.fake.reset()
    with suppress(AttributeError):
        started.app.state.service.chat.breakers.clear()
    return started


# 09.1


@pytest.mark.task(1)
@pytest.mark.parametrize(
    ("chosen", "setting"),
    [
        ({"host": EVERYWHERE}, "CAPSTONE_SECRET"),
        ({"host": "10.0.0.7", "secret": GOOD, "demo": True}, "CAPSTONE_DEMO"),
        ({"host": "10.0.0.7", "secret": GOOD[:31]}, "CAPSTONE_SECRET"),
        ({"secret": "a" * 64}, "CAPSTONE_SECRET"),
        ({"host": EVERYWHERE, "secret": "please-change-me-before-you-deploy-this"}, "CAPSTONE_SECRET"),
        ({"secret": GOOD, "admin_password": "hunter2-9"}, "CAPSTONE_ADMIN_PASSWORD"),
        ({"host": EVERYWHERE, "secret": GOOD, "admin_password": "password-password"}, "CAPSTONE_ADMIN_PASSWORD"),
    ],
    ids=["no secret", "demo", "short", "one letter", "an example", "short password", "password"],
)
def test_what_everybody_knows_lets_nobody_start(chosen: dict[str, Any], setting: str) -> None:
    """The default secret of a tutorial is in the first list that a scanner tries."""
    given = settings(**chosen)
    told = ""
    try:
        lesson.check(given)
    except UnsafeSettings as error:
        told = str(error)
    shown = f"{given.host}; given: {', '.join(chosen)}"

    assert told, f"check() has nothing to say of settings in which {setting} is unsafe ({shown})."
    assert setting in told, f"the refusal does not name {setting}, so nobody knows what to set: {told!r}"
    for name in ("secret", "admin_password"):
        assert name not in chosen or chosen[name] not in told, f"the refusal shows the {name}, and it ends up in a log."
    assert setting == "CAPSTONE_DEMO" or "secrets.token_urlsafe" in told, (
        f"the refusal does not give the command that makes a good one (`MAKE_ONE`): {told!r}"
    )


@pytest.mark.task(1)
@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"host": "::1"},
        {"demo": False},
        {"host": EVERYWHERE, "secret": GOOD},
        {"secret": GOOD, "admin_password": "correct-Horse-7"},
    ],
    ids=["laptop", "loopback of IPv6", "without the demo key", "a server", "with a password"],
)
def test_good_settings_start(chosen: dict[str, Any]) -> None:
    """A check that refuses too much is switched off by the first who is in a hurry."""
    given = settings(**chosen)
    told = ""
    try:
        lesson.check(given)
    except UnsafeSettings as error:
        told = str(error)
    shown = f"{given.host}; given: {', '.join(chosen) or 'nothing'}"
    assert not told, f"settings that are fine ({shown}) were refused: {told}"


@pytest.mark.task(1)
def test_the_refusal_comes_before_anything_is_made() -> None:
    """A check in the lifespan, or in the first request, is a service that has begun to run with it."""
    made: list[object] = []

    def make(*arguments: Any, **named: Any) -> Service:
        made.append(arguments)
        return Service(*arguments, **named)

    lesson.check(settings())
    refused = False
    try:
        lesson.create_app(settings(host=EVERYWHERE), io.StringIO(), make=make)
    except UnsafeSettings:
        refused = True
    assert refused, (
        "create_app() has built a service on 0.0.0.0 with no secret. `uvicorn capstone.main:app` only refuses to start "
        "what create_app refuses to build."
    )
    assert not made, "the service was made first, and the settings were checked afterwards."


# 09.2

NEEDS = {
    "usage": {"store"},
    "access": {"store"},
    "chat": {"store", "usage", "providers"},
    "work": {"store", "chat"},
    "ending": {"store", "usage", "access", "providers", "chat", "work"},
}
NAMES = ("logs", "store", "usage", "access", "providers", "chat", "work")
ALL = (*NAMES, "ending")


def recorded(name: str) -> Any:
    """Make a method that opens nothing, and writes down that it did."""

    @asynccontextmanager
    async def opened(self: Any) -> AsyncIterator[Any]:
        if self.breaks == name:
            raise ConnectionError(f"{name} does not open")
        self.seen.append(f"open {name}")
        try:
            yield self if name == "logs" else SimpleNamespace(name=name)
        finally:
            self.seen.append(f"close {name}")
            if self.sticks == name:
                raise ConnectionError(f"{name} does not close")

    return opened


class Watched(Service):
    """A service whose parts are only opened on paper."""

    breaks = sticks = ""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.seen: list[str] = []
        self.providers: Any = SimpleNamespace(names=["offline"], silent=[], of_model={}, default_model="none")

    for _name in NAMES:
        vars()[f"open_{_name}"] = recorded(_name)
    ending = recorded("ending")  # stands for what is given: the last to be opened

    @property
    def opened(self) -> list[str]:
        """What was opened, in order."""
        return [one.removeprefix("open ") for one in self.seen if one.startswith("open")]

    @property
    def closed(self) -> list[str]:
        """What was closed, in order."""
        return [one.removeprefix("close ") for one in self.seen if one.startswith("close")]


async def life(tmp_path: Path, breaks: str = "", sticks: str = "") -> tuple[Any, dict[str, Any], Exception | None]:
    """Start a watched service, and end it: the service, its state, and what went wrong."""
    service = Watched(settings(data=tmp_path), io.StringIO())
    service.breaks, service.sticks = breaks, sticks
    lifespan: Any = lesson.lifespan_of(service, service.ending)
    state: dict[str, Any] = {}
    try:
        async with lifespan(FastAPI()) as found:
            state.update(found or {})
    except Exception as error:
        return service, state, error
    return service, state, None


@pytest.mark.task(2)
async def test_each_part_is_opened_after_what_it_needs(tmp_path: Path) -> None:
    """Open the chat before the store, and the first request finds out."""
    service, state, problem = await life(tmp_path)
    opened = service.opened

    assert problem is None, f"the service did not start and end: {problem!r}"
    assert sorted(opened) == sorted(ALL), f"of {', '.join(ALL)}, these were opened: {', '.join(opened) or 'none'}"
    assert opened[0] == "logs", f"{opened[0]} was opened before the logs: what it says when it fails is lost"
    for name, needed in NEEDS.items():
        late = sorted(one for one in needed if opened.index(one) > opened.index(name))
        assert not late, f"{name} was opened before {', '.join(late)}, which it needs: {' -> '.join(opened)}"
    for name in ("service", *NAMES[1:]):
        assert name in state, f"request.state has no `{name}`, only {', '.join(sorted(state)) or 'nothing'}"
    assert state["service"] is service, "request.state.service is not what `open_logs` gave"


@pytest.mark.task(2)
async def test_what_was_opened_last_is_closed_first(tmp_path: Path) -> None:
    """The usage queue writes its last records when it closes: into a store that has to be open still."""
    service, _, _ = await life(tmp_path)
    assert service.closed, "nothing was closed at the end"
    assert service.closed == service.opened[::-1], (
        f"opened {' -> '.join(service.opened)}, and closed {' -> '.join(service.closed)}. The last has to be first: "
        "it may need the others to end."
    )


@pytest.mark.task(2)
@pytest.mark.parametrize("name", ALL)
async def test_half_a_start_is_closed_as_well(name: str, tmp_path: Path) -> None:
    """The database is away for a minute: you are started ten times, and each time leaves connections open."""
    service, _, problem = await life(tmp_path, breaks=name)
    open_still = [one for one in service.opened if one not in service.closed]

    assert problem is not None, f"{name} did not open, and the service started all the same"
    assert f"{name} does not open" in str(problem), f"{name} did not open, and what was raised is {problem!r}"
    assert not open_still, f"{name} did not open, and {', '.join(open_still)} stayed open: who closes them now?"
    assert service.closed == service.opened[::-1], (
        f"half a start opened {' -> '.join(service.opened)}, and closed {' -> '.join(service.closed)}"
    )


@pytest.mark.task(2)
@pytest.mark.parametrize("name", ["work", "usage"])
async def test_one_that_does_not_close_keeps_no_other_open(name: str, tmp_path: Path) -> None:
    """At the end something always fails. The records of a whole day must not go with it."""
    service, _, problem = await life(tmp_path, sticks=name)
    assert service.closed == service.opened[::-1] and service.closed, (
        f"closing {name} failed, and only {', '.join(service.closed) or 'nothing'} was closed, of "
        f"{', '.join(service.opened)}"
    )
    assert problem is not None, f"closing {name} failed, and nobody was told"
    said = [str(one) for one in (problem, *getattr(problem, "exceptions", ()))]
    assert f"{name} does not close" in said, f"closing {name} failed, and what was raised is {problem!r}"


# 09.3

OPEN = {"/", "/health", "/health/live", "/health/ready", "/ready", "/parts", "/metrics", "/auth/token"}
PAGE = {"/chat", "/chat/config", "/web/page.js"}  # what a browser asks for before anybody has typed a key
PATHS = (
    "/v1/chat/completions", "/v1/models", "/v1/models/{name}", "/v1/embeddings", "/rag/documents",
    "/rag/documents/{document_id}", "/rag/query", "/jobs", "/jobs/{job_id}", "/auth/token", "/auth/keys",
    "/auth/keys/{key_id}", "/usage", "/health", "/health/live", "/health/ready", "/ready", "/parts", "/metrics",
)  # fmt: skip


@pytest.mark.task(3)
def test_every_route_is_there(running: Running) -> None:
    """A router that nobody included is a feature that only its author has."""
    answer = running.client.get("/openapi.json")
    assert answer.status_code == 200, f"/openapi.json was answered {answer.status_code}"
    paths = answer.json()["paths"]
    missing = sorted(set(PATHS) - set(paths))
    assert not missing, f"the documentation does not know {', '.join(missing)}"
    page = running.client.get("/chat")
    assert page.status_code == 200 and "text/html" in page.headers.get("content-type", ""), (
        f"the page at /chat was answered {page.status_code}"
    )


@pytest.mark.task(3)
def test_without_a_key_every_route_is_closed_but_for_a_few(running: Running) -> None:
    """One route without its check is the one that is found."""
    paths = running.client.get("/openapi.json").json()["paths"]
    asked = 0
    for path, routes in paths.items():
        if path in OPEN or path.startswith(("/reports", "/figures", "/v1/broken")):
            continue
        for method in routes:
            asked += 1
            answer = running.client.request(method, re.sub(r"\{.*?\}", "x", path), headers={"Authorization": ""})
            assert answer.status_code == 401, f"{method.upper()} {path} without a key was answered {answer.status_code}"
            assert answer.headers.get("www-authenticate", "").startswith("Bearer"), (
                f"{path}: a 401 that asks for nothing"
            )
    assert asked > 15, f"there are only {asked} routes behind a key"
    for path in sorted((OPEN | PAGE) - {"/auth/token"}):
        answer = running.client.get(path, headers={"Authorization": ""})
        assert answer.status_code == 200, f"GET {path} is for everybody, and was answered {answer.status_code}"
    token = running.client.post("/auth/token", data={}, headers={"Authorization": ""})
    assert token.status_code == 422, (
        "POST /auth/token is for whoever has a password and no key yet, and who sent neither a name nor a password got "
        f"{token.status_code}, not 422"
    )


@pytest.mark.task(3)
def test_what_somebody_adds_is_closed_too(running: Running) -> None:
    """In a year a colleague adds a router, in a hurry. What happens then is decided here."""
    narrow = running.key(scopes=["documents"])
    for path, kind in (("/reports", "forgot to ask for a key"), ("/figures", "asks for something else")):
        without = running.client.get(path, headers={"Authorization": ""})
        wrong = running.client.get(path, headers={"Authorization": "Bearer sk_000000_of_nobody"})
        with_key = running.client.get(path)
        with_narrow = running.client.get(path, headers=narrow)
        assert with_key.status_code == 200, f"a router of `more` was not served: GET {path} is {with_key.status_code}"
        assert (without.status_code, wrong.status_code) == (401, 401), (
            f"a route that {kind}: {without.status_code} without one, {wrong.status_code} with one of nobody. Who "
            "includes a router can put a dependency in front of all of it."
        )
        assert with_narrow.status_code == 200, (
            f"GET {path} asks for no scope, and a key without the scope `chat` got {with_narrow.status_code}"
        )


# 09.4


@contextmanager
def limited(running: Running, limit: int) -> Iterator[None]:
    """Let nobody ask more often than that, for a moment."""
    limiter = running.app.state.service.limiter
    before, limiter.limit = limiter.limit, limit
    try:
        yield
    finally:
        limiter.limit = before


@pytest.mark.task(4)
def test_a_key_is_limited_whatever_its_headers_say(running: Running) -> None:
    """Who counts by an address that callers write themselves counts nothing."""
    one, other = running.key(), running.key()
    with limited(running, 3):
        answers = []
        for turn in range(5):
            forged = {
                "X-Forwarded-For": f"10.0.0.{turn}",
                "Forwarded": f"for=10.0.0.{turn}",
                "X-Real-IP": f"10.1.1.{turn}",
            }
            answers.append(running.client.get("/usage", headers={**one, **forged}))
        second = running.client.get("/usage", headers=other)

    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 200, 200, 429, 429], f"3 requests a minute; a key that forges addresses got {statuses}" + (
        ", so others have used up what is its own" if statuses[0] == 429 else ""
    )
    assert int(answers[-1].headers.get("retry-after", "0")) >= 1, "the 429 does not say when to come back (Retry-After)"
    assert second.status_code == 200, f"one key was over its limit, and another one got {second.status_code}"


@pytest.mark.task(4)
def test_who_is_not_known_is_refused_and_never_counted(running: Running) -> None:
    """Keys that are made up fill the limiter's memory, or use up what somebody else may ask."""
    with limited(running, 2):
        bad = {"Authorization": "Bearer sk_000000_made_up_by_a_scanner"}
        statuses = [running.client.get("/usage", headers=bad).status_code for _ in range(4)]
        open_ones = [running.client.get("/health", headers={"Authorization": ""}).status_code for _ in range(4)]
    assert statuses == [401] * 4, f"a key that nobody has was answered {statuses}, not 401 each time"
    assert open_ones == [200] * 4, f"probes without a key were answered {open_ones}: they are not limited"


def raw(running: Running, head: str) -> bytes:
    """Send a head and no body; return what comes, or nothing when nothing comes."""
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        with suppress(TimeoutError, ConnectionError):
            return connection.recv(4_096)
    return b""


@pytest.mark.task(4)
def test_a_body_that_is_too_large_is_refused_before_it_is_read(running: Running) -> None:
    """A gigabyte that you read in order to say no has cost you a gigabyte."""
    head = "POST /v1/chat/completions HTTP/1.1\nHost: localhost\nContent-Length: 1000000000\nAuthorization: Bearer demo"
    said = raw(running, head)
    assert said.split(b" ")[1:2] == [b"413"], f"a head that announces a gigabyte was answered {said[:40]!r}" + (
        ""
        if said
        else ": nothing. Somebody waits for the body, or what the limit has raised is lost in a layer inside of it."
    )
    chunked = running.client.post("/v1/chat/completions", content=iter([b"x" * 15_000] * 2))
    assert chunked.status_code == 413, f"30,000 bytes that nobody had announced were answered {chunked.status_code}"
    assert running.chat().status_code == 200, "a body of 100 bytes is refused"


@pytest.mark.task(4)
def test_the_demo_key_is_for_this_machine(running: Running) -> None:
    """A web page whose name means 127.0.0.1 asks from your own browser."""
    answer = running.client.get("/v1/models", headers={"Host": "rebound.example"})
    assert answer.status_code == 403, (
        f"with the key `demo` on, a request for the host rebound.example was answered {answer.status_code}"
    )


async def ask(app: FastAPI, access: Any, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """Ask for /health from elsewhere, with no server between: the status, and what was said."""
    sent: list[Any] = []
    unread: list[Any] = [{"type": "http.request", "body": b""}]

    async def receive() -> Any:
        return unread.pop() if unread else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    state = {"access": access, "service": None}
    scope = {"type": "http", "method": "GET", "path": "/health", "raw_path": b"/health", "root_path": ""}
    scope |= {"query_string": b"", "headers": [(b"host", b"api.example"), *headers], "client": ("203.0.113.9", 4_242)}
    scope |= {"server": ("api.example", 80), "scheme": "http", "http_version": "1.1", "state": state, "asgi": {}}
    await app(scope, receive, send)
    return int(sent[0]["status"]), b"".join(one.get("body", b"") for one in sent)


@pytest.mark.task(4)
@pytest.mark.parametrize("host", [EVERYWHERE, "127.0.0.1"], ids=["everywhere", "behind a proxy of this machine"])
async def test_the_demos_door_is_only_there_for_the_demo(host: str, tmp_path: Path) -> None:
    """Behind a load balancer every caller comes from elsewhere: a door for this machine alone lets nobody in."""
    app = lesson.create_app(settings(host=host, secret=GOOD, data=tmp_path), io.StringIO(), make=Watched)
    begun(app, 2)
    begun(app, 4)
    status, _ = await ask(app, SimpleNamespace(nobody=SimpleNamespace(principal=None)))
    assert status == 200, (
        f"a server on {host} with a secret of its own, and a caller from 203.0.113.9: {status} at /health"
    )


@pytest.mark.task(4)
async def test_who_waits_in_a_layer_at_the_deadline_is_told_too(tmp_path: Path) -> None:
    """The database hangs, you are to end, and a hundred requests wait to hear who they are."""
    chosen = settings(host=EVERYWHERE, secret=GOOD, data=tmp_path, drain_notice_s=0, drain_deadline_s=0)
    app = lesson.create_app(chosen, io.StringIO(), make=Watched)
    begun(app, 2)
    begun(app, 4)
    waits = asyncio.Event()

    async def asked_with(_: str) -> Any:
        waits.set()
        await asyncio.Event().wait()

    asking = asyncio.create_task(ask(app, SimpleNamespace(asked_with=asked_with), (b"authorization", b"Bearer a-key")))
    await until(lambda: waits.is_set() or asking.done())
    await app.state.service.drain.stop(lambda: None)
    await asyncio.wait([asking], timeout=PATIENCE_S)
    answered = asking.done()
    asking.cancel()
    assert answered, (
        "at the drain's deadline a request stood in `Authenticate`, and nobody has told it: CutAtDeadline only ends "
        "what is inside of it"
    )
    status, said = asking.result()
    assert status == 503 and b"going down" in said, f"at the drain's deadline a request was told {status} {said!r}"


@pytest.mark.task(4)
def test_the_official_client_streams_and_the_first_words_come_first(running: Running) -> None:
    """A layer that collects a stream turns it into a long wait."""
    from openai import OpenAI

    gate = running.fake.tokens(["Good ", "morning"]).step()
    gate.release(1)
    with OpenAI(api_key="demo", base_url=f"{running.url}/v1", max_retries=0, timeout=3) as client:
        pieces = []
        try:
            chats: Any = client.chat.completions
            with chats.create(model="mock-large", messages=HELLO, stream=True) as stream:
                for chunk in stream:
                    if chunk.choices and (text := chunk.choices[0].delta.content):
                        pieces.append(text)
                        gate.open()  # the rest is only made once the beginning has come
        except Exception as error:
            pieces.append(f"{type(error).__name__}")
        finally:
            gate.open()
    assert "".join(pieces) == "Good morning", (
        f"the model makes its second word when the first has arrived, and the client got {pieces}. Something holds the "
        "stream back until it is over."
    )


@dataclass
class Reader:
    """Reads one of many streams; who is impatient leaves after the first word."""

    number: int
    impatient: bool
    words: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)  # of the answer, as its pieces name it
    request_id: str = ""
    problem: str = ""

    async def read(self, client: httpx.AsyncClient, prompt: str) -> None:
        """Ask with a prompt of one's own, and read until the end mark."""
        body = {**CHAT, "stream": True, "messages": [{"role": "user", "content": prompt}]}
        try:
            async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                self.request_id = answer.headers.get("x-request-id", "")
                async for line in answer.aiter_lines():
                    if not line.startswith("data: {"):
                        self.words += ["[DONE]"] if line == "data: [DONE]" else []
                        continue
                    piece = json.loads(line[6:])
                    self.ids.add(piece.get("id", ""))
                    choices = piece.get("choices") or [{}]
                    if text := choices[0].get("delta", {}).get("content"):
                        self.words.append(text)
                        if self.impatient:
                            return
        except (httpx.HTTPError, ValueError) as error:
            self.problem = repr(error)


@pytest.mark.task(4)
async def test_many_streams_at_once_stay_apart(running: Running) -> None:
    """A layer that keeps something in itself serves one reader well. The second gets the words of the first."""
    readers = [Reader(number, impatient=number % 4 == 3) for number in range(STREAMS)]
    prompts = [" ".join(f"{word}-for-{one.number}" for word in ("one", "two", "three")) for one in readers]
    gate = running.fake.default.step()  # every stream waits before each of its words
    limits = httpx.Limits(max_connections=STREAMS)
    async with httpx.AsyncClient(
        base_url=running.url, headers=DEMO, timeout=PATIENCE_S, limits=limits, trust_env=False
    ) as client:
        reading = [asyncio.create_task(one.read(client, prompt)) for one, prompt in zip(readers, prompts, strict=True)]
        try:
            together = await until(lambda: gate.came >= STREAMS)
            gate.release(STREAMS)  # a word for each
            impatient = sum(one.impatient for one in readers)
            gone = together and await until(lambda: len(running.fake.closed_early) >= impatient)
        finally:
            gate.open()  # and the rest for those who stayed
            await asyncio.gather(*reading)

    assert together, f"{STREAMS} asked at once, and the provider was asked by {gate.came}: the others stood in line"
    for one, prompt in zip(readers, prompts, strict=True):
        said = "".join(one.words) + one.problem
        assert said == f"Mock answer to: {prompt}[DONE]" or (one.impatient and not one.problem), (
            f"{STREAMS} streams at once, and who had asked {prompt!r} got {said!r}. What belongs to one request must "
            "not be kept where the next one writes."
        )
    assert gone, f"{impatient} readers have left, and {len(running.fake.closed_early)} calls to the provider were ended"
    left = sorted(request.text for request in running.fake.closed_early)
    wanted = sorted(prompt for one, prompt in zip(readers, prompts, strict=True) if one.impatient)
    assert left == wanted, f"{wanted} were left, and the provider's calls for {left} were ended"
    ids = {id for one in readers for id in one.ids}
    assert len(ids) == STREAMS, f"the pieces of {STREAMS} streams name {len(ids)} different answers in their `id`"
    request_ids = [one.request_id for one in readers if one.request_id]  # 09.5 gives them
    assert len(set(request_ids)) == len(request_ids), f"{len(request_ids)} streams have {len(set(request_ids))} ids"


@pytest.mark.task(4)
@pytest.mark.parametrize("stream", [False, True], ids=["waiting", "in a stream"])
def test_who_leaves_ends_the_work(running: Running, stream: bool) -> None:
    """Nobody reads it any more, and the provider bills every token."""
    running.fake.hang(after=1 if stream else 0)
    body = json.dumps({**CHAT, "stream": stream}).encode()
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer demo\r\n"
        head += f"Content-Length: {len(body)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        assert wait_for(lambda: running.fake.in_flight), "the provider was never asked"
    assert wait_for(lambda: not running.fake.in_flight, 2), (
        "the caller has closed the connection, and the call to the provider goes on"
    )


# 09.5

ID = re.compile(r"[\w.-]{8,128}")


def body_of(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, nothing if it is not a JSON object."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def cases(running: Running) -> dict[str, httpx.Response]:
    """One answer of each kind, and of both forms."""
    nobody = {"Authorization": ""}
    wanted: dict[str, tuple[str, str, dict[str, Any]]] = {
        "200": ("POST", "/v1/chat/completions", {"json": CHAT}),
        "200 of a stream": ("POST", "/v1/chat/completions", {"json": {**CHAT, "stream": True}}),
        "401": ("GET", "/v1/models", {"headers": nobody}),
        "401 of ours": ("GET", "/usage", {"headers": nobody}),
        "404": ("GET", "/v1/nothing", {}),
        "404 for a model": ("GET", "/v1/models/no-such", {}),
        "404 of ours": ("GET", "/nothing", {}),
        "405 of ours": ("PUT", "/usage", {}),
        "409 of ours": ("GET", "/reports/closed", {}),
        "422": ("POST", "/v1/chat/completions", {"json": {**CHAT, "messages": [{"role": "pirate", "content": "Arr"}]}}),
        "422 of ours": ("POST", "/auth/keys", {"json": {"tokens_per_day": 0}}),
        "413": ("POST", "/v1/chat/completions", {"content": b"x" * 30_000}),
        "403 of ours": ("GET", "/usage", {"headers": {"Host": "rebound.example"}}),
        "500": ("GET", "/v1/broken", {}),
        "500 of ours": ("GET", "/reports/broken", {}),
    }
    said: dict[str, httpx.Response] = {}
    for name, (method, path, more) in wanted.items():
        try:
            said[name] = running.client.request(method, path, **more)
        except httpx.HTTPError as error:
            last = list(said)[-1:] or ["none"]
            why = (
                "Whoever should have answered does not know of it."
                if isinstance(error, httpx.TimeoutException)
                else "A server closes the connection when an exception has come out of the application: here, or at "
                f"the one before it ({last[0]})."
            )
            raise AssertionError(f"{method} {path} ({name}) had no answer: {type(error).__name__}. {why}") from None
    key = running.key()
    with limited(running, 1):
        running.chat(key)
        said["429"] = running.chat(key)
        said["429 of ours"] = running.client.get("/usage", headers=key)
    return said


@pytest.fixture(scope="module")
def said(started: Running) -> dict[str, httpx.Response]:
    """The answers of `cases`."""
    begun(started.app, 5)
    started.fake.reset()
    return cases(started)


@pytest.mark.task(5)
def test_every_answer_has_a_request_id(said: dict[str, httpx.Response]) -> None:
    """The answer that somebody calls you about is never one of the good ones."""
    without = [name for name, answer in said.items() if not ID.fullmatch(answer.headers.get("x-request-id", ""))]
    assert not without, (
        f"no X-Request-ID on {', '.join(without)}. What stands outside of RequestContext answers without one."
    )
    ids = [answer.headers["x-request-id"] for answer in said.values()]
    assert len(set(ids)) == len(ids), "two requests have the same id"
    told = {name: body_of(answer).get("request_id") for name, answer in said.items() if not name.startswith("200")}
    other = [name for name, id in told.items() if id != said[name].headers["x-request-id"]]
    assert not other, (
        f"the body of {', '.join(other)} has another `request_id` than the header, or none: it was formed outside of "
        "RequestContext, or not at all, or a request has two of them"
    )


@pytest.mark.task(5)
def test_every_error_has_one_form_and_on_v1_openais(said: dict[str, httpx.Response]) -> None:
    """A client that has to guess which of four shapes an error has shows its users none."""
    for name, answer in said.items():
        if name.startswith("200"):
            continue
        body = body_of(answer)
        wanted = int(name[:3])
        assert answer.status_code == wanted, (
            f"an answer that should be {name} is {answer.status_code}: {answer.text[:200]}"
        )
        if name.endswith("ours"):
            assert set(body) == {"error", "code", "fields", "request_id"} and isinstance(body["error"], str), (
                f"{name}: {answer.text[:200]}, and not `error`, `code`, `fields` and `request_id`"
            )
        else:
            inner = body.get("error")
            assert isinstance(inner, dict) and set(inner) == {"message", "type", "param", "code"}, (
                f"{name} on /v1: {answer.text[:200]}, which OpenAI's client cannot read"
            )


@pytest.mark.task(5)
def test_an_error_says_what_is_wrong(said: dict[str, httpx.Response]) -> None:
    """A form that is kept and says nothing is a 422 that somebody stares at for an hour."""
    model = body_of(said["404 for a model"]).get("error", {})
    assert said["404 for a model"].status_code == 404, (
        f"a router has raised ApiError(404), and the caller got {said['404 for a model'].status_code}: who answers it?"
    )
    assert (model.get("code"), model.get("param")) == ("model_not_found", "model"), (
        f"an ApiError has a code and a param, and the caller got {said['404 for a model'].text}"
    )
    field, param = body_of(said["422 of ours"]).get("fields"), body_of(said["422"]).get("error", {}).get("param")
    assert isinstance(field, dict) and "tokens_per_day" in field, (
        f"`tokens_per_day` is 0, and the 422 names {field or 'no field'}: lesson 02's handler has not seen it"
    )
    assert str(param).startswith("messages"), f"a message is by a pirate, and the 422 on /v1 has the param {param!r}"
    sunday = body_of(said["409 of ours"]).get("error")
    assert sunday == "no reports on Sundays", (
        f"somebody has raised HTTPException(409, {{'message': 'no reports on Sundays'}}), and `error` is {sunday!r}. "
        "errors.add_error_handlers mends that in a handler that is there already."
    )


@pytest.mark.task(5)
def test_nothing_leaks(running: Running, said: dict[str, httpx.Response]) -> None:
    """A traceback names your tables, a provider's sentence quotes the prompt."""
    running.fake.fail(500, message="our database db-7 is away")
    broken = running.chat()
    running.fake.fail(429, retry_after=7, message="org-1234 has no money")
    busy = running.chat()
    assert (broken.status_code, busy.status_code) == (502, 429), (
        f"the provider failed with 500 and with 429, and callers got {broken.status_code} and {busy.status_code}"
    )
    assert busy.headers.get("retry-after") == "7", f"the provider said 7 s, we say {busy.headers.get('retry-after')}"
    bugs = ((said["500"], "tables"), (said["500 of ours"], "tables"))
    for answer, words in ((broken, "db-7"), (busy, "org-1234"), *bugs):
        assert words not in answer.text, f"{answer.status_code} shows what went wrong inside: {answer.text[:200]}"
    assert "have turned" in running.log.getvalue(), "what went wrong inside is not in the log either"


@pytest.mark.task(5)
def test_every_request_is_logged_and_counted_once(running: Running) -> None:
    """Two numbers that disagree are worse than none."""
    counted = 'http_request_duration_seconds_count{method="GET",route="/usage",status="200"}'

    def count() -> float:
        found = [line for line in running.client.get("/metrics").text.splitlines() if line.startswith(counted)]
        return float(found[0].split()[-1]) if found else 0.0

    before = count()
    id = running.client.get("/usage", headers={"X-Request-ID": "a-caller-gave-this-1"}).headers.get("x-request-id")
    assert id == "a-caller-gave-this-1", f"the caller's own id was answered as {id}"
    assert wait_for(lambda: count() > before, 1), "a request was served, and /metrics has not counted it"
    assert count() == before + 1, f"one request was counted {count() - before:g} times"
    lines = [line for line in running.log.getvalue().splitlines() if id in line and '"event":"request"' in line]
    assert len(lines) == 1, f"one request, and {len(lines)} lines in the log that have its id"


# 09.6


def start_of(running: Running) -> str:
    """The log until the first request."""
    return running.log.getvalue().partition('"event":"request"')[0]


@pytest.mark.task(6)
def test_the_start_says_whose_code_runs(running: Running) -> None:
    """You have repaired it, and it is still broken. Does the repair run?"""
    told = start_of(running)
    for part in NINE:
        words = f"part {part.lesson}: {part.whose} ({part.reason})"
        assert told.count(words) == 1, (
            f"the log says {told.count(words)} times `{words}` before the first request. It was given nine parts, and "
            "03_async and 09_capstone are somebody's own."
        )


@pytest.mark.task(6)
def test_parts_tells_the_same(running: Running) -> None:
    """A service that names one part and runs another is worse than one that is silent."""
    told = [(one["lesson"], one["whose"], one["file"]) for one in running.client.get("/parts").json()]
    wanted = [(one.lesson, one.whose, one.file) for one in NINE]
    assert told == wanted, f"/parts says {told}, and create_app was given {wanted}"


@pytest.mark.task(6)
def test_the_start_says_who_answers_and_no_secret(running: Running) -> None:
    """Answers of a fake that look real have been shown to customers."""
    told = start_of(running)
    assert "provider: openai" in told, "no line says `provider: openai; models: …`"
    assert "mock-large" in told, "the line of the provider does not name its models"
    assert "offline: a fake answers" not in told, "the provider is real, and the log says that a fake answers"
    assert "sk-mock" not in told, "the provider's key is in the log"


@pytest.mark.task(6)
async def test_all_providers_are_named_ten_models_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway lists four hundred models, in a line that is read at night."""
    secrets = {"secret": GOOD, "admin_password": "correct-Horse-7", "openai_api_key": "sk-of-us-all"}
    service = Watched(settings(data=tmp_path), io.StringIO())
    service.settings = service.settings.model_copy(update={name: SecretStr(one) for name, one in secrets.items()})
    models = [f"model-{number:02}" for number in range(12)]
    service.providers = SimpleNamespace(
        names=["openai", "anthropic"], silent=[], of_model=dict.fromkeys(models), default_model=models[0]
    )
    with caplog.at_level("INFO", "capstone"):
        lesson.announce(service)
    lines = [one.getMessage() for one in caplog.records if one.name == "capstone"]
    parts = [f"part {part.lesson}: {part.whose} ({part.reason})" for part in service.parts]
    at = {next((number for number, line in enumerate(lines) if words in line), -1) for words in parts}
    assert len(at) == len(parts) and -1 not in at, (
        f"{len(parts)} parts are {len(at - {-1})} lines of the logger `capstone`: a line for each, by `log`"
    )
    told = next((line for line in lines if "provider: " in line), "")
    named = re.findall(r"model-\d\d", told)
    assert "openai" in told and "anthropic" in told, f"answers come from openai and anthropic, and `log` says {told!r}"
    assert named and set(named) <= set(models[:10]), f"of 12 models, the first ten at most: the line names {named}"
    assert not any("offline" in line for line in lines), "the providers are real, and the log says `offline`"
    shown = [name for name, secret in secrets.items() if any(secret in line for line in lines)]
    assert not shown, f"the log shows {', '.join(shown)}"


@pytest.mark.task(6)
async def test_a_fake_is_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever forgot a variable has to find out before their users do."""
    with caplog.at_level("INFO", "capstone"):
        lesson.announce(Watched(settings(data=tmp_path), io.StringIO()))
    warned = [one.getMessage() for one in caplog.records if one.levelname == "WARNING" and one.name == "capstone"]
    assert any("offline" in line for line in warned), (
        f"only a fake answers, and the log warns of: {warned or 'nothing'}"
    )


# 09.7


Drain: Any = deployment.Drain


class Held(Drain):
    """Lesson 07's drain, which waits for the test where it would wait for seconds."""

    def __init__(self) -> None:
        super().__init__(notice_s=0, deadline_s=0)
        self.noticed = asyncio.Event()
        self.begun = 0

    async def stop(self, leave: Callable[[], None]) -> None:
        """Be not ready until the test says that everybody has noticed, and then end."""
        self.begun += 1
        self.draining = True
        await self.noticed.wait()
        await super().stop(leave)


@dataclass
class Ended:
    """What was seen of a service, from SIGTERM to its end."""

    ready: tuple[int, int] = (0, 0)  # what /ready said before and after
    chat: int = 0  # what a request was answered meanwhile
    drains: int = 0
    gone: bool = False  # whether the server began to leave at once
    told: bytes = b""  # what the reader of an open stream got
    over: bool = False
    signals: list[int] = field(default_factory=list)  # that reached whoever stands behind the server


async def until(ready: Callable[[], Any]) -> Any:
    """Wait for something of another task, and return what it was in the end."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := ready()) and time.monotonic() < deadline:  # noqa: ASYNC110 - a server has no event for it
        await asyncio.sleep(0.005)
    return found


async def turns() -> None:
    """Let the event loop go round often enough for whatever waits for nothing but its turn."""
    for _ in range(50):
        await asyncio.sleep(0)


@contextmanager
def signals_to(seen: list[int]) -> Iterator[None]:
    """Stand behind the server: what it does with a signal at its very end reaches us, and not pytest."""
    before = {one: signal.signal(one, lambda got, _: seen.append(got)) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


async def end(provider: MockLLM, data: Path) -> Ended:
    """Serve in this thread, where signals come; open a stream, send SIGTERM, and look on until the server has ended."""
    provider.reset()
    seen, drain = Ended(), Held()

    def make(*arguments: Any, **named: Any) -> Service:
        service = Service(*arguments, **named)
        service.drain = drain
        return service

    app = lesson.create_app(real(provider, data), io.StringIO(), make=make)
    begun(app, 2)
    with signals_to(seen.signals), socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started or task.done())
            assert server.started, "the service does not start; look at 09.2"
            begun(app, 7)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, headers=DEMO, timeout=PATIENCE_S) as client:
                await watch(provider, client, server, drain, seen)
                seen.over = await until(task.done)
        finally:
            server.should_exit = server.force_exit = True
            with suppress(Exception):
                await asyncio.wait_for(task, PATIENCE_S)
    return seen


async def watch(provider: MockLLM, client: httpx.AsyncClient, server: Server, drain: Held, seen: Ended) -> None:
    """Write down what happens between SIGTERM and the end of a stream that was open."""

    async def read() -> None:
        try:
            async with client.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as answer:
                async for piece in answer.aiter_bytes():
                    seen.told += piece
        except httpx.HTTPError as error:
            seen.told += repr(error).encode()

    provider.tokens(["Good ", "morning"]).hang(after=1)
    reading = asyncio.create_task(read())
    await until(lambda: b"Good" in seen.told or reading.done())
    before = (await client.get("/ready")).status_code
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: drain.draining or server.should_exit)
    seen.gone = server.should_exit
    if drain.draining and not seen.gone:
        os.kill(os.getpid(), signal.SIGTERM)  # whoever is impatient signals twice
        with suppress(httpx.HTTPError):
            seen.ready = before, (await client.get("/ready")).status_code
            seen.chat = (await client.post("/v1/chat/completions", json=CHAT)).status_code
        seen.gone = server.should_exit
    seen.drains = drain.begun
    drain.noticed.set()
    if not drain.begun:
        server.should_exit = True
    await reading


@pytest.fixture(scope="module")
def ended(provider: MockLLM, data: Path) -> Ended:
    """A service that was told to end."""
    return asyncio.run(end(provider, data))


@pytest.mark.task(7)
def test_at_sigterm_it_is_first_not_ready_and_serves_on(ended: Ended) -> None:
    """The load balancer needs a few seconds to notice. Until then it sends you requests."""
    assert ended.drains and not ended.gone, (
        "SIGTERM came, and the server began to leave at once: nobody had noticed yet."
        if ended.gone
        else "SIGTERM came, and the drain was not told: /ready goes on saying that all is well."
    )
    assert ended.drains == 1, f"SIGTERM came twice, and {ended.drains} drains began"
    assert ended.ready == (200, 503), f"/ready said {ended.ready[0]} before SIGTERM, {ended.ready[1]} after"
    assert ended.chat == 200, f"a request that came within the notice was answered {ended.chat}"


@pytest.mark.task(7)
def test_who_still_streams_is_told_and_then_the_server_ends(ended: Ended) -> None:
    """You deploy at noon. What happens to the answers that are streaming at 11:59:59?"""
    assert b"Good" in ended.told and b"shutting_down" in ended.told, (
        f"a stream was open at the drain's deadline, and its reader got, at last, {ended.told[-120:]!r}. It is "
        "nobody's fault, and it has to be told."
    )
    assert ended.over, "the drain has called leave(), and the server was not ended"
    assert len(ended.signals) == 1, f"the server was told to end {len(ended.signals)} times: {ended.signals}"


@pytest.mark.task(7)
async def test_a_server_that_ends_for_another_reason_leaves_nothing_behind() -> None:
    """A task that waits for a load balancer keeps the process alive after everything else has ended."""
    drain, signals, before = Held(), list[int](), asyncio.all_tasks()
    with signals_to(signals):
        with lesson.draining(drain):
            taken = signal.getsignal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            await turns()
        free = signal.getsignal(signal.SIGTERM) is not taken
        await turns()
        left = len(asyncio.all_tasks() - before)
    assert drain.draining, "SIGTERM came, and the drain was not told"
    assert not left, f"the server has ended, and {left} tasks of the drain are still under way"
    assert free, "the server has ended, and SIGTERM is still taken"
    assert not signals, "the drain had not called leave(), and SIGTERM was handed on"


@pytest.mark.task(7)
def test_without_signals_it_serves_all_the_same() -> None:
    """Tests, notebooks and Lambda run a service outside of the main thread, where nobody may take a signal."""
    problems: list[BaseException] = []

    async def live() -> None:
        with lesson.draining(Held()):
            pass

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE_S)
    if problems and isinstance(problems[0], NotImplementedError):
        raise problems[0]
    assert not problems, f"outside of the main thread the service does not start: {problems[0]!r}"
