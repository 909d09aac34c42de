# %% [markdown]
# # 06 production: the night it goes wrong
#
# Nine questions about limits, logs, numbers, outages and caches, and about what may wake you.
# Each stands alone: run the cell below, then go to any of them.
# The lesson behind them is `lessons/06_production`.

# %%
import mockllm.alias  # first of all: one name for httpx2 and httpx, so that one fake sees every client
from mockllm import MockLLM
from mockllm.router import routed

# %% [markdown]
# ## Where do settings come from, and when do you learn that one is missing?
#
# `production-01` · junior
#
# *Think first.* A deployment forgot one of two keys.
# Who notices, when, and where does the other key stand afterwards?

# %% [markdown]
# **Spoken answer.** From the environment, with a `.env` file for the laptop, read once into one typed object when the service starts.
# The environment has the last word, and a variable that is set and empty counts as not set.
# What is missing or wrong stops the start and is named, so the old version stays up and no user ever meets the new one.
# Keys are `SecretStr`, and so is a URL with a password in it: they show themselves only where they are asked for by name.
# And I switch off that the error shows its input, because the input is all the other keys.

# %%
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )
    first_key: SecretStr
    second_key: SecretStr
    requests_per_minute: int = Field(default=60, ge=1)


@contextmanager
def deployed(dotenv: str, **environment: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ".env"
        file.write_text(dotenv, encoding="utf-8")
        os.environ.update(environment)
        try:
            yield file
        finally:
            for name in environment:
                del os.environ[name]


FILE = "FIRST_KEY=sk-from-the-file\nSECOND_KEY=sk-second\nOTHER_PROGRAM=1\n"
with deployed(FILE, FIRST_KEY="sk-from-outside", SECOND_KEY="", REQUESTS_PER_MINUTE="5") as file:
    settings = Settings(_env_file=file)
with deployed("FIRST_KEY=sk-from-the-file\n", REQUESTS_PER_MINUTE="none") as file:
    try:
        Settings(_env_file=file)
        refusal = "it starts"
    except ValidationError as error:
        refusal = str(error)

print("who has the last word:", settings.first_key.get_secret_value())
print("printed:", settings)
print(
    "named at the start:",
    [name for name in ("first_key", "second_key", "requests_per_minute") if name in refusal],
)
assert settings.first_key.get_secret_value() == "sk-from-outside"
assert settings.second_key.get_secret_value() == "sk-second" and settings.requests_per_minute == 5
assert "sk-" not in str(settings) + repr(settings) + settings.model_dump_json()
assert "second_key" in refusal and "requests_per_minute" in refusal and "sk-" not in refusal

# %% [markdown]
# **Listens for**
#
# - One typed object, read at the start, that stops it.
# - Who wins, the environment or the file.
# - Where a key could show itself: `repr`, a traceback, the error itself.
#
# **Usual wrong answer.** *"`os.getenv("SECOND_KEY", "")` where it is needed, and plain text in a settings class."*
# The first user learns that it is missing, and the log has the key that was there.

# %%
from fastapi import FastAPI
from fastapi.testclient import TestClient


class PlainSettings(BaseSettings):
    first_key: str
    second_key: str


app = FastAPI()


@app.get("/health")
async def read_health() -> str:
    return "ok"


@app.get("/ask")
async def read_answer() -> str:
    return os.environ["SECOND_KEY"]


with TestClient(app, raise_server_exceptions=False) as client:  # the start goes well
    statuses = client.get("/health").status_code, client.get("/ask").status_code
with deployed("FIRST_KEY=sk-from-the-file\n") as file:
    try:
        PlainSettings(_env_file=file)
        told = ""
    except ValidationError as error:
        told = str(error)
print("it starts, health says", statuses[0], "and the first user gets", statuses[1])
print("the error about the missing key shows the other one:", "sk-from-the-file" in told)
print("printed:", PlainSettings(first_key="sk-first", second_key="sk-second"))
assert statuses == (200, 500)
assert "sk-from-the-file" in told
assert "sk-first" in repr(PlainSettings(first_key="sk-first", second_key="sk-second"))

# %% [markdown]
# **Then they ask.** *A key has leaked. What do you do, and how long does it take?*
# Make a second one, deploy it, wait until nobody uses the first, revoke that: minutes, if both may be valid at once and settings are read at every start.
# Then I look for how it got out; in a Git history it stays, whatever is committed on top.
#
# **Your turn.** Write which value a setting gets.
# `None` stands for a variable that is not there.


# %%
def value_of(environment: str | None, dotenv: str | None, default: str | None) -> str | None:
    """Return the value, or None if the service does not start."""
    ...


# %%
from verdicts import check


class One(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True)
    some_setting: str


def tried(environment: str | None, dotenv: str | None, default: str | None) -> str | None:
    lines = "" if dotenv is None else f"SOME_SETTING={dotenv}\n"
    outside = {} if environment is None else {"SOME_SETTING": environment}
    with deployed(lines, **outside) as file:
        try:
            return One(_env_file=file).some_setting
        except ValidationError:
            return default


CASES = [("a", "b", "c"), ("", "b", "c"), (None, "b", None), (None, "", "c"), ("", None, None)]
check(
    value_of,
    [(case, tried(*case)) for case in CASES],
    because="The environment before the file, the file before the default; and empty is not there.",
)

# %% [markdown]
# ## A caller sends you the id of a failed request. What do you find, and what must you not find?
#
# `production-02` · mid
#
# *Think first.* The route raises something that nobody expected.
# Does the 500 have the header `X-Request-ID`, and does the log line have the prompt?

# %% [markdown]
# **Spoken answer.** I find every line of that request, with the traceback, because the id stands in a context variable that each line reads by itself.
# The 500 carries the same id, which needs care: a handler for `Exception` answers outside of all middleware, so I catch in a middleware of my own, inside of the one that sets the id.
# An id from outside is taken only if it is short and plain; else somebody writes lines into my log.
# What I must not find are prompts, keys and passwords: data goes into fields, and fields with such names are cleared, keys by their form, in tracebacks too.

# %%
import asyncio
import io
import json
import logging
import re
import uuid
from contextvars import ContextVar

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from virtual_time import run
from visits import Visit, visit

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="-")
PRIVATE, SECRET = {"prompt", "authorization"}, re.compile(r"\bsk-[\w-]{4,}")


class AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"event": record.getMessage(), "id": REQUEST_ID.get()}
        for name, value in getattr(record, "data", {}).items():
            line[name] = "[redacted]" if name in PRIVATE else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return SECRET.sub("[redacted]", json.dumps(line))


class WithId:  # the outermost
    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", asked) else uuid.uuid4().hex
        token = REQUEST_ID.set(request_id)

        async def send_on(message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            REQUEST_ID.reset(token)


class CatchErrors:  # inside of it; what has begun to answer already is another question
    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:
            log.exception("unexpected")
            answer = JSONResponse({"error": "internal_error", "request_id": REQUEST_ID.get()}, 500)
            await answer(scope, receive, send)


# %%
log, written = logging.getLogger("notebook.production"), io.StringIO()
log.propagate, log.handlers = False, [logging.StreamHandler(written)]
log.setLevel(logging.INFO)
log.handlers[0].setFormatter(AsJson())


def service() -> FastAPI:
    app = FastAPI()

    @app.post("/chat")
    async def create_chat(body: dict) -> None:
        log.info("asked", extra={"data": {"prompt": body["prompt"], "words": 3}})
        await asyncio.sleep(1)  # the others come meanwhile
        raise LookupError("no price for the model of sk-live-4242")

    return app


async def three_at_once(app, ids: list[str]) -> list[Visit]:
    ask = [
        visit(
            app,
            "/chat",
            method="POST",
            json={"prompt": "my diagnosis"},
            headers={"x-request-id": one},
        )
        for one in ids
    ]
    return await asyncio.gather(*ask)


app = service()
app.add_middleware(CatchErrors)
app.add_middleware(WithId)
seen = run(three_at_once(app, ["from-ada-1", "from-bob-1", 'x", "event": "all is well']))
lines = [json.loads(line) for line in written.getvalue().splitlines()]
mine = [line for line in lines if line["id"] == "from-ada-1"]
print(
    "her lines:",
    [line["event"] for line in mine],
    "- with a traceback:",
    "LookupError" in mine[-1]["exception"],
)
print("her answer:", seen[0].status, seen[0].headers["x-request-id"])
print("prompt, key in the log:", "diagnosis" in written.getvalue(), "sk-live" in written.getvalue())
assert [line["event"] for line in mine] == ["asked", "unexpected"] and "LookupError" in mine[1][
    "exception"
]
assert seen[0].headers["x-request-id"] == seen[0].json()["request_id"] == "from-ada-1"
assert len({line["id"] for line in lines}) == 3 and "all is well" not in written.getvalue()
assert "diagnosis" not in written.getvalue() and "sk-live" not in written.getvalue()

# %% [markdown]
# **Listens for**
#
# - The id in a context variable, in every line and in the error.
# - Why the usual handler's 500 has no id.
# - Ids from outside are checked.
# - What is cleared, and where it hides: fields, tracebacks, URLs.
#
# **Usual wrong answer.** *"A middleware sets the header, an exception handler logs `f"Unhandled error: {exc}"`."*
# The answer that needs the id most has none, and the line has a key in it and neither id nor place.

# %%
usual, said = service(), []


@usual.middleware("http")
async def add_request_id(request, call_next):
    response = await call_next(request)
    response.headers["x-request-id"] = uuid.uuid4().hex
    return response


@usual.exception_handler(Exception)
async def on_error(request, exc):
    said.append(f"Unhandled error: {exc}")
    return JSONResponse({"error": "internal_server_error"}, status_code=500)


failed = run(visit(usual, "/chat", method="POST", json={"prompt": "my diagnosis"}))
print("the 500 has an id:", "x-request-id" in failed.headers)
print("the line:", said[0])
assert failed.status == 500 and "x-request-id" not in failed.headers
assert "sk-live" in said[0] and "create_chat" not in said[0]

# %% [markdown]
# **Then they ask.** *The request went on to a worker and to a provider. How do you follow it?*
# The id goes along as a header to the provider, whose own id comes back and is logged, and as a field into the job.
# Where several services are mine, it is a trace: `traceparent` instead of a header of my own, and a span for each wait.
#
# **Your turn.** Write which id a request gets.


# %%
def id_of(asked: str, fresh: str) -> str:
    """Return `asked` if it is 8 to 64 of A-Z, a-z, 0-9, dot, underscore and hyphen; else `fresh`."""
    ...


# %%
from verdicts import check

check(
    id_of,
    [
        (("from-ada-1", "new"), "from-ada-1"),
        (("short", "new"), "new"),
        (("a" * 65, "new"), "new"),
        (("from-ada-1\n", "new"), "new"),
        (("from ada 1", "new"), "new"),
        (("", "new"), "new"),
        (("from-adä-1", "new"), "new"),
    ],
    because=(
        "All of it has to match, to the last character: "
        "`$` stands before a line end too, and `\\w` knows every alphabet."
    ),
)

# %% [markdown]
# ## Your dashboard says that streams take 3 ms. What did you measure?
#
# `production-03` · mid
#
# *Think first.* The model thinks for a second and writes for eleven more.
# What does a middleware see that takes the time around `call_next`?

# %% [markdown]
# **Spoken answer.** The time until there was a response object, and a streaming response is one before its first token.
# I measure in plain ASGI middleware, around `send`: the first body message gives the time to the first token, the last one the whole time.
# Two numbers, because users feel the first and the capacity is used up by the second.
# Whoever leaves in the middle counts as well, marked as not complete, or the slowest streams, which people leave, are missing from the figures.
# And the clock is `perf_counter`: the wall clock is set by others, now and then backwards.

# %%
import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from virtual_time import now, run
from visits import visit


def service() -> FastAPI:
    app = FastAPI()

    @app.get("/stream")
    async def read_stream() -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            await asyncio.sleep(1)
            for _ in range(12):
                yield "word "
                await asyncio.sleep(1)

        return StreamingResponse(tokens())

    return app


class Measured:
    """Notes (first byte, last byte, whether it was the last) of each request; seconds since it came."""

    def __init__(self, app, served: list) -> None:
        self.app, self.served = app, served

    async def __call__(self, scope, receive, send) -> None:
        # `now` is the notebook's clock; yours is time.perf_counter.
        began, first, whole = now(), None, False

        async def send_on(message) -> None:
            nonlocal first, whole
            await send(message)
            if message["type"] == "http.response.body":
                if message.get("body") and first is None:
                    first = now() - began
                whole = not message.get("more_body")

        try:
            await self.app(scope, receive, send_on)
        finally:
            self.served.append((first, now() - began, whole))


served = []
app = Measured(service(), served)
run(visit(app, "/stream"))
run(visit(app, "/stream", leaves_at_s=5))
for name, (first, last, whole) in zip(("stays", "leaves after 5 s"), served, strict=True):
    print(f"{name:17} first byte after {first:g} s, over after {last:g} s, complete: {whole}")
assert served == [(1, 13, True), (1, 5, False)]

# %%
from pictures import bars

assert served[0][:2] == (1, 13)
bars(
    {
        "until there is a response": 0,
        "until the first byte": served[0][0],
        "until the last byte": served[0][1],
    },
    unit="s",
    title="One stream, three moments at which a clock may be stopped",
)

# %% [markdown]
# **Listens for**
#
# - A response exists before its first token.
# - Two numbers, and which one users feel.
# - Readers who leave are counted, and marked.
# - A clock that nobody sets.
#
# **Usual wrong answer.** *"`@app.middleware("http")`, `time.time()` before and after `call_next`."*
# It stops when the stream starts, and may stop before it began.

# %%
import time

usual, noted = service(), []


@usual.middleware("http")
async def take_time(request, call_next):
    began = now()
    response = await call_next(request)
    noted.append(now() - began)
    return response


run(visit(usual, "/stream"))
settable = {name: time.get_clock_info(name).adjustable for name in ("time", "perf_counter")}
print(f"around call_next: {noted[0]:g} s, and the user waited {served[0][1]:g} s")
print("may a time server set it while you measure:", settable)
assert noted == [0] and served[0][1] == 13
assert settable == {"time": True, "perf_counter": False}

# %% [markdown]
# **Then they ask.** *Which percentile do you show, and of what?*
# The median and the 95th of the time to the first token, by model, because that is what people wait for; and tokens a second behind it.
# Averages hide the slow ones, and percentiles of several machines cannot be averaged: histograms are added first.
#
# **Your turn.** Write what a stream's messages say.
# Each is (seconds since the request came, bytes, whether more is to come).


# %%
def times_of(messages: list[tuple[float, int, bool]]) -> list[float | None]:
    """Return [seconds to the first byte, seconds to the end]; None for what never came."""
    ...


# %%
from verdicts import check

check(
    times_of,
    [
        (([(1.0, 5, True), (2.0, 5, True), (3.0, 0, False)],), [1.0, 3.0]),
        (([(0.1, 0, True), (1.0, 5, True), (2.0, 5, False)],), [1.0, 2.0]),
        (([(1.0, 5, True), (2.0, 5, True)],), [1.0, None]),
        (([(0.5, 0, False)],), [None, 0.5]),
        (([],), [None, None]),
    ],
    because=(
        "The first message with bytes in it, "
        "and the one behind which nothing comes; a stream that broke off has no end."
    ),
)

# %% [markdown]
# ## A fixed window, a moving window, a token bucket: what does each let through?
#
# `production-04` · mid
#
# *Think first.* Ten requests a minute.
# How many does a greedy caller get through within the worst sixty seconds, with each of the three?

# %% [markdown]
# **Spoken answer.** A fixed window counts from each full minute: ten at its end and ten at the start of the next are twenty in a second.
# A moving window looks back from now and lets ten through in any sixty seconds; it has to keep a time for each request.
# A token bucket refills steadily and may be full, so within a minute it lets the burst and the refill through, up to twenty, but never twenty at once.
# I take the moving window for what was promised to a customer, the bucket to protect a machine, where a short burst is fine.
# And each is told in its own words: `Retry-After` is when the next request would pass, not always a minute.

# %%
from collections.abc import Callable

from pictures import crowds

LIMIT, WINDOW_S = 10, 60.0


def fixed() -> Callable[[float], bool]:
    counts: dict[int, int] = {}

    def allowed(at: float) -> bool:
        minute = int(at // WINDOW_S)
        counts[minute] = counts.get(minute, 0) + 1
        return counts[minute] <= LIMIT

    return allowed


def moving() -> Callable[[float], bool]:
    passed: list[float] = []

    def allowed(at: float) -> bool:
        passed[:] = [one for one in passed if one > at - WINDOW_S]
        if len(passed) < LIMIT:
            passed.append(at)
            return True
        return False

    return allowed


def bucket() -> Callable[[float], bool]:
    tokens, since = float(LIMIT), 0.0

    def allowed(at: float) -> bool:
        nonlocal tokens, since
        tokens, since = min(LIMIT, tokens + (at - since) * LIMIT / WINDOW_S), at
        if tokens >= 1:
            tokens -= 1
            return True
        return False

    return allowed


def most_within(times: list[float], seconds: float) -> int:
    return max(sum(start <= one < start + seconds for one in times) for start in times)


# %%
tries = [59 + 0.1 * n for n in range(1_500)]  # from second 59 on, ten a second
passed = {}
for name, limiter in {
    "fixed window": fixed(),
    "moving window": moving(),
    "token bucket": bucket(),
}.items():
    passed[name] = [at for at in tries if limiter(at)]
    in_60_s, in_2_s = most_within(passed[name], 60), most_within(passed[name], 2)
    print(f"{name:14} at most {in_60_s} in 60 s, at most {in_2_s} in 2 s")
assert most_within(passed["fixed window"], 2) == 20, "around the full minute"
assert most_within(passed["moving window"], 60) == LIMIT
assert 18 <= most_within(passed["token bucket"], 60) <= 20
assert most_within(passed["token bucket"], 2) == LIMIT

# %%
assert list(passed) == ["fixed window", "moving window", "token bucket"]
crowds(
    passed,
    until_s=210,
    step_s=2,
    title="A greedy caller with ten requests a minute: what gets through",
)

# %% [markdown]
# **Listens for**
#
# - Twice the limit around the full minute.
# - What each has to keep: one number, a time for each request, two numbers.
# - Looking and counting are one step.
# - What `Retry-After` says.
#
# **Usual wrong answer.** *"I read the counter from Redis, compare, and then increment it."*
# Between the look and the entry everybody else looks too.

# %%
import asyncio

from virtual_time import run

counter = {"count": 0}


async def look_then_count() -> bool:
    count = counter["count"]
    await asyncio.sleep(0.001)  # the way to Redis and back
    if count >= LIMIT:
        return False
    counter["count"] += 1
    return True


async def in_one_step() -> bool:
    await asyncio.sleep(0.001)
    counter["count"] += 1  # INCR, or a script, returns what it has become
    return counter["count"] <= LIMIT


async def at_once(limiter) -> int:
    counter["count"] = 0
    return sum(await asyncio.gather(*(limiter() for _ in range(200))))


through = {limiter.__name__: run(at_once(limiter)) for limiter in (look_then_count, in_one_step)}
print("200 at once, a limit of ten:", through)
assert through == {"look_then_count": 200, "in_one_step": LIMIT}

# %% [markdown]
# **Then they ask.** *A request costs between ten and a hundred thousand tokens. What does a limit on requests protect?*
# The machine, hardly the purse: for that a limit counts tokens or dollars.
# The price is known at the end only, so I reserve the most it can cost before, and settle afterwards.
#
# **Your turn.** Write how long a refused caller has to wait, with a moving window.
# `passed` are the seconds at which requests got through.


# %%
def retry_after_s(passed: list[float], now_s: float, limit: int, window_s: float) -> float:
    """Return the seconds until one more is allowed; 0.0 if it is now."""
    ...


# %%
from verdicts import check

check(
    retry_after_s,
    [
        (([0.0, 10.0], 20.0, 2, 60.0), 40.0),
        (([0.0, 10.0], 20.0, 3, 60.0), 0.0),
        (([0.0, 10.0, 15.0], 65.0, 2, 60.0), 5.0),
        (([0.0, 1.0, 2.0], 61.0, 2, 60.0), 0.0),
        (([], 5.0, 1, 60.0), 0.0),
    ],
    because=(
        "Those older than the window no longer count; "
        "of the rest, the limit-th from the end has to grow old."
    ),
)

# %% [markdown]
# ## Ten requests a minute, four workers, and Redis is frozen. How many get through, and which way do you fail?
#
# `production-05` · senior
#
# *Think first.* Redis takes the connection and says nothing.
# One caller sends a hundred requests in a minute: how many pass if you fail open, closed, or count in each worker, and how long does each wait?

# %% [markdown]
# **Spoken answer.** Open, all hundred pass, and one key can spend our money while nobody counts; closed, none does, and Redis has taken the service with it.
# I count in each process meanwhile, by the same limit: at most forty, which is wrong by a known factor for the minutes of an outage.
# The worse fault is the waiting: a frozen server raises nothing, so I give it a deadline, and after one failure nobody asks it for some seconds, but one who looks whether it is back.
# One line goes to the log and a counter goes up, not one for each request.
# Where each request is expensive or a matter of safety, I fail closed, and say so.

# %%
import asyncio

from virtual_time import now, run

LIMIT, WORKERS = 10, 4


async def frozen_redis() -> bool:
    await asyncio.sleep(3_600)  # it has taken the connection; no error, no answer
    return True


class Worker:
    """A process with a limiter; it has a patience of one second, and rests for five after a failure."""

    def __init__(self, fails: str, rest_s: float = 5.0) -> None:
        self.fails, self.rest_s = fails, rest_s
        self.ask_at, self.counted, self.logged = 0.0, 0, 0

    async def allowed(self) -> bool:
        if now() >= self.ask_at:
            self.ask_at = now() + self.rest_s  # one asks, and the others do not wait with it
            try:
                async with asyncio.timeout(1):
                    return await frozen_redis()
            except TimeoutError:
                self.logged += self.logged == 0
                self.ask_at = now() + self.rest_s
        if self.fails == "each counts":
            self.counted += 1
            return self.counted <= LIMIT
        return self.fails == "open"


async def one_minute(workers: list[Worker]) -> tuple[int, float, int]:
    """Of a hundred requests: how many pass, how long all of them wait, how many lines are logged."""
    passed, waited = 0, 0.0

    async def request(n: int) -> None:
        nonlocal passed, waited
        await asyncio.sleep(n * 0.5)
        came = now()
        allowed = await workers[n % WORKERS].allowed()
        passed, waited = passed + allowed, waited + now() - came

    await asyncio.gather(*(request(n) for n in range(100)))
    return passed, round(waited, 3), sum(worker.logged for worker in workers)


seen = {
    fails: run(one_minute([Worker(fails) for _ in range(WORKERS)]))
    for fails in ("open", "closed", "each counts")
}
for fails, (passed, waited, lines) in seen.items():
    print(
        f"{fails:12} {passed:3} of 100 pass, waiting in all {waited:g} s, lines in the log: {lines}"
    )
assert [passed for passed, _, _ in seen.values()] == [100, 0, WORKERS * LIMIT]
assert all(waited < 50 and lines == WORKERS for _, waited, lines in seen.values())

# %%
from pictures import bars

assert seen["each counts"][0] == 40
bars(
    {
        "Redis answers": LIMIT,
        **{f"frozen: {fails}": passed for fails, (passed, _, _) in seen.items()},
    },
    unit="of 100",
    title="One caller with ten requests a minute, four workers: how many get through",
)

# %% [markdown]
# **Listens for**
#
# - All three ways with their price, and who decides.
# - Frozen is not refused: a deadline.
# - A rest after a failure, and how it ends.
# - How one learns of it.
#
# **Usual wrong answer.** *"`except RedisError: return True`, so that the service goes on."*
# Nothing is raised, so nothing goes on.


# %%
async def as_usual() -> bool:
    try:
        return await frozen_redis()
    except ConnectionError:
        return True


async def after_a_minute(limiter) -> tuple[int, int]:
    """Of a hundred requests at once: how many have an answer, and how many still wait."""
    waiting = [asyncio.create_task(limiter()) for _ in range(100)]
    await asyncio.sleep(60)
    done = sum(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    return done, len(waiting) - done


done, still = run(after_a_minute(as_usual))
again, waited, _ = run(one_minute([Worker("each counts", rest_s=0) for _ in range(WORKERS)]))
print(f"without a deadline: after a minute {done} of 100 have an answer, {still} wait")
print(
    f"with a deadline and no rest: the hundred wait {waited:g} s in all, not {seen['each counts'][1]:g} s"
)
assert (done, still) == (0, 100)
assert waited > 2 * seen["each counts"][1]

# %% [markdown]
# **Then they ask.** *Why not count in each worker always, by a quarter of the limit?*
# The load is not spread evenly: a caller with one kept-alive connection meets one worker and gets a quarter of what was promised.
# And with autoscaling nobody knows what a quarter is.
#
# **Your turn.** Write how many of a caller's requests get through in a minute without Redis, if the workers take turns.


# %%
def let_through(fails: str, sent: int, limit: int, workers: int) -> int:
    """Return the number; `fails` is "open", "closed" or "each counts"."""
    ...


# %%
from verdicts import check

check(
    let_through,
    [
        (("open", 100, 10, 4), 100),
        (("closed", 100, 10, 4), 0),
        (("each counts", 100, 10, 4), 40),
        (("each counts", 30, 10, 4), 30),
        (("each counts", 100, 10, 1), 10),
        (("each counts", 6, 1, 4), 4),
    ],
    because="Each worker allows the limit once, and nobody gets more through than was sent.",
)

# %% [markdown]
# ## Which labels does your latency histogram have, and what does a scanner do to it?
#
# `production-06` · senior
#
# *Think first.* Somebody tries two hundred URLs that do not exist.
# How many new lines has your `/metrics` afterwards, and which 95th percentile does it show for answers that take 45 seconds?

# %% [markdown]
# **Spoken answer.** The method, the route as it is declared, and the status: values of which there are few and which I choose.
# Each combination is a series for ever, with a line for each bucket, so a label that callers can make up, a path, a user, a model's name as it was sent, lets them fill my memory.
# What no route took is one value, `other`; who used what is a question for the usage table.
# The buckets have to reach as far as models are slow: the default ends at ten seconds, and above it a percentile is only a guess at ten.

# %%
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Histogram, generate_latest

REACHING = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


def service(label_of) -> tuple[FastAPI, CollectorRegistry]:
    registry, app = CollectorRegistry(), FastAPI()
    seconds = Histogram("seconds", "to the end", ["route"], buckets=REACHING, registry=registry)

    @app.get("/items/{n}")
    async def read_item(n: int) -> int:
        return n

    @app.middleware("http")
    async def count(request, call_next):
        response = await call_next(request)
        seconds.labels(label_of(request)).observe(0.02)
        return response

    return app, registry


def by_route(request) -> str:
    return getattr(request.scope.get("route"), "path", "other")


def lines_after_a_scan(label_of) -> int:
    app, registry = service(label_of)
    client = TestClient(app)
    for n in range(20):
        client.get(f"/items/{n}")
    for n in range(200):
        client.get(f"/wp-admin/{n}.php")
    return len(
        [line for line in generate_latest(registry).splitlines() if line.startswith(b"seconds_")]
    )


few = lines_after_a_scan(by_route)
print(f"by route: {few} lines in a scrape, after 20 requests for items and 200 of a scanner")
per_series = len(REACHING) + 1 + 3  # a bucket up to infinity; a count, a sum, when it began
assert few == 2 * per_series

# %% [markdown]
# **Listens for**
#
# - Few values, and chosen by us.
# - What one series costs, and that it never goes away.
# - Buckets that reach as far as the slowest answer that matters.
# - Several processes behind one scrape.
#
# **Usual wrong answer.** *"The path and the user, so that I can see who is slow; and the p95 is on the standard dashboard."*
# The first is a leak of memory, the second ends at ten seconds.

# %%
many = lines_after_a_scan(lambda request: request.url.path)


def quantile(share: float, values: list[float], buckets: tuple[float, ...]) -> float:
    """As Prometheus has it: a straight line within a bucket; above the last bound, that bound."""
    rank, below, bound = share * len(values), 0, 0.0
    for upper in buckets:
        up_to = sum(value <= upper for value in values)
        if up_to >= rank:
            return bound + (upper - bound) * (rank - below) / (up_to - below)
        below, bound = up_to, upper
    return bound


answers = [2.0] * 90 + [45.0] * 10
by_default = Histogram.DEFAULT_BUCKETS[:-1]  # up to 10 s; behind it infinity
shown = {
    name: quantile(0.95, answers, buckets)
    for name, buckets in {"default buckets": by_default, "buckets that reach": REACHING}.items()
}
print(f"by path: {many:,} lines in a scrape")
print("95th percentile of 90 answers in 2 s and 10 in 45 s:", shown)
assert many == (20 + 200) * per_series and many > 100 * few
assert shown["default buckets"] == 10 and 30 <= shown["buckets that reach"] <= 60

# %% [markdown]
# **Then they ask.** *Four workers, one `/metrics`. What does a scrape see?*
# One of the four, another each time, so counters seem to jump back.
# Either each process is scraped by itself, as in one container for each, or the library gathers them through files, with `PROMETHEUS_MULTIPROC_DIR`.
#
# **Your turn.** Write how many lines a histogram adds to a scrape once every combination of its labels has been seen.


# %%
def lines_of(values_per_label: list[int], bounds: int) -> int:
    """Return the number; each combination has a line for each bound, one for infinity, a sum, a count."""
    ...


# %%
from verdicts import check

check(
    lines_of,
    [
        (([], 12), 15),
        (([6], 12), 90),
        (([6, 20, 10], 12), 18_000),
        (([6, 20, 10, 5_000], 12), 90_000_000),
    ],
    because="Labels multiply: one with n values makes n times as many series of what was there.",
)

# %% [markdown]
# ## The provider is down for a minute. Draw what your breaker does then, and in the second after.
#
# `production-07` · senior
#
# *Think first.* Ten requests a second, and each fails after five.
# How many calls does the provider get while it is down: without a breaker, with one, and with one that lets everybody try at once?

# %% [markdown]
# **Spoken answer.** After five failures in a row it opens: from then on a request is refused at once, with the time to wait, or goes to the next provider.
# Until then some fifty were sent, because failures come late; that is what timeouts and a bound on open calls are for.
# When the wait is over, exactly one call tries, and the others are still refused: if all tried, a provider that has just got up would be knocked down again.
# That one succeeds and everybody is let through; it fails and the wait begins anew, or it is cancelled, and the next one tries.
# The price is that we notice the recovery late, by as much as the wait.

# %%
import asyncio

from pictures import crowds
from virtual_time import now, run

DOWN_S, FAILS_AFTER_S, ANSWERS_AFTER_S = 60, 5, 1


class Refused(Exception):
    """There is no answer."""


class Breaker:
    """Opens after five failures in a row, for thirty seconds; then one tries, or everybody."""

    def __init__(self, everybody_tries: bool = False) -> None:
        self.failed, self.open_until, self.trying = 0, None, False
        self.everybody_tries = everybody_tries

    async def call(self, work) -> None:
        tries = self.open_until is not None
        if tries and (now() < self.open_until or self.trying):
            raise Refused
        self.trying = tries and not self.everybody_tries
        try:
            await work()
        except Refused:
            self.failed += 1
            if tries or (self.open_until is None and self.failed >= 5):
                self.open_until = now() + 30
            raise
        finally:  # a call that is cancelled makes room as well
            if tries:
                self.trying = False
        self.failed, self.open_until = 0, None


class NoBreaker:
    async def call(self, work) -> None:
        await work()


async def two_minutes(breaker) -> tuple[list[float], float, float]:
    """When the provider was called, how long the refused waited, when answers came again."""
    calls, waits, answered = [], [], []

    async def provider() -> None:
        calls.append(now())
        if now() < DOWN_S:
            await asyncio.sleep(FAILS_AFTER_S)
            raise Refused
        await asyncio.sleep(ANSWERS_AFTER_S)

    async def request(n: int) -> None:
        await asyncio.sleep(n / 10)
        came = now()
        try:
            await breaker.call(provider)
            answered.append(now())
        except Refused:
            waits.append(now() - came)

    await asyncio.gather(*(request(n) for n in range(1_200)))
    return calls, sum(waits) / len(waits), min(answered)


# %%
ways = {
    "no breaker": NoBreaker(),
    "everybody tries": Breaker(everybody_tries=True),
    "one tries": Breaker(),
}
seen = {name: run(two_minutes(breaker)) for name, breaker in ways.items()}
in_vain = {name: sum(at < DOWN_S for at in calls) for name, (calls, _, _) in seen.items()}
for name, (_, waited, back) in seen.items():
    print(
        f"{name:16} {in_vain[name]:3} calls in vain,",
        f"a refused user waits {waited:.1f} s, answers again at {back:.0f} s",
    )
assert in_vain["no breaker"] == 10 * DOWN_S
assert in_vain["one tries"] < 60 and in_vain["everybody tries"] > 1.5 * in_vain["one tries"]
assert seen["one tries"][1] < 0.5 and seen["one tries"][2] > DOWN_S + ANSWERS_AFTER_S

# %%
assert len(seen["no breaker"][0]) == 1_200
crowds(
    {name: calls for name, (calls, _, _) in seen.items()},
    until_s=120,
    step_s=1,
    title="Calls to a provider that is down for the first minute",
)

# %% [markdown]
# **Listens for**
#
# - Three states, and what ends each.
# - Exactly one tries, and what if that one is cancelled.
# - What counts: not a 400, and not a bug of ours.
# - The price: what was sent before it opened, and noticing late.
#
# **Usual wrong answer.** *"After thirty seconds I set the counter to zero and let the traffic through."*
# Then it takes as many failures again to open, and all of them come at once.


# %%
class CountsAnew(Breaker):
    async def call(self, work) -> None:
        if self.open_until is not None and now() >= self.open_until:
            self.failed, self.open_until = 0, None
        await super().call(work)


calls, _, _ = run(two_minutes(CountsAnew()))
at_once = sum(35 <= at < 41 for at in calls)
one = sum(35 <= at < 41 for at in seen["one tries"][0])
print(
    f"when the first wait is over, in six seconds: {at_once} calls in vain; where one tries: {one}"
)
assert one == 1 and at_once > 40

# %% [markdown]
# **Then they ask.** *Who is asked instead, and what changes for the caller?*
# The next provider, once, and only if the failure has to do with the provider: a 400 would be a 400 there too.
# Its answers differ, its price as well, and so do its tokens; the answer says which model wrote it, and what was promised about a customer's data must hold for both.
#
# **Your turn.** Write the state of a breaker after what has happened.
# "ok" and "fail" are calls that ended, "wait" says that the wait is over.


# %%
def state_after(events: list[str], failures: int) -> str:
    """Return "closed", "open" or "one may try"; it opens after `failures` in a row."""
    ...


# %%
from verdicts import check

check(
    state_after,
    [
        ((["fail", "fail"], 3), "closed"),
        ((["fail", "fail", "ok", "fail"], 3), "closed"),
        ((["fail", "fail", "fail"], 3), "open"),
        ((["fail", "fail", "fail", "wait"], 3), "one may try"),
        ((["fail", "fail", "fail", "wait", "fail"], 3), "open"),
        ((["fail", "fail", "fail", "wait", "ok", "fail", "fail"], 3), "closed"),
    ],
    because=(
        "An answer starts the count again; "
        "whoever tries and fails opens it at once, without counting to three."
    ),
)

# %% [markdown]
# ## When may two requests get the same answer from a cache, and when may they never?
#
# `production-08` · senior
#
# *Think first.* Fifty users of one customer open the same report at nine, and nothing is in the cache.
# How many calls does the provider get, and what happens to forty-nine of them when the first closes its tab?

# %% [markdown]
# **Spoken answer.** When the same caller sends the same body, and the model would say the same again: temperature zero, no stream, nothing that depends on the time or on tools.
# Never across tenants, even with equal words, because what one may read is in the answer, and because the time it takes tells that somebody has asked before.
# The key is a hash over caller and body as JSON with sorted fields, all of the body, known parameters or not.
# Errors are not kept, answers end after a while, and their number is bounded.
# Those who ask at the same moment share one call, which belongs to none of them: whoever leaves must not take it along.

# %%
import asyncio
import hashlib
import json

import httpx2 as httpx
from virtual_time import run

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
BODY = {
    "model": "mock-large",
    "temperature": 0,
    "messages": [{"role": "user", "content": "The report, please."}],
}


async def ask(body: dict) -> dict:
    async with httpx.AsyncClient(headers=KEY, timeout=60) as client:
        return (await client.post(URL, json=body)).raise_for_status().json()


class Cache:
    def __init__(self, shared_flight: bool = True) -> None:
        self.kept: dict[str, str] = {}
        self.flights: dict[str, asyncio.Task] = {}
        self.shared_flight = shared_flight

    def key(self, caller: str, body: dict) -> str:
        return hashlib.sha256(json.dumps([caller, body], sort_keys=True).encode()).hexdigest()

    async def answer(self, caller: str, body: dict) -> dict:
        if body.get("temperature") != 0 or body.get("stream"):
            return await ask(body)
        key = self.key(caller, body)
        if key not in self.kept:
            if not self.shared_flight:
                self.kept[key] = json.dumps(await ask(body))
            else:
                if key not in self.flights:
                    self.flights[key] = asyncio.create_task(self.fetch(key, body))
                await asyncio.shield(self.flights[key])
        return json.loads(self.kept[key])  # a copy: whoever changes it changes nobody else's

    async def fetch(self, key: str, body: dict) -> None:
        try:
            self.kept[key] = json.dumps(await ask(body))
        finally:
            del self.flights[key]


# %%
async def in_turn(cache: Cache, requests: list[tuple[str, dict]]) -> None:
    for caller, body in requests:
        await cache.answer(caller, body)


async def nine_o_clock(cache: Cache) -> int:
    """Fifty at once, and the first leaves after a second: how many get an answer."""
    users = [asyncio.create_task(cache.answer("acme", BODY)) for _ in range(50)]
    await asyncio.sleep(1)
    users[0].cancel()
    results = await asyncio.gather(*users, return_exceptions=True)
    return sum(isinstance(result, dict) for result in results)


def calls(work) -> tuple[int, int | None]:
    with MockLLM() as llm, routed(llm):
        llm.default.slow(first_token_s=5)
        got = run(work)
        return len(llm.requests), got


other_order = dict(reversed(BODY.items()))
same, _ = calls(in_turn(Cache(), [("acme", BODY), ("acme", other_order)]))
others, _ = calls(in_turn(Cache(), [("acme", BODY), ("globex", BODY)]))
warm, _ = calls(in_turn(Cache(), [("acme", {**BODY, "temperature": 0.7})] * 2))
paid, answered = calls(nine_o_clock(Cache()))
print(f"calls: the same twice {same}, two customers {others}, temperature 0.7 twice {warm}")
print(f"fifty at once, and the first leaves: {paid} call, {answered} answers")
assert (same, others, warm) == (1, 2, 2)
assert (paid, answered) == (1, 49)

# %% [markdown]
# **Listens for**
#
# - The caller is part of the key, and why: rights, and times.
# - All of the body, in one order.
# - What is never kept: streams, warm answers, errors.
# - One call for many, and whose it is.
#
# **Usual wrong answer.** *"`@lru_cache` on the function that asks, or a dict by the prompt."*
# Equal is not the same, others' answers come along, and at nine o'clock it does not help.

# %%
from functools import lru_cache

made: list[str] = []


@lru_cache
def ask_for(prompt: str, option: object) -> dict:
    made.append(prompt)
    return {"text": f"with {option!r}"}


first, second = ask_for("The report, please.", 1), ask_for("The report, please.", True)
first["text"] = "changed by somebody"
stampede, _ = calls(nine_o_clock(Cache(shared_flight=False)))
print("with 1 and with True:", len(made), "call, because they are equal")
print("the next one gets:", ask_for("The report, please.", 1)["text"])
print(f"a cache alone, at nine o'clock: {stampede} calls")
assert len(made) == 1 and second["text"] == "changed by somebody"
assert stampede == 50

# %% [markdown]
# **Then they ask.** *And a cache that finds questions that mean nearly the same?*
# It answers a question that nobody asked: "with" and "without" are near each other.
# I use it for suggestions, or where a wrong hit costs nothing, with a high floor, within one tenant; and I measure the wrong hits, which no latency shows.
#
# **Your turn.** Write whether the second request may get the answer of the first.
# Each is a caller and a body.


# %%
def may_share(first: tuple[str, dict], second: tuple[str, dict]) -> bool:
    """Return whether the stored answer of `first` may be given to `second`."""
    ...


# %%
from verdicts import check

COLD = {"model": "m", "temperature": 0, "n": 1}
check(
    may_share,
    [
        ((("a", COLD), ("a", {"n": 1, "temperature": 0, "model": "m"})), True),
        ((("a", COLD), ("b", COLD)), False),
        ((("a", COLD), ("a", {**COLD, "n": True})), False),
        ((("a", COLD), ("a", {**COLD, "top_p": 0.5})), False),
        ((("a", {**COLD, "temperature": 0.7}), ("a", {**COLD, "temperature": 0.7})), False),
        ((("a", {**COLD, "stream": True}), ("a", {**COLD, "stream": True})), False),
    ],
    because=(
        "The same caller, and bodies that are the same JSON, in which true is not 1; "
        "cold, and no stream."
    ),
)

# %% [markdown]
# ## What may wake you at three in the morning?
#
# `production-09` · staff
#
# *Think first.* The promise is 99.5 percent in thirty days.
# A blip of two minutes at night, four percent of errors for a whole day, and an outage: which of them does "more than five percent of errors in a minute" report?

# %% [markdown]
# **Spoken answer.** What spends the error budget so fast that it cannot wait until morning, and that somebody can do something about.
# So I alarm on how fast the budget burns, over two windows: a long one, so that a blip wakes nobody, and a short one, so that it stops when it is over.
# Fourteen times too fast over an hour wakes me, six times over six hours as well, once over three days is a ticket.
# What is bad is defined where users feel it: a stream that broke off and a first token after ten seconds count, whatever the status was.
# Causes, a full queue, an open breaker, a provider's 429, belong on the dashboard that I open then.

# %%
from dataclasses import dataclass

PROMISED, MINUTES = 0.995, 24 * 60
BUDGET = (1 - PROMISED) * 30  # of a month of steady traffic, in days' worth of requests


@dataclass(frozen=True)
class Day:
    requests: list[int]  # in each minute
    bad: list[int]


def day(bad_share, requests: int = 100) -> Day:
    return Day(
        [requests] * MINUTES, [round(requests * bad_share(minute)) for minute in range(MINUTES)]
    )


DAYS = {
    "blip at night": day(lambda minute: 0.3 if 180 <= minute < 182 else 0),
    "slow leak": day(lambda minute: 0.04),
    "outage at noon": day(lambda minute: 1.0 if minute >= 720 else 0),
}


def share(one: Day, end: int, minutes: int) -> float:
    """How much of the requests was bad in the minutes before `end`."""
    window = slice(max(0, end - minutes), end)
    return sum(one.bad[window]) / (one.requests[0] * minutes)


def by_threshold(one: Day, end: int) -> bool:
    return share(one, end, 1) > 0.05


def by_burn(one: Day, end: int) -> bool:
    def burns(times: float, long: int, short: int) -> bool:
        return min(share(one, end, long), share(one, end, short)) >= times * (1 - PROMISED)

    return burns(14.4, 60, 5) or burns(6, 360, 30)


def woken(one: Day, alarm) -> int | None:
    """The minute of the day in which it rings first."""
    return next((minute for minute in range(1, MINUTES + 1) if alarm(one, minute)), None)


# %%
seen = {name: (woken(one, by_threshold), woken(one, by_burn)) for name, one in DAYS.items()}
spent = {name: sum(one.bad) / one.requests[0] / MINUTES / BUDGET for name, one in DAYS.items()}


def said(minute: int | None) -> str:
    return "never" if minute is None else f"{minute // 60:02}:{minute % 60:02}"


for name, (threshold, burn) in seen.items():
    print(
        f"{name:15} spends {spent[name]:6.1%} of the month;",
        f"over 5 % rings {said(threshold)}, burn rate {said(burn)}",
    )
assert seen["blip at night"] == (181, None) and spent["blip at night"] < 0.01
assert seen["slow leak"][0] is None and seen["slow leak"][1] <= 300 and spent["slow leak"] > 0.2
assert 720 < seen["outage at noon"][1] <= 726

# %% [markdown]
# **Listens for**
#
# - A promise and its budget first, the alarm from it.
# - Two windows, and what each is for.
# - What counts as bad, for streams in particular.
# - Symptoms wake, causes explain.
#
# **Usual wrong answer.** *"Alarms on CPU, memory and five percent of 5xx."*
# The machine is idle while it waits for a model, and the errors of streams are 200s.

# %%
import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from virtual_time import run
from visits import Visit, visit

app = FastAPI()


@app.get("/answers/{n}")
async def read_answer(n: int) -> StreamingResponse:
    async def tokens() -> AsyncIterator[str]:
        for word in range(10):
            if n % 4 == 0 and word == 5:
                raise ConnectionError("the model broke off")
            await asyncio.sleep(15 if n % 4 == 1 and word == 0 else 0.1)
            yield "word "

    return StreamingResponse(tokens())


async def hundred() -> list[Visit]:
    return await asyncio.gather(*(visit(app, f"/answers/{n}") for n in range(100)))


visits = run(hundred())
by_status = sum(one.status >= 500 for one in visits)
felt = sum(not one.whole or one.pieces[0][0] > 10 for one in visits)
print(
    f"of 100 streams: {by_status} bad by status, {felt} broken off or with a first token after 10 s"
)
assert (by_status, felt) == (0, 50)

# %% [markdown]
# **Then they ask.** *The provider is down, you can do nothing, and the budget burns. Does it wake you?*
# Only if there is something to do: switch to another provider, or say it on the status page, and both should happen by themselves.
# The budget burns all the same, since users do not care whose fault it is; that is the argument for the second provider.
#
# **Your turn.** Write how long a month's budget lasts.


# %%
def hours_left(bad_share: float, promised: float, days: int) -> float:
    """Return the hours until the budget of so many days is spent, if that share stays bad; inf if none is."""
    ...


# %%
from verdicts import check

check(
    hours_left,
    [
        ((1.0, 0.995, 30), 3.6),
        ((0.04, 0.995, 30), 90.0),
        ((0.005, 0.995, 30), 720.0),
        ((0.5, 0.999, 30), 1.44),
        ((0.0, 0.995, 30), float("inf")),
    ],
    because=(
        "The budget is the share that may be bad, over all hours; "
        "burning n times as fast, it lasts an n-th of them."
    ),
)
