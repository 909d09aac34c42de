# %% [markdown]
# # 01 basics: the shape of a service
#
# Eight questions about routes, threads, dependencies and what lives as long as the process.
# Each stands alone: run the cell below, then go to any of them.
# The lesson behind them is `lessons/01_basics`.

# %%
import httpx2 as httpx  # the maintained continuation of httpx: the same API
from fastapi import FastAPI
from fastapi.testclient import TestClient

# %% [markdown]
# ## Why FastAPI for ML APIs?
#
# `basics-01` · mid · on every list
#
# *Think first.* A model call takes 500 ms, and a hundred users ask again as soon as they are answered.
# How many requests a second can one process finish at best, and which part of a request is the framework?

# %% [markdown]
# **Spoken answer.** Calling a model is mostly waiting, so I want one thread that waits for many calls: ASGI and `await`.
# FastAPI adds what an LLM API needs at its edge: one annotation refuses a bad payload, names the field and is the documentation; dependencies lend clients and check keys; server-sent events come with it.
# I would not say that it is fast, because the model takes half a second and the framework a millisecond.
# And it is not alone: Django's async views carry the same load, and so does Flask with enough threads.
# It is the convenient default, and what I do inside a route matters more than the choice.

# %%
from collections.abc import AsyncIterator

from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, Field

app = FastAPI()


class ChatRequest(BaseModel):
    prompt: str
    max_tokens: int = Field(default=256, ge=1, le=4_096)


@app.post("/chat", response_class=EventSourceResponse)
async def create_chat(body: ChatRequest) -> AsyncIterator[str]:
    for token in ("All", " is", " well"):
        yield token


caller = TestClient(app)
error = caller.post("/chat", json={"prompt": "Hello", "max_tokens": 9_000}).json()["detail"][0]
described = app.openapi()
bound = described["components"]["schemas"]["ChatRequest"]["properties"]["max_tokens"]["maximum"]
media = list(described["paths"]["/chat"]["post"]["responses"]["200"]["content"])
events = caller.post("/chat", json={"prompt": "Hello"}).text.count("data:")

print(f"refused     {'.'.join(error['loc'])}: {error['msg']}")
print(f"documented  max_tokens up to {bound:g}, answers {media[0]}")
print(f"streamed    {events} events, and no line of the route says how")
assert error["loc"] == ["body", "max_tokens"]
assert (bound, media, events) == (4_096, ["text/event-stream"], 3)

# %%
import json
from pathlib import Path

from pictures import bars

# Measured once, on one machine: benchmarks/async_vs_sync.py. One process, one model call of 500 ms, 100 users.
measured = json.loads(Path("../benchmarks/results/async_vs_sync.json").read_text(encoding="utf-8"))
at_100 = {
    case["id"]: run for case in measured["cases"] for run in case["runs"] if run["users"] == 100
}
carried = {name: run["requests_per_s"] for name, run in at_100.items()}
possible = 100 / (measured["upstream_ms"] / 1_000)

assert carried["fastapi-httpx2"] > 0.9 * possible, "one loop waits for all hundred"
assert carried["django-async"] > 0.9 * possible, "so does another framework's loop"
assert carried["flask-100"] > 0.9 * possible, "and so do a hundred threads"
assert carried["flask-2"] < 0.05 * possible, "two threads wait for two"
bars(
    {
        "FastAPI, async def, one client": carried["fastapi-httpx2"],
        "Django, async view": carried["django-async"],
        "Flask, 100 threads": carried["flask-100"],
        "FastAPI, def: 40 threads": carried["fastapi-def"],
        "Flask, 2 threads": carried["flask-2"],
        "FastAPI, a call that blocks": carried["fastapi-blocking"],
    },
    unit="/s",
    title=f"Requests a second with 100 users, where {possible:g} are possible",
)

# %% [markdown]
# **Listens for**
#
# - Waiting is the work, so the question is how many calls one process can wait for.
# - What the annotations give at the edge: refusal, documentation, types inside.
# - It is not the only one: Django, Litestar, Quart and plain threads are named without being asked.
#
# **Usual wrong answer.** *"Because it is faster than Flask and Django."*
# The framework is a few thousandths of the request, and one wrong line inside a route costs more than all of them together.

# %%
blocking, threads = carried["fastapi-blocking"], carried["flask-100"]
share = max(
    at_100[name]["cpu_ms_per_request"] / measured["upstream_ms"]
    for name in ("fastapi-httpx2", "flask-100")
)

print(f"FastAPI, a blocking client inside async def: {blocking:.0f} requests a second")
print(
    f"Flask, a hundred threads, the same model:    {threads:.0f}, which is {threads / blocking:.0f} times as many"
)
print(f"our own CPU is at most {share:.1%} of a request; the rest is waiting")
assert threads > 50 * blocking
assert share < 0.01

# %% [markdown]
# **Then they ask.** *And when would you not take it?*
# When the product is a Django product: its async views, or Django Ninja, save a second service.
# And when the model runs on my own GPU, I put a model server such as vLLM behind it: batching on a GPU is not a web framework's work.
#
# **Your turn.** Write how many requests a second `users` can get done, if each asks again as soon as it is answered and `at_once` calls can be open.
# The check holds your formula against what was measured.


# %%
def requests_per_s(users: int, wait_s: float, at_once: int) -> float:
    """Return the requests a second; one call takes `wait_s` seconds, and nothing else takes time."""
    ...


# %%
from verdicts import check

wait_s = measured["upstream_ms"] / 1_000
ten_users = next(case for case in measured["cases"] if case["id"] == "fastapi-def")["runs"][1]
check(
    requests_per_s,
    [
        ((100, wait_s, 2), carried["flask-2"]),
        ((100, wait_s, 40), carried["fastapi-def"]),
        ((100, wait_s, 100), carried["flask-100"]),
        ((ten_users["users"], wait_s, 40), ten_users["requests_per_s"]),
    ],
    within=0.1,
    because=(
        "What limits: the users who ask, or the calls that may be open? "
        "The smaller of the two, divided by the wait."
    ),
)

# %% [markdown]
# ## Explain dependency injection in FastAPI.
#
# `basics-02` · mid · on every list
#
# *Think first.* Three functions of one request need a database connection, and the third raises.
# How often is a connection opened, and who closes it?

# %% [markdown]
# **Spoken answer.** A route names in its signature what it needs, and FastAPI fetches that first: it walks a tree of plain functions and calls each once per request, even when three others need it.
# With `yield` a dependency lends, and its `finally` takes back, after an error too.
# I use it to borrow what the lifespan opened, to put a check before a whole router so that no route forgets it, and to put a fake in its place in a test.
# It is no container: nothing is a singleton, so a client that is built in a dependency is built for every request.
# And what is lent to a stream comes back after the last byte, unless I ask for `scope="function"`.

# %%
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends

log: list[str] = []


async def borrow() -> AsyncIterator[str]:
    log.append("lent")
    try:
        yield "a connection"
    finally:
        log.append("back")


async def current_user(connection: Annotated[str, Depends(borrow)]) -> str:
    return f"ada, found over {connection}"


async def within_quota(connection: Annotated[str, Depends(borrow)]) -> bool:
    return True


# Before every route, and no route can forget it.
app = FastAPI(dependencies=[Depends(within_quota)])


@app.get("/chat")
async def read_chat(
    connection: Annotated[str, Depends(borrow)],
    user: Annotated[str, Depends(current_user)],
    fails: bool = False,
) -> str:
    log.append("used")
    if fails:
        raise LookupError("no such chat")
    return user


def request(url: str) -> tuple[list[str], str]:
    log.clear()
    reply = TestClient(app, raise_server_exceptions=False).get(url)
    return list(log), reply.text


once, _ = request("/chat")
after_error, _ = request("/chat?fails=true")
app.dependency_overrides[borrow] = lambda: "a fake"
in_a_test, said = request("/chat")

print("three functions need it:", once)
print("the route raises:       ", after_error)
print("a fake in its place:    ", in_a_test, said)
assert once == after_error == ["lent", "used", "back"]
assert in_a_test == ["used"] and "a fake" in said

# %%
from fastapi.responses import StreamingResponse


def order_with(scope: str) -> list[str]:
    app, seen = FastAPI(), []

    async def borrow() -> AsyncIterator[None]:
        yield
        seen.append("back")

    async def tokens() -> AsyncIterator[str]:
        for token in ("one", "two"):
            seen.append(token)
            yield token

    @app.get("/chat")
    async def read_chat(_: Annotated[None, Depends(borrow, scope=scope)]) -> StreamingResponse:
        return StreamingResponse(tokens())

    TestClient(app).get("/chat")
    return seen


print("a stream, as it comes:   ", order_with("request"))
print('with scope="function":   ', order_with("function"))
assert order_with("request") == ["one", "two", "back"]
assert order_with("function") == ["back", "one", "two"]

# %% [markdown]
# **Listens for**
#
# - Once per request, shared by all who need it; not once per process.
# - `yield` in a `try`, and `finally` that gives back whatever happens.
# - `dependency_overrides`: the seam for tests, without patching.
# - Says when a lent thing comes back from a stream.
#
# **Usual wrong answer.** *"It injects singletons: you build the client in a dependency, and everybody shares it."*
# Everybody gets a new one.

# %%
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

built: list[str] = []


def build_client(who: str) -> str:
    built.append(who)
    return who


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"client": build_client("the lifespan")}


app = FastAPI(lifespan=lifespan)


@app.get("/built")
async def read_built(client: Annotated[str, Depends(lambda: build_client("a dependency"))]) -> str:
    return client


async def find_client(request: Request) -> str:
    return request.state.client


@app.get("/borrowed")
async def read_borrowed(client: Annotated[str, Depends(find_client)]) -> str:
    return client


with TestClient(app) as caller:
    for path in ("/built", "/built", "/built", "/borrowed", "/borrowed", "/borrowed"):
        caller.get(path)

print("three requests, built in a dependency:   ", built.count("a dependency"), "clients")
print("three requests, found in the lifespan's: ", built.count("the lifespan"), "client")
assert (built.count("a dependency"), built.count("the lifespan")) == (3, 1)

# %% [markdown]
# **Then they ask.** *Twenty streams are open, and each depends on a database connection. What do the others see?*
# A pool of ten is empty, because each connection comes back after the last byte of its stream.
# I read what the stream needs first, and give the connection back before it starts: `Depends(..., scope="function")`, or a `with` block inside the route.
#
# **Your turn.** Write a dependency that takes one connection out of `pool`, lends it, and puts it back however the route ends.


# %%
def lend(pool: list[str]):
    """Yield one connection of the pool, once."""
    ...


# %%
from contextlib import contextmanager, suppress

from verdicts import check


def lent_and_back(answer, route_raises: bool) -> tuple[str, list[str], list[str]]:
    pool = ["a connection"]
    with suppress(LookupError), contextmanager(answer)(pool) as connection:
        meanwhile = list(pool)
        if route_raises:
            raise LookupError
    return connection, meanwhile, pool


check(
    lend,
    [
        ((False,), ("a connection", [], ["a connection"])),
        ((True,), ("a connection", [], ["a connection"])),
    ],
    through=lent_and_back,
    because=(
        "Lent, in the pool meanwhile, in the pool after. "
        "An error of the route comes in at the yield: try, finally."
    ),
)

# %% [markdown]
# ## When do you write `def` and when `async def`, and what does the wrong one cost?
#
# `basics-03` · junior
#
# *Think first.* A hundred users come in the same moment, and each waits three seconds for a model.
# When does the last one have an answer: with `async def` and `await`, with `def`, with a blocking call inside `async def`?

# %% [markdown]
# **Spoken answer.** `async def` is for code that awaits: it runs in the event loop's own thread, and while it awaits, others run.
# `def` gets a thread from a pool of forty, so a call that blocks holds up its own caller, and the forty-first waits.
# A blocking call inside `async def` is worse than either, because it stops the one thread that everybody shares, the health check included.
# So: if my client awaits, `async def`; if it blocks, `def`; if a route has both, `async def` and `run_in_threadpool` for what blocks.
# When I am not sure whether a library blocks, I take `def`, which is never the catastrophe.

# %%
import asyncio
import threading

from anyio.to_thread import current_default_thread_limiter
from virtual_time import run


async def crowd(app: FastAPI, users: int) -> list[asyncio.Task]:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.test")
    return [asyncio.create_task(client.get("/answer")) for _ in range(users)]


async def inside_at_once(kind: str) -> tuple[int, int]:
    """How many of a hundred requests are inside the route together, and how many wait for a thread."""
    app, inside, most = FastAPI(), [], 0
    free, door = asyncio.Event(), threading.Event()

    async def awaits() -> None:
        inside.append("one more")
        await free.wait()

    def blocks() -> None:
        inside.append("one more")
        door.wait()

    async def blocks_the_loop() -> None:
        nonlocal most
        inside.append("one more")
        most = max(most, len(inside))
        door.wait(timeout=0.001)  # seconds: somebody else could come in now, if anybody could
        inside.pop()

    app.get("/answer")({"awaits": awaits, "def": blocks, "blocks": blocks_the_loop}[kind])
    users, limiter = await crowd(app, 100), current_default_thread_limiter()
    for _ in range(500_000):  # turns of the loop, a guard: what is waited for is there long before
        await asyncio.sleep(0)
        waiting = limiter.statistics().tasks_waiting
        if len(inside) + waiting == 100 or all(user.done() for user in users):
            break
    most = max(most, len(inside))
    free.set()
    door.set()
    await asyncio.gather(*users)
    return most, waiting


seen = {kind: run(inside_at_once(kind)) for kind in ("awaits", "def", "blocks")}
print(f"async def that awaits:  {seen['awaits'][0]:3} inside at once")
print(
    f"def:                    {seen['def'][0]:3} inside at once, {seen['def'][1]} wait for a thread"
)
print(f"async def that blocks:  {seen['blocks'][0]:3} inside at once")
assert seen == {"awaits": (100, 0), "def": (40, 60), "blocks": (1, 0)}

# %%
import math

from anyio import CapacityLimiter
from pictures import Span, timeline
from virtual_time import now


async def calls(users: int, at_once: float, seconds: float) -> list[Span]:
    """Everybody comes at 0 s; `at_once` of them can wait for the model together."""
    limiter = CapacityLimiter(at_once)

    async def one() -> Span:
        async with limiter:
            began = now()
            await asyncio.sleep(seconds)
            return Span(0.0, began, now())

    return await asyncio.gather(*(one() for _ in range(users)))


panels = {
    "async def that blocks: one at a time": run(calls(100, 1, 3.0)),
    "def: 40 threads": run(calls(100, 40, 3.0)),
    "100 threads": run(calls(100, 100, 3.0)),
    "async def that awaits": run(calls(100, math.inf, 3.0)),
}
assert [max(span.ended for span in spans) for spans in panels.values()] == [300, 9, 3, 3]
timeline(
    panels,
    until_s=12,
    title="100 users, a model of 3 seconds: who waits for a turn (pale), who is served (dark)",
)

# %% [markdown]
# **Listens for**
#
# - `async def` only helps code that awaits.
# - `def` runs in a pool of threads, and how many there are.
# - The blocking call in `async def` is the worst of the three, and how it shows: all latencies rise together.
#
# **Usual wrong answer.** *"`async def` is faster, so I write it everywhere."*
# With a client that blocks, it is the slowest that there is.

# %%
import json
from pathlib import Path

measured = json.loads(Path("../benchmarks/results/async_vs_sync.json").read_text(encoding="utf-8"))
per_s = {case["id"]: [run["requests_per_s"] for run in case["runs"]] for case in measured["cases"]}

print("the same blocking client, requests a second with 1, 10 and 100 users:")
print("  def:      ", *(f"{rate:6.1f}" for rate in per_s["fastapi-def"]))
print("  async def:", *(f"{rate:6.1f}" for rate in per_s["fastapi-blocking"]))
assert per_s["fastapi-def"][-1] > 20 * per_s["fastapi-blocking"][-1]
assert max(per_s["fastapi-blocking"]) < 1.1 * min(per_s["fastapi-blocking"]), (
    "one at a time, however many come"
)

# %% [markdown]
# **Then they ask.** *So raise the pool to four hundred?*
# It can be done, with the `total_tokens` of anyio's limiter, and it buys time.
# But each open call still holds a thread, and I have to guess the number: with answers of thirty seconds, four hundred threads are thirteen calls a second.
# A client that awaits has no such number.
#
# **Your turn.** Write when the last of `users` has an answer, if all come at once, `workers` can be served together and each takes `seconds`.
# The check runs it on the clock that jumps.


# %%
def worst_wait(users: int, workers: int, seconds: float) -> float:
    """Return the seconds until the last answer."""
    ...


# %%
from verdicts import check

check(
    worst_wait,
    [
        (case, max(span.ended for span in run(calls(*case))))
        for case in [(100, 1, 3.0), (100, 40, 3.0), (40, 40, 3.0), (41, 40, 0.5), (7, 100, 2.0)]
    ],
    because=(
        "They are served in rounds of `workers`; "
        "a last round that is not full takes as long as a full one."
    ),
)

# %% [markdown]
# ## `/health` stops answering while one user uploads a large file. Why?
#
# `basics-04` · senior
#
# *Think first.* The upload is one request of a thousand, and `/health` does nothing but return a word.
# What do the two have in common?

# %% [markdown]
# **Spoken answer.** They share a thread, and something in that upload does not let go of it: reading a PDF, hashing, a client without `await`.
# All `async def` code of a process runs in one thread, so while that line works nobody else is answered; and the orchestrator, which believes the health check, restarts a service that is only busy.
# I see it in the numbers: every latency rises together, and the other cores are idle.
# I move the work to a thread, or to a process if it computes for long, because threads of Python share one lock.
# Then I bound it, so that forty uploads do not take the forty threads that every `def` route needs.

# %%
import asyncio
import threading

from fastapi.concurrency import run_in_threadpool
from virtual_time import run


async def order_of_answers(how: str) -> list[str]:
    """An upload begins, then a health check comes. Who is answered first?"""
    app, answered, healthy = FastAPI(), [], threading.Event()

    def parse() -> None:  # works until the health check is answered, but gives up after a while
        healthy.wait(timeout=10 if how == "thread" else 0.1)

    @app.post("/documents")
    async def create_document() -> None:
        if how == "thread":
            await run_in_threadpool(parse)
        else:
            parse()
        answered.append("upload")

    @app.get("/health")
    async def read_health() -> None:
        answered.append("health")
        healthy.set()

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://service.test"
    ) as client:
        upload = asyncio.create_task(client.post("/documents"))
        check = asyncio.create_task(client.get("/health"))
        await asyncio.gather(upload, check)
    return answered


in_the_loop, in_a_thread = run(order_of_answers("loop")), run(order_of_answers("thread"))
print("parse() in the event loop: ", in_the_loop)
print("parse() in a thread:       ", in_a_thread)
assert in_the_loop == ["upload", "health"], "health had to wait for a stranger's file"
assert in_a_thread == ["health", "upload"], "health is answered while the file is read"

# %% [markdown]
# **Listens for**
#
# - One thread for all of `async def`, and which line does not let go of it.
# - How it shows from outside: all latencies together, an idle CPU, restarts by the orchestrator.
# - A thread frees the loop; computing for long wants a process; both want a bound.
#
# **Usual wrong answer.** *"I put the parsing into a background task."*
# The uploader is answered sooner, and everybody else stands still as before, because an `async def` task runs on the same loop.

# %%
from fastapi import BackgroundTasks


async def order_with_a_background_task() -> list[str]:
    app, answered, healthy = FastAPI(), [], threading.Event()

    async def parse() -> None:
        answered.append("parsed" if not healthy.wait(timeout=0.1) else "parsed beside health")

    @app.post("/documents")
    async def create_document(background: BackgroundTasks) -> None:
        background.add_task(parse)
        answered.append("upload")

    @app.get("/health")
    async def read_health() -> None:
        answered.append("health")
        healthy.set()

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://service.test"
    ) as client:
        upload = asyncio.create_task(client.post("/documents"))
        while not answered:
            await asyncio.sleep(0)
        await asyncio.gather(upload, client.get("/health"))
    return answered


order = run(order_with_a_background_task())
print("answered, in order:", order)
assert order == ["upload", "parsed", "health"], "everybody waited for the file"

# %% [markdown]
# **Then they ask.** *How do you find the line?*
# In development with `PYTHONASYNCIODEBUG=1`, which logs every step of the loop that took longer than a tenth of a second, and with ruff's ASYNC rules, which know the common blocking calls.
# In production with a task that sleeps for a tenth of a second and reports how late it woke up: that lag is the alarm, and a stack dump at that moment names the line.
#
# **Your turn.** Write the share of a minute in which such a service answers nobody.


# %%
def deaf_share(uploads_per_minute: float, seconds_each: float) -> float:
    """Return a share from 0 to 1; each upload blocks the loop for `seconds_each`, one after another."""
    ...


# %%
from verdicts import check

check(
    deaf_share,
    [((6, 5.0), 0.5), ((1, 3.0), 0.05), ((12, 5.0), 1.0), ((60, 5.0), 1.0), ((0, 5.0), 0.0)],
    because=(
        "Blocked seconds in a minute, out of sixty; "
        "and no minute has more than sixty, however many wait in line."
    ),
)

# %% [markdown]
# ## Where do you open the provider's client, and who closes what when start-up fails half way?
#
# `basics-05` · mid
#
# *Think first.* Start-up opens a database, then a client, then an index, and the index is broken.
# Which of them are closed, and in which order?

# %% [markdown]
# **Spoken answer.** In the lifespan: it opens before the first request, what it yields is `request.state` in every request, and behind the `yield` it closes.
# One client serves the whole process, because the pool of connections lives in it.
# When there are several things I enter them into an `AsyncExitStack`, which closes in reverse order whatever is open, also when the third one fails to open.
# At the top of a module nobody closes it, every test shares it, and it belongs to whichever event loop used it first.
# The old start-up hooks are worse than deprecated: beside a lifespan they are not called at all.

# %%
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Request


def start_ask_stop(*names: str, broken: str = "") -> list[str]:
    """Start a service that opens these things, ask it three times, stop it; return what happened, in order."""
    log: list[str] = []

    @asynccontextmanager
    async def resource(name: str) -> AsyncIterator[str]:
        if name == broken:
            log.append(f"{name} is broken")
            raise OSError(name)
        log.append(f"open {name}")
        try:
            yield name
        finally:
            log.append(f"close {name}")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            yield {name: await stack.enter_async_context(resource(name)) for name in names}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def read_root(request: Request) -> None:
        log.append(f"ask {request.state.client}")

    try:
        with TestClient(app) as caller:
            for _ in range(3):
                caller.get("/")
    except OSError:
        pass  # as uvicorn: it logs the error and does not start
    return log


well = start_ask_stop("database", "client")
half_way = start_ask_stop("database", "client", "index", broken="index")
print("three requests:", well)
print("half way:      ", half_way)
assert well == [
    "open database",
    "open client",
    *["ask client"] * 3,
    "close client",
    "close database",
]
assert half_way == [
    "open database",
    "open client",
    "index is broken",
    "close client",
    "close database",
]

# %% [markdown]
# **Listens for**
#
# - One client for the process, opened and closed by the lifespan.
# - Reverse order, and the half-open start-up: `AsyncExitStack`.
# - Why not at import: no owner, shared by tests, bound to a loop.
#
# **Usual wrong answer.** *"At the top of the file, and a shutdown handler closes it."*
# That works once: in the second test of the same process the client is closed for good.

# %%
provider = httpx.MockTransport(lambda _: httpx.Response(200, text="42"))
client = httpx.AsyncClient(transport=provider)  # at the top of the file


@asynccontextmanager
async def close_at_the_end(_: FastAPI) -> AsyncIterator[None]:
    yield
    await client.aclose()


app = FastAPI(lifespan=close_at_the_end)


@app.get("/answer")
async def read_answer() -> str:
    return (await client.get("https://model.test")).text


runs = []
for _ in range(2):
    with TestClient(app) as caller:
        try:
            runs.append(caller.get("/answer").json())
        except RuntimeError as error:
            runs.append(str(error))
print("first test: ", runs[0])
print("second test:", runs[1])
assert runs[0] == "42" and "closed" in runs[1]

# %% [markdown]
# **Then they ask.** *And a new client for each request? Nobody has to close anything at shutdown.*
# Building one costs tens of milliseconds of CPU, nearly all of it for a TLS context that is thrown away, and each call then pays for a new connection and a new handshake.
# Under load that is the limit of the service, long before the model is.
#
# **Your turn.** Write what gets closed, in order, if `names` are opened one after another and `broken` fails to open.


# %%
def closing_order(names: list[str], broken: str | None) -> list[str]:
    """Return the names that are closed, first one first; `broken` is None if all of them open."""
    ...


# %%
from verdicts import check


def seen_closing(names: list[str], broken: str | None) -> list[str]:
    log = start_ask_stop(*names, broken=broken or "")
    return [line.removeprefix("close ") for line in log if line.startswith("close ")]


check(
    closing_order,
    [
        (case, seen_closing(*case))
        for case in [
            (["database", "client"], None),
            (["database", "client", "index"], "index"),
            (["database", "client", "index"], "client"),
            (["client"], "client"),
        ]
    ],
    because="Only what was opened is closed, and the last one first.",
)

# %% [markdown]
# ## A route takes `prompt: str`. Where does FastAPI look for it, and why do you care?
#
# `basics-06` · junior
#
# *Think first.* It is a `POST`, and every client sends `{"prompt": "..."}` as JSON.
# What is the status, and where does the user's text end up if the client does as the error says?

# %% [markdown]
# **Spoken answer.** In the query string, in a `POST` too: a plain type that is not in the path is a query parameter.
# So the JSON that every client sends is not looked at, and the answer is a 422 that points at the query.
# Whoever follows that error moves the user's text into the URL, and URLs are kept: by access logs, by proxies, by the browser's history.
# So a diagnosis ends up in files that nobody guards.
# I declare a pydantic model, which makes it the body, gives the text a bound and leaves room for a second field.

# %%
from pydantic import BaseModel, Field

app = FastAPI()


@app.post("/generate")
async def create_text(prompt: str) -> str:
    return f"About {prompt}"


class GenerateRequest(BaseModel):
    prompt: str = Field(min_length=1, max_length=4_000)


@app.post("/repaired")
async def create_text_from_body(body: GenerateRequest) -> str:
    return f"About {body.prompt}"


caller = TestClient(app)
as_json = caller.post("/generate", json={"prompt": "my diagnosis"})
as_told = caller.post("/generate", params={"prompt": "my diagnosis"})
repaired = caller.post("/repaired", json={"prompt": "my diagnosis"})
looked_at = as_json.json()["detail"][0]["loc"]
logged = str(as_told.request.url.raw_path, "ascii")

print(f"JSON body:  {as_json.status_code}, it looked for {'.'.join(looked_at)}")
print(f"as told:    {as_told.status_code}, and the access log has  POST {logged}")
print(
    f"a model:    {repaired.status_code}, and the access log has  POST {repaired.request.url.path}"
)
assert (as_json.status_code, looked_at) == (422, ["query", "prompt"])
assert as_told.status_code == repaired.status_code == 200
assert "diagnosis" in logged and "diagnosis" not in str(repaired.request.url)

# %% [markdown]
# **Listens for**
#
# - The rule: in the path, else a plain type is the query, a model is the body.
# - What URLs leak, and to whom.
# - A bound on the length, without being asked.
#
# **Usual wrong answer.** *"It is a POST, so it comes from the body."*
# The method does not decide; the type does, and the documentation that FastAPI writes says so.

# %%
described = app.openapi()["paths"]["/generate"]["post"]
print("parameters: ", [(one["name"], one["in"]) for one in described["parameters"]])
print("requestBody:", described.get("requestBody"))
assert [(one["name"], one["in"]) for one in described["parameters"]] == [("prompt", "query")]
assert "requestBody" not in described

# %% [markdown]
# **Then they ask.** *The client sends JSON with `curl -d`, and your model is still not filled. What now?*
# `curl -d` says that it sends a form, and a body that does not say that it is JSON is not read as JSON: 422.
# The client has to send `Content-Type: application/json`; that strictness also keeps a foreign web page from posting JSON with a plain form.
#
# **Your turn.** Write where FastAPI looks for one parameter.
# The check asks FastAPI itself.


# %%
def place_of(name: str, path: str, annotation: type) -> str:
    """Return "path", "query" or "body" for a parameter `name: annotation` of a POST route with this path."""
    ...


# %%
from inspect import Parameter, Signature

from verdicts import check


def fastapi_says(name: str, path: str, annotation: type) -> str:
    app = FastAPI()

    async def route(**found: object) -> None: ...

    route.__signature__ = Signature(
        [Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)]
    )
    app.post(path)(route)
    described = app.openapi()["paths"][path]["post"]
    return described["parameters"][0]["in"] if "parameters" in described else "body"


check(
    place_of,
    [
        (case, fastapi_says(*case))
        for case in [
            ("prompt", "/chat", str),
            ("model", "/models/{model}", str),
            ("body", "/chat", GenerateRequest),
            ("limit", "/models", int),
            ("prompts", "/batch", list[str]),
        ]
    ],
    because=(
        "A name in the path's braces is the path; a model, a list or a dict is the body; "
        "a plain type is the query."
    ),
)

# %% [markdown]
# ## You start uvicorn with `--workers 4`. Your limit of 10 requests a minute now lets how many through?
#
# `basics-07` · senior
#
# *Think first.* The limit is a dict in memory, and there is a lock around it.
# A client sends sixty requests. How many are answered?

# %% [markdown]
# **Spoken answer.** Up to forty.
# Each worker is a process that imports the application anew, so every module-level dict, counter, cache and pool exists four times, and the kernel decides which worker gets a connection.
# A lock does not help, because it exists four times too.
# What must hold across workers belongs outside of them: in Redis, changed by one atomic command, or at the gateway.
# In a container I start one process and scale containers, so that memory, probes and limits mean what they say; and then the number of copies is not four, but whatever the autoscaler wants today.

# %%
from itertools import cycle, islice

from fastapi import HTTPException


def create_app(counts: dict[str, int], limit: int = 10) -> FastAPI:
    """Build what one worker has when it has imported the application."""
    app = FastAPI()

    @app.get("/answer")
    async def read_answer(key: str) -> str:
        counts[key] = counts.get(key, 0) + 1
        if counts[key] > limit:
            raise HTTPException(429, headers={"Retry-After": "60"})
        return "42"

    return app


def answered(workers: list[FastAPI], requests: int = 60) -> int:
    """Send requests to one worker after another, and count those that are answered."""
    callers = islice(cycle([TestClient(app) for app in workers]), requests)
    return sum(caller.get("/answer?key=ada").status_code == 200 for caller in callers)


alone = answered([create_app({})])
each_its_own = answered([create_app({}) for _ in range(4)])
outside: dict[str, int] = {}  # stands for Redis: one place that all of them ask
shared = answered([create_app(outside) for _ in range(4)])

print(f"1 worker:                          {alone} of 60 pass")
print(f"4 workers, each with its own dict: {each_its_own} of 60 pass")
print(f"4 workers, one store outside:      {shared} of 60 pass")
assert (alone, each_its_own, shared) == (10, 40, 10)

# %% [markdown]
# **Listens for**
#
# - Workers are processes: whatever is in memory exists once in each.
# - Up to workers times the limit, and less when the kernel spreads connections unevenly.
# - The shared store has to count in one step; reading and then writing lets more pass.
# - One process per container, and why.
#
# **Usual wrong answer.** *"I put a lock around the counter."*
# A lock keeps threads of one process apart, and these are four processes.

# %%
import threading


def create_locked_app() -> FastAPI:
    app, counts, lock = FastAPI(), {}, threading.Lock()

    @app.get("/answer")
    def read_answer(key: str) -> str:
        with lock:
            counts[key] = counts.get(key, 0) + 1
            if counts[key] > 10:
                raise HTTPException(429)
        return "42"

    return app


locked = answered([create_locked_app() for _ in range(4)])
print(f"4 workers, a lock in each: {locked} of 60 pass")
assert locked == 40

# %% [markdown]
# **Then they ask.** *What else exists four times?*
# Connections: four workers with a pool of a hundred may open four hundred to the provider, and as many times ten to the database, and during a deploy the old and the new copies at once.
# Caches, which are then warm in one of four, metrics, which need a collector, and anything loaded at start-up, a model's weights first of all.
#
# **Your turn.** Write the most requests that pass, if they are spread evenly.


# %%
def most_allowed(limit: int, workers: int, requests: int) -> int:
    """Return how many of `requests` pass when each of `workers` counts up to `limit` by itself."""
    ...


# %%
from verdicts import check

check(
    most_allowed,
    [
        (case, answered([create_app({}, case[0]) for _ in range(case[1])], case[2]))
        for case in [(10, 1, 60), (10, 4, 60), (10, 4, 30), (3, 2, 100)]
    ],
    because="Each worker has a count of its own; but nobody lets more pass than come.",
)

# %% [markdown]
# ## Your team has a Flask service with 100 threads in front of a model. Do you move it to FastAPI?
#
# `basics-08` · staff
#
# *Think first.* Which two numbers do you ask for before you say anything?

# %% [markdown]
# **Spoken answer.** I ask how many calls start per second and how long one lasts, because their product is how many are open at once, and a threaded server needs a thread for each.
# Two hundred half-second calls are a hundred threads, and there our own measurement sees no difference in throughput: moving would win nothing.
# When answers stream for thirty seconds, seven calls a second already need two hundred threads; then I move, because an open call costs a coroutine and not a thread.
# I also say what the move costs: every blocking client has to go, or it stops the whole loop.
# So I would begin with the endpoints that stream, behind the same gateway, and leave the rest.

# %%
import asyncio
import json
import math
from pathlib import Path

from virtual_time import now, run

measured = json.loads(Path("../benchmarks/results/async_vs_sync.json").read_text(encoding="utf-8"))
at_100 = {
    case["id"]: run for case in measured["cases"] for run in case["runs"] if run["users"] == 100
}
flask, fastapi = at_100["flask-100"], at_100["fastapi-httpx2"]


async def waiting_after_a_minute(calls_per_s: int, seconds: float, at_once: float) -> int:
    """How many calls stand in line when a minute of evenly spread calls is over."""
    free, waiting = at_once, 0
    turn = asyncio.Condition()

    async def one(at: float) -> None:
        nonlocal free, waiting
        await asyncio.sleep(at)
        async with turn:
            waiting += 1
            await turn.wait_for(lambda: free > 0)
            waiting, free = waiting - 1, free - 1
        await asyncio.sleep(seconds)
        async with turn:
            free += 1
            turn.notify()

    calls = [asyncio.create_task(one(n / calls_per_s)) for n in range(60 * calls_per_s)]
    await asyncio.sleep(60)
    left = waiting
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return left


threads, loop = (run(waiting_after_a_minute(7, 30.0, at_once)) for at_once in (100, math.inf))
print(
    f"calls of 0.5 s, measured: Flask {flask['requests_per_s']:.0f} a second, FastAPI {fastapi['requests_per_s']:.0f}"
)
print(f"7 calls a second of 30 s, after a minute: {threads} stand in line before 100 threads")
print(f"the same calls on one event loop:         {loop} stand in line")
assert math.isclose(flask["requests_per_s"], fastapi["requests_per_s"], rel_tol=0.05)
assert threads > 100 and loop == 0

# %% [markdown]
# **Listens for**
#
# - Calls per second times seconds: how many are open at once. It is known as Little's law.
# - Says where nothing is to be won, and that it was measured.
# - The price of the move, and a first step that is small and can be taken back.
#
# **Usual wrong answer.** *"Yes, async is faster."*
# With calls of half a second, neither the throughput nor the CPU speaks for it.

# %%
cpu = {
    name: run["cpu_ms_per_request"] for name, run in {"Flask": flask, "FastAPI": fastapi}.items()
}
print(
    f"requests a second:  Flask {flask['requests_per_s']:.0f}, FastAPI {fastapi['requests_per_s']:.0f}"
)
print(f"CPU for a request:  Flask {cpu['Flask']:.1f} ms, FastAPI {cpu['FastAPI']:.1f} ms")
print(f"of {measured['upstream_ms']} ms that a user waits")
assert flask["requests_per_s"] > 0.95 * fastapi["requests_per_s"]
assert max(cpu.values()) < 0.01 * measured["upstream_ms"]

# %% [markdown]
# **Then they ask.** *You move. What breaks in the first week?*
# Whatever blocked politely in its own thread and now stops everybody: the database driver, the SDK in its synchronous form, a tokenizer, a log handler that writes to the network.
# And whatever was kept in thread-local storage, because one thread now serves all users: it becomes a context variable or an argument.
#
# **Your turn.** Write how many threads it takes so that nobody stands in line.


# %%
def threads_needed(calls_per_s: float, seconds: float) -> int:
    """Return the number of threads for evenly spread calls that last `seconds` each."""
    ...


# %%
from verdicts import check

check(
    threads_needed,
    [((200, 0.5), 100), ((7, 30.0), 210), ((0.2, 12.0), 3), ((3, 0.5), 2)],
    because=(
        "How many are open at once is calls per second times seconds; half a thread is a whole one."
    ),
)
