# %% [markdown]
# # 07 deployment: from laptop to load
#
# Seven questions about signals, probes, workers, queues and a platform that does not stream.
# Each stands alone: run the cell below, then go to any of them.
# The lesson behind them is `lessons/07_deployment`.

# %%
import asyncio
from fastapi import FastAPI
from virtual_time import now, run

# %% [markdown]
# ## You deploy at noon. What happens to the answers that are streaming at 11:59:59?
#
# `deployment-01` · senior
#
# *Think first.* SIGTERM comes, and forty answers are under way, some of which need another minute.
# What do you tell the balancer, the server and the readers, and in which order?

# %% [markdown]
# **Spoken answer.** An instance ends in four steps, and each has its time.
# First it says that it is not ready and goes on serving, because whoever sends it requests needs some seconds to notice.
# Then it accepts no more, and waits for what is open; most answers end by themselves.
# At a deadline, who is left is told, with an error event in the stream and a `Retry-After` where nothing was sent yet, and is cut.
# Last comes SIGKILL, which nobody may live to see: so the platform's patience is longer than the server's, and that is longer than mine.
# Without these steps readers see a connection that breaks off, and new callers one that is refused.

# %%
import json

import anyio
from fastapi.responses import StreamingResponse
from visits import Visit, visit

GOING = {"type": "shutting_down", "message": "Please ask again."}


class Drain:
    """The end of an instance, in order."""

    def __init__(self, notice_s: float, deadline_s: float, tells: bool) -> None:
        self.notice_s, self.deadline_s, self.tells = notice_s, deadline_s, tells
        self.ready, self.accepts, self.open = True, True, set()

    async def stop(self) -> None:  # when SIGTERM comes
        self.ready = False
        await asyncio.sleep(self.notice_s)
        self.accepts = False
        await asyncio.sleep(self.deadline_s - self.notice_s)
        for request in tuple(self.open):
            request.cancel()


class CutAtDeadline:
    """ASGI middleware: who is left at the deadline is told, and let go."""

    def __init__(self, app, drain: Drain) -> None:
        self.app, self.drain = app, drain

    async def __call__(self, scope, receive, send) -> None:
        with anyio.CancelScope() as request:
            self.drain.open.add(request)
            try:
                await self.app(scope, receive, send)
            finally:
                self.drain.open.discard(request)
        if request.cancelled_caught and self.drain.tells:
            frame = f"event: error\ndata: {json.dumps(GOING)}\n\n".encode()
            await send({"type": "http.response.body", "body": frame})


# %%
app = FastAPI()


@app.get("/answer")
async def read_answer(seconds: int) -> StreamingResponse:
    async def tokens():
        for n in range(seconds):
            await asyncio.sleep(1)
            yield f"data: {n}\n\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")


async def noon(drain: Drain) -> dict[str, int]:
    """A request a second for 50 s, SIGTERM after 40; a balancer asks every 3 s."""
    served, seen, refused, sends = CutAtDeadline(app, drain), [], 0, True
    visits: list[asyncio.Task[Visit]] = []
    for second in range(50):
        if second == 40:
            stopping = asyncio.create_task(drain.stop())
            await asyncio.sleep(0)
        if second % 3 == 0:
            sends = drain.ready
        if sends and drain.accepts:
            url = f"/answer?seconds={5 + second * 7 % 40}"
            visits.append(asyncio.create_task(visit(served, url)))
        refused += sends and not drain.accepts
        await asyncio.sleep(1)
    seen = await asyncio.gather(*visits, stopping)
    told = [one for one in seen[:-1] if one.text.endswith(f"{json.dumps(GOING)}\n\n")]
    whole = [one for one in seen[:-1] if one.whole and one not in told]
    cut = len(seen) - 1 - len(told) - len(whole)
    return {"whole": len(whole), "told": len(told), "cut": cut, "refused": refused}


in_order = run(noon(Drain(notice_s=5, deadline_s=25, tells=True)))
print("answers that came whole:", in_order["whole"])
print("readers who were told:  ", in_order["told"])
print(f"cut without a word: {in_order['cut']}, connections refused: {in_order['refused']}")
assert in_order["whole"] > in_order["told"] > 0
assert (in_order["cut"], in_order["refused"]) == (0, 0)

# %% [markdown]
# **Listens for**
#
# - Not ready, not accepting, told, killed: four moments, in that order.
# - Why there is a wait between the first two.
# - Three patiences that contain each other: mine, the server's, the platform's.
#
# **Usual wrong answer.** *"uvicorn shuts down gracefully, so nothing is lost."*
# It stops accepting at once, while the balancer still sends; and when its patience ends it cancels, and tells nobody.

# %%
as_it_comes = run(noon(Drain(notice_s=0, deadline_s=25, tells=False)))
print("answers that came whole:", as_it_comes["whole"])
print("readers who were told:  ", as_it_comes["told"])
print(f"cut without a word: {as_it_comes['cut']}, connections refused: {as_it_comes['refused']}")
assert as_it_comes["told"] == 0 and as_it_comes["cut"] > 0 and as_it_comes["refused"] > 0

# %% [markdown]
# **Then they ask.** *Why not wait until the last answer is there?*
# Because one reader with a long answer would hold up every deployment, and the fix that is being deployed may be urgent.
# The deadline is the longest answer that I want to promise; what takes longer is a job with a status URL, and outlives the process.
#
# **Your turn.** Write what becomes of one answer.


# %%
def outcome(left_s: float, deadline_s: float, kill_s: float) -> str:
    """Return "whole", "told" or "killed"; at SIGTERM the answer needs `left_s` more seconds."""
    ...


# %%
from verdicts import check

check(
    outcome,
    [
        ((10.0, 25.0, 40.0), "whole"),
        ((60.0, 25.0, 40.0), "told"),
        ((20.0, 25.0, 10.0), "killed"),
        ((5.0, 25.0, 10.0), "whole"),
        ((60.0, 25.0, 10.0), "killed"),
    ],
    because="What comes first: its own end, your deadline, or SIGKILL (after 10 s with Docker)?",
)

# %% [markdown]
# ## What is the difference between liveness and readiness, and what must neither of them do?
#
# `deployment-02` · junior
#
# *Think first.* The model provider is down for a minute, and your health check asks it.
# What does the platform do with your four healthy replicas?

# %% [markdown]
# **Spoken answer.** Liveness asks whether to restart this process; readiness asks whether to send it requests.
# So liveness says yes as long as the event loop turns, and looks at nothing else: a restart mends no database.
# Readiness looks at what this replica needs and the others may have, and at whether it is on its way out.
# Neither asks the provider: it is the same for all replicas, so its bad minute would restart them all, or take all of them off the net at once, with every route that does not need a model.
# And what is asked every few seconds is answered from a short memory, within a timeout, and tells strangers nothing.

# %%
from dataclasses import dataclass

from fastapi import Response
from visits import visit


@dataclass
class Replica:
    number: int
    asks_provider: str  # "live", "ready" or "neither"
    restarts: int = 0
    starts_until: float = 0.0
    failed: int = 0  # live probes in a row
    listed: bool = True

    def __post_init__(self) -> None:
        self.app = FastAPI()
        self.app.get("/health/live")(self.live)
        self.app.get("/health/ready")(self.ready)

    async def live(self, response: Response) -> None:
        down = self.asks_provider == "live" and 60 <= now() < 120  # the provider's bad minute
        response.status_code = 503 if down else 200

    async def ready(self, response: Response) -> None:
        down = self.asks_provider == "ready" and 60 <= now() < 120
        own_disk_full = self.number == 0 and 150 <= now() < 170
        response.status_code = 503 if down or own_disk_full else 200


# %%
async def minutes(asks_provider: str) -> tuple[int, int, int]:
    """Restarts, requests (one a second) that found no replica, seconds with fewer than four."""
    replicas, lost, fewer = [Replica(n, asks_provider) for n in range(4)], 0, 0
    for second in range(240):
        for one in replicas:
            if second < one.starts_until:
                continue
            if second % 5 == 0:
                one.listed = (await visit(one.app, "/health/ready")).status == 200
            if second % 10 == 0:
                well = (await visit(one.app, "/health/live")).status == 200
                one.failed = 0 if well else one.failed + 1
            if one.failed == 3:
                one.restarts, one.failed, one.listed = one.restarts + 1, 0, False
                one.starts_until = second + 20
        listed = sum(one.listed for one in replicas)
        lost, fewer = lost + (listed == 0), fewer + (listed < 4)
        await asyncio.sleep(1)
    return sum(one.restarts for one in replicas), lost, fewer


restarts, lost, fewer = run(minutes("neither"))
print(f"restarts: {restarts}, requests that found nobody: {lost}")
print(f"seconds with one replica off the list, whose own disk was full: {fewer}")
assert (restarts, lost, fewer) == (0, 0, 20)

# %% [markdown]
# **Listens for**
#
# - What the platform does with each answer: restart, or send nothing.
# - Nothing remote in either, and above all nothing that all replicas share in liveness.
# - Cheap, with a timeout, and poor in what it tells.
#
# **Usual wrong answer.** *"Health means that everything works, so it asks the database and the provider."*
# Then one bad minute of somebody else's is an outage of everything, or a round of restarts.

# %%
in_liveness, in_readiness = run(minutes("live")), run(minutes("ready"))
print(f"liveness asks the provider:  {in_liveness[0]} restarts, {in_liveness[1]} found nobody")
print(f"readiness asks the provider: {in_readiness[0]} restarts, {in_readiness[1]} found nobody")
assert in_liveness[0] >= 4 and in_liveness[1] > 0
assert in_readiness[0] == 0 and in_readiness[1] == 60

# %% [markdown]
# **Then they ask.** *All 40 threads of your service are busy. What does liveness say?*
# If it is `async def` it says alive, and that is right, because a restart would throw forty answers away.
# Written as `def` it waits for a thread like everybody else, the probe runs into its timeout, and the busiest replica is killed for being busy.
#
# **Your turn.** Write both answers. A part is `(kind, well)`, and its kind is "needed", "helpful" or "remote".


# %%
def probes(parts: list[tuple[str, bool]], draining: bool) -> tuple[int, int]:
    """Return the status of liveness and of readiness, 200 or 503 each."""
    ...


# %%
from verdicts import check

check(
    probes,
    [
        (([("needed", True), ("remote", True)], False), (200, 200)),
        (([("needed", True), ("remote", False)], False), (200, 200)),
        (([("needed", True), ("helpful", False)], False), (200, 200)),
        (([("needed", False), ("helpful", True)], False), (200, 503)),
        (([("needed", True)], True), (200, 503)),
    ],
    because="Liveness looks at no part; readiness at what is needed, and whether we are leaving.",
)

# %% [markdown]
# ## How many workers, and why? How many streams can one of them hold open?
#
# `deployment-03` · mid
#
# *Think first.* Ten requests a second come, and each streams for twenty seconds.
# How many streams are open, and what does each of them need: CPU, memory or a thread?

# %% [markdown]
# **Spoken answer.** I start from what is open at once: Little's law, arrivals a second times seconds each, so ten a second for twenty seconds are two hundred.
# They come as they like, so I make room for that and three times its square root.
# An open stream needs no thread; it needs CPU for each event and some memory, both of which I measure, and the scarcer decides how many one worker carries.
# Workers are for cores: at most one each, because a second one on the same core adds no CPU and takes the memory of a process.
# In a container I take one worker and scale the number of containers; then limit, restart and drain mean one process.

# %%
import math
import random
from collections import deque

from measured import EVENT_US, STREAM_KB
from pictures import bars

CORES, MEMORY_MB, WORKER_MB, BUSY = 2, 512, 150, 0.7  # of a core no more than 70 %


def carried(workers: int, tokens_per_s: float = 20) -> int:
    """Streams that one container holds, all its workers together."""
    by_cpu = min(workers, CORES) * BUSY * 1_000_000 / (tokens_per_s * EVENT_US)
    by_memory = (MEMORY_MB - workers * WORKER_MB) * 1_024 / STREAM_KB
    return max(0, math.floor(min(by_cpu, by_memory)))


def turned_away(limit: int, requests_per_s: float, seconds: float, calls: int = 50_000) -> float:
    """The share of requests that find `limit` streams open already, if each comes when it likes."""
    draw, at, ends, away = random.Random(7), 0.0, deque(), 0
    for _ in range(calls):
        at += draw.expovariate(requests_per_s)
        while ends and ends[0] <= at:
            ends.popleft()
        if len(ends) < limit:
            ends.append(at + seconds)
        else:
            away += 1
    return away / calls


average = 10 * 20
peak = math.ceil(average + 3 * math.sqrt(average))
at_average, at_peak = turned_away(average, 10, 20), turned_away(peak, 10, 20)
print(f"open on average: {average}; with room for exactly those, {at_average:.1%} are turned away")
print(f"with room for {peak}: {at_peak:.2%}")
print(f"one worker carries {carried(1)} streams, and so one is enough")
assert at_average > 0.02 > 0.001 > at_peak
assert carried(1) > peak

# %% [markdown]
# **Listens for**
#
# - Little's law, and room above the average.
# - Measured figures for an event and a stream, and which of the two runs out.
# - Workers are for cores; replicas are for everything else.
#
# **Usual wrong answer.** *"Two times the cores plus one."*
# That was for workers that wait in one request each; here five share two cores, and their processes alone need more memory than there is.

# %%
streams = {workers: carried(workers) for workers in range(1, 6)}
assert streams[2] == 2 * streams[1] == max(streams.values()), "one for each core"
assert 0 < streams[3] < streams[2], "a third takes memory that streams need"
assert streams[2 * CORES + 1] == 0, "and five have none left"
bars(
    {f"{workers} worker{'s' * (workers > 1)}": count for workers, count in streams.items()},
    unit="streams",
    title=f"What a container of {CORES} cores and {MEMORY_MB:,} MB carries",
)

# %% [markdown]
# **Then they ask.** *And where do you put these numbers?*
# Into `--limit-concurrency`, so that the stream that is one too many hears 503 at once and not everybody slows down; into the client's `max_connections`, because each open stream holds a connection to the provider; and into the rule that adds replicas, which looks at open streams and not at CPU.
#
# **Your turn.** Write how many streams there has to be room for.


# %%
def streams_at_peak(
    requests_per_s: float, first_token_s: float, tokens: float, tokens_per_s: float
) -> int:
    """Return the average number of open streams and three times its square root, rounded up."""
    ...


# %%
from verdicts import check

check(
    streams_at_peak,
    [
        ((10.0, 0.0, 400.0, 20.0), 243),
        ((10.0, 5.0, 300.0, 20.0), 243),
        ((0.25, 1.0, 60.0, 20.0), 4),
        ((100.0, 2.0, 200.0, 25.0), 1_095),
    ],
    because="The seconds of one stream are the wait for its first token and its tokens over their speed.",
)

# %% [markdown]
# ## `docker stop` takes ten seconds, every time. Why?
#
# `deployment-04` · junior
#
# *Think first.* Docker sends SIGTERM to process 1 of the container.
# With `CMD sleep 1 && uvicorn main:app`, who is that?

# %% [markdown]
# **Spoken answer.** Because SIGTERM does not reach the server, so Docker waits its ten seconds and then kills.
# A command that is written as text is run by a shell, the shell is process 1, and it does not hand the signal on; some shells replace themselves with a single command, and I do not rely on that.
# Written as a JSON list, or with `exec`, the server is process 1 and hears it.
# The second reason is that it hears and waits: for streams that do not end, which is why a drain has a deadline.
# Ten seconds are not the harm; the harm is that every open answer is cut and nothing is closed.

# %%
import shlex
import signal
import subprocess
import sys

# Stands for a server: it says that it is up, and in the end whether it has heard a SIGTERM.
SERVER = """
import signal, sys, time
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
print("up", flush=True)
sys.stdin.read()
time.sleep(0.01)
print("heard", *heard or ["nothing"], flush=True)
"""
server = [sys.executable, "-c", SERVER]
# Process 1 ignores a signal that it has no handler for. Here no shell is process 1, so `trap` says the same.
STARTS = {
    "a shell above it": ["sh", "-c", f"trap : TERM; {shlex.join(server)}; true"],
    "a shell with exec": ["sh", "-c", f"exec {shlex.join(server)}"],
    "a JSON list": server,
}


def stopped(command: list[str]) -> str:
    """What the server has heard when process 1 was sent SIGTERM."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout.readline() == "up\n"
        one.send_signal(signal.SIGTERM)
        said, _ = one.communicate()  # its input ends, in place of ten seconds
        return said.strip()


heard = {name: stopped(command) for name, command in STARTS.items()}
for name, said in heard.items():
    print(f"{name:18} {said}")
assert heard["a shell above it"] == "heard nothing"
assert heard["a shell with exec"] == heard["a JSON list"] == "heard SIGTERM"

# %% [markdown]
# **Listens for**
#
# - Who process 1 is, and that a shell does not hand signals on.
# - The JSON list, or `exec`.
# - It may also hear and wait: a drain needs a deadline.
#
# **Usual wrong answer.** *"`docker stop --time 1`: then it takes one second."*
# It does, and what the server had to do at its end is not done.

# %%
CLOSING = """
import signal, sys
def close(*_):
    print("usage written, answers told", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, close)
print("up", flush=True)
while True: signal.pause()
"""


def ended(by: signal.Signals) -> tuple[int, str]:
    command = [sys.executable, "-c", CLOSING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout.readline() == "up\n"
        one.send_signal(by)
        said, _ = one.communicate()
        return one.returncode, said.strip()


for by in (signal.SIGTERM, signal.SIGKILL):
    status, said = ended(by)
    print(f"{by.name}: status {status}, {said or 'not a word'}")
assert ended(signal.SIGTERM) == (0, "usage written, answers told")
assert ended(signal.SIGKILL) == (-9, "")

# %% [markdown]
# **Then they ask.** *The container needs a step before the server, a migration say. Where does it go?*
# Into a container of its own that has to succeed first, so that ten replicas do not migrate at once.
# If it has to be here, an entry script that ends in `exec "$@"`; and where processes are left behind, a tiny init such as `tini` above it, which hands signals on.
#
# **Your turn.** Write whether the server hears SIGTERM: it is process 1, or the shell has made place for it.


# %%
def hears(command: str | list[str]) -> bool:
    """Return whether what Docker starts is the server.

    A text is run by `sh -c`, and the server is its last command.
    """
    ...


# %%
from verdicts import check

check(
    hears,
    [
        ((["uvicorn", "main:app"],), True),
        (("sleep 1 && uvicorn main:app",), False),
        (("exec uvicorn main:app",), True),
        (("sleep 1 && exec uvicorn main:app",), True),
        ((["sh", "-c", "sleep 1 && uvicorn main:app"],), False),
        ((["sh", "-c", "exec uvicorn main:app"],), True),
    ],
    because="A list is started as it is, and may start a shell. In a shell the last command needs `exec`.",
)

# %% [markdown]
# ## A health check is green and nothing works. How can that be?
#
# `deployment-05` · mid
#
# *Think first.* A server takes connections and has not answered one for a minute.
# Which health checks would notice?

# %% [markdown]
# **Spoken answer.** Because a check proves what it does, and not what it is called.
# That a port is open says that the kernel accepts connections; a program that hangs has an open port.
# That an answer came says nothing about which, because `curl` without `-f` is content with a 503.
# And a route that returns a constant says that a route works.
# So the check asks a route that looks at what this process needs, wants a 200, and gives up after a timeout that is shorter than its interval.
# I try each check in the states that it is for: a check that I have never seen red proves nothing.

# %%
import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.server.state == "hangs":
            self.server.free.wait()
            return
        ill = self.server.state == "database gone" and self.path == "/health/ready"
        self.send_response(503 if ill else 200)
        self.end_headers()

    def log_message(self, *_) -> None: ...


def asked(port: int, path: str, patience_s: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def connects(port: int, patience_s: float) -> bool:
    socket.create_connection(("127.0.0.1", port), patience_s).close()
    return True


CHECKS = {
    "the port is open": connects,
    "curl /health/ready": lambda *at: bool(asked(at[0], "/health/ready", at[1])),
    "curl -f /health": lambda *at: asked(at[0], "/health", at[1]) < 400,
    "curl -f /health/ready": lambda *at: asked(at[0], "/health/ready", at[1]) < 400,
}
STATES = ("well", "database gone", "hangs", "is not there")


def green(check_name: str, state: str) -> bool:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.state, server.free, server.daemon_threads = state, threading.Event(), True
        server.handle_error = lambda *_: None  # who gives up breaks the connection
        port = server.server_port
        if state == "is not there":
            server.server_close()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        try:
            if state != "is not there":
                thread.start()
            return CHECKS[check_name](port, 0.1 if state == "hangs" else 10)  # seconds
        except OSError:
            return False
        finally:
            server.free.set()
            if thread.is_alive():
                server.shutdown()


# %%
seen = {name: [green(name, state) for state in STATES] for name in CHECKS}
print(" " * 23 + "  ".join(state.ljust(5) for state in STATES))
for name, row in seen.items():
    colors = ["green" if one else "red" for one in row]
    shown = "  ".join(
        one.ljust(max(5, len(state))) for one, state in zip(colors, STATES, strict=True)
    )
    print(f"{name:21}  {shown}".rstrip())
assert seen["curl -f /health/ready"] == [True, False, False, False]
assert [sum(row[1:]) for row in seen.values()] == [2, 1, 1, 0], "green, and nothing works"

# %% [markdown]
# **Listens for**
#
# - What each check proves: a port, an answer, a good answer.
# - A timeout, and a status that is looked at.
# - It was seen red.
#
# **Usual wrong answer.** *"The health check of Redis is `redis-cli ping`: that fails if Redis is down."*
# If it is down, yes; without the password, and while the data are loaded, it prints an error and ends with status 0.

# %%
import subprocess

# Stands for redis-cli, which ends with 0 whenever it was answered, whatever the answer was.
CLI = 'redis_cli() { echo "$ANSWER"; }; '
ANSWERS = [
    "PONG",
    "NOAUTH Authentication required.",
    "LOADING Redis is loading the dataset in memory",
]


def status(check: str, answer: str) -> int:
    done = subprocess.run(
        ["sh", "-c", CLI + check], env={"ANSWER": answer, "PATH": "/usr/bin:/bin"}, stdout=-1
    )
    return done.returncode


for answer in ANSWERS:
    first, second = (
        status("redis_cli ping", answer),
        status("redis_cli ping | grep -q PONG", answer),
    )
    print(
        f"{answer.split()[0]:8} redis-cli ping: {first}   redis-cli ping | grep -q PONG: {second}"
    )
assert [status("redis_cli ping", answer) for answer in ANSWERS] == [0, 0, 0]
assert [status("redis_cli ping | grep -q PONG", answer) for answer in ANSWERS] == [0, 1, 1]

# %% [markdown]
# **Then they ask.** *And who notices that the answers themselves are bad?*
# No health check does: a model that answers in another language is up.
# For that there is a small question with a known answer every few minutes, whose result is a metric and an alarm for people, and never a reason for the platform to restart something.
#
# **Your turn.** Write the verdict of a check from what it saw.


# %%
def is_well(status: int | None, took_s: float, timeout_s: float, parts: dict[str, str]) -> bool:
    """Return whether to call it well.

    `status` is None if no answer came, `parts` says "ok" for those that are.
    """
    ...


# %%
from verdicts import check

check(
    is_well,
    [
        ((200, 0.1, 2.0, {"database": "ok"}), True),
        ((503, 0.1, 2.0, {"database": "ok"}), False),
        ((None, 0.1, 2.0, {}), False),
        ((200, 2.5, 2.0, {"database": "ok"}), False),
        ((200, 0.1, 2.0, {"database": "timeout"}), False),
        ((204, 0.1, 2.0, {}), True),
    ],
    because="An answer, a good one (200 to 299), in time, and every part ok: all four.",
)

# %% [markdown]
# ## How do you get exactly once out of a queue that delivers at least once?
#
# `deployment-06` · senior
#
# *Think first.* A worker charges a customer, and its power goes before it has told the queue.
# Who finds out that the customer was charged?

# %% [markdown]
# **Spoken answer.** The queue cannot give it: between the work and the message that says so there is a moment, and a worker may die in it.
# Told before the work, the job is lost; told after it, it is done again.
# So I take at least once, acknowledge late, and make the second time have no effect: each job has a key, and its effect and the key are written in one statement that does nothing if the key is there.
# Where the effect is somebody else's, they get the key too, as an `Idempotency-Key`.
# The model may have been paid twice, rarely, and that I accept; and a job that has killed three workers is set aside.

# %%
import sqlite3
from collections import deque
from itertools import product


class Died(Exception):
    """The power of a worker is gone."""


def work(job: str, db: sqlite3.Connection, charged: list[str], dies: str, keyed: bool) -> None:
    if dies == "before the work":
        raise Died
    if keyed:
        sql = "INSERT INTO charges VALUES (?) ON CONFLICT DO NOTHING RETURNING job"
        charged += [row[0] for row in db.execute(sql, (job,)).fetchall()]
    else:
        charged.append(job)
    if dies == "after the work":
        raise Died


def charges(deaths: tuple[str, ...], acknowledged: str, keyed: bool) -> int:
    """How often a customer is charged for one job whose workers die like this, in turn."""
    db, charged, queue, fates = sqlite3.connect(":memory:"), [], deque(["job-1"]), deque(deaths)
    db.execute("CREATE TABLE charges (job TEXT PRIMARY KEY)")
    while queue:
        job = queue.popleft()
        try:
            work(job, db, charged, fates.popleft() if fates else "not at all", keyed)
        except Died:
            if acknowledged == "late":
                queue.append(job)  # nobody said that it is done, so another worker gets it
    return len(charged)


POINTS = ("before the work", "after the work", "not at all")
FATES = list(product(POINTS, repeat=2))
once = {charges(fates, "late", keyed=True) for fates in FATES}
print(f"{len(FATES)} ways in which the first two workers can end")
print(f"acknowledged late, charged under a key: {max(once)} charge each time")
assert once == {1}

# %% [markdown]
# **Listens for**
#
# - Early loses, late repeats; there is no third.
# - The effect and its key in one step.
# - Limits: work done twice, jobs that kill, effects of others.
#
# **Usual wrong answer.** *"The worker looks first whether the job is done."*
# Then two workers look in the same moment; and whoever died after the work had not written that it is done.

# %%
counts = {
    name: sorted({charges(fates, when, keyed=False) for fates in FATES})
    for name, when in {"early": "early", "late": "late"}.items()
}
print(f"acknowledged early: {counts['early']} charges: lost, or once")
print(f"acknowledged late:  {counts['late']} charges: once, or again for each death")


async def look_then_charge(done: set[str], charged: list[str], both: asyncio.Barrier) -> None:
    if "job-1" not in done:
        await both.wait()  # the statement that asks, and the one that writes, are two
        charged.append("job-1")
        done.add("job-1")


async def two_workers() -> list[str]:
    done, charged, both = set(), [], asyncio.Barrier(2)
    await asyncio.gather(*(look_then_charge(done, charged, both) for _ in range(2)))
    return charged


twice = run(two_workers())
print(f"two workers that look first: {len(twice)} charges")
assert counts == {"early": [0, 1], "late": [1, 2, 3]} and len(twice) == 2

# %% [markdown]
# **Then they ask.** *A worker is slow and not dead, its lease runs out, and now two work on one job. And then?*
# Both may; the first result that is written counts, and the second is told that it came late.
# A worker renews its lease while it works, so that this is rare, and the visibility timeout of the queue is longer than the longest job, or every long one is done twice.
#
# **Your turn.** Write what one `finish` does to the table.


# %%
def finish(results: dict[str, str], job: str, result: str) -> bool:
    """Keep the first result of a job and return True; a later one changes nothing, and gets False."""
    ...


# %%
from verdicts import check


def one_after_the_other(answer, *results: str) -> tuple[list[bool], dict[str, str]]:
    kept: dict[str, str] = {}
    return [answer(kept, "job-1", result) for result in results], kept


check(
    finish,
    [
        (("42",), ([True], {"job-1": "42"})),
        (("42", "43"), ([True, False], {"job-1": "42"})),
        (("", "43"), ([True, False], {"job-1": ""})),
    ],
    through=one_after_the_other,
    because="What counts is whether a result is there, not what it is; the first one stands.",
)

# %% [markdown]
# ## Your service streams. Do you run it on AWS Lambda?
#
# `deployment-07` · staff
#
# *Think first.* An environment of Lambda, in its usual form, serves one request at a time, and is paid while it waits.
# What does your service do most of the time?

# %% [markdown]
# **Spoken answer.** Usually not: it waits for a model, and there waiting is what is paid.
# A container's one process waits for hundreds of streams at once; there each stream is an environment of its own, with its memory, its clients and its start.
# And through an adapter such as Mangum nothing streams: it collects the answer and hands it over when it is complete, so the reader waits for the last token.
# For rare requests or for jobs from a queue it is fine, and cheap, because nothing runs when nobody asks.
# So I would count requests, seconds and memory, and decide by that; with few requests it wins, and there is a load from which the container does.

# %%
import math

from measured import EVENT_US
from pictures import bars

# A gigabyte costs more here than there by a small factor that changes; what is counted here differs by far more.
SECONDS, TOKENS_PER_S, CONTAINER_GB, FUNCTION_GB = 20, 20, 1.0, 0.5
per_container = math.floor(0.7 * 1_000_000 / (TOKENS_PER_S * EVENT_US))


def gb_paid(requests_per_s: float) -> tuple[float, float]:
    """Gigabytes paid at an average moment: as functions; as containers, at least two."""
    open_streams = requests_per_s * SECONDS  # Little's law
    containers = max(2, math.ceil(open_streams / per_container))
    return open_streams * FUNCTION_GB, containers * CONTAINER_GB


even = next(n for n in range(1, 10_000) if gb_paid(n / 100)[0] > gb_paid(n / 100)[1]) / 100
rare, busy = gb_paid(0.02), gb_paid(10)
print(f"one request in 50 s:   {rare[0]:g} GB as functions, {rare[1]:g} as containers")
print(f"10 requests a second:  {busy[0]:g} GB as functions, {busy[1]:g} as containers")
print(f"containers need less from {even:g} requests a second on")
assert rare[0] < rare[1] and busy[0] > 20 * busy[1] and even < 1
bars(
    {"as functions, one for each stream": busy[0], "as containers": busy[1]},
    unit="GB",
    title=f"Memory that is paid while {10 * SECONDS} streams wait for a model",
)

# %% [markdown]
# **Listens for**
#
# - Waiting is the work, and who is paid for it.
# - Buffered or streamed, and how one finds out.
# - A number from which the answer turns.
#
# **Usual wrong answer.** *"Mangum makes any ASGI app run there, and I return a `StreamingResponse`."*
# It runs, and the first token comes with the last one.

# %%
from concurrent.futures import ThreadPoolExecutor

from fastapi.responses import StreamingResponse
from mangum import Mangum
from visits import visit

app, log = FastAPI(), []


@app.get("/answer")
async def read_answer() -> StreamingResponse:
    async def tokens():
        for n in range(4):
            await asyncio.sleep(0)
            log.append(f"token {n}")
            yield f"data: {n}\n\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")


HTTP = {"method": "GET", "path": "/answer", "sourceIp": "192.0.2.1"}
EVENT = {"version": "2.0", "rawQueryString": "", "headers": {"host": "service.test"}}
EVENT |= {"rawPath": "/answer", "requestContext": {"http": HTTP}}


def call() -> dict:
    asyncio.set_event_loop(asyncio.new_event_loop())  # a thread of its own, as a function has
    try:
        return Mangum(app, lifespan="off")(EVENT, None)
    finally:
        asyncio.get_event_loop().close()


with ThreadPoolExecutor(1) as function:
    answer = function.submit(call).result()
log.append(f"handed over: {len(answer['body'])} characters")
pieces = len(run(visit(app, "/answer")).pieces)
print("through Mangum:   ", ", ".join(log[:5]))
print(f"through a server:  {pieces} pieces, each when it was there")
assert log.index(f"handed over: {len(answer['body'])} characters") == 4 and pieces == 4

# %% [markdown]
# **Then they ask.** *It has to be Lambda. How do you stream there?*
# Not through Mangum: with the Lambda Web Adapter a usual server runs in the function, and a function URL in streaming mode hands its bytes on as they come.
# What stays is one request for each environment, its longest run of fifteen minutes, and that a client which leaves may not be noticed.
# And the routes that cannot stream on a given way say so with 501 and do not pretend.
#
# **Your turn.** Write how many environments are busy at an average moment, and what share of their time is waiting.


# %%
def busy_environments(requests_per_s: float, seconds: float, cpu_s: float) -> tuple[float, float]:
    """Return the environments that are busy, and the share of their time that is waiting."""
    ...


# %%
from verdicts import check

check(
    busy_environments,
    [
        ((10.0, 20.0, 0.5), (200.0, 0.975)),
        ((0.5, 4.0, 1.0), (2.0, 0.75)),
        ((1.0, 2.0, 2.0), (2.0, 0.0)),
    ],
    because="Little's law for the first; of the seconds of one request all but `cpu_s` are waiting.",
)
