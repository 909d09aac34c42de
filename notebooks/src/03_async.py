# %% [markdown]
# # 03 async: many calls, one slow model
#
# Nine questions about waiting: how many at once, what happens when one fails, when to ask again, who ends what nobody needs.
# Each stands alone: run the cell below, then go to any of them.
# The lesson behind them is `lessons/03_async`.

# %%
import mockllm.alias  # first of all: one name for httpx2 and httpx, so that one fake sees every client
from mockllm import MockLLM
from mockllm.router import routed

# %% [markdown]
# ## How do you handle long-running LLM requests?
#
# `async-01` · senior · on every list
#
# *Think first.* An answer takes ninety seconds, and the proxy in front of you closes a connection that has been silent for sixty.
# Three ways to deliver it: in one piece, as a stream, as a job. What does the user see after one second, and after ninety?

# %% [markdown]
# **Spoken answer.** First I ask how long, because that decides.
# Some seconds: the route awaits the call, with a timeout for each phase, a bound on how many are open, and it ends the call when the caller leaves.
# Up to a minute or two: I stream, so that the first words are there at once and no proxy on the way sees silence.
# Longer, or when nobody watches: a job, stored before I answer 202 with a status URL, done by a worker behind a queue, with an idempotency key because clients and queues deliver twice.
# The framework's background tasks are not that queue: they live in the process and die with it.

# %%
import asyncio

import httpx2 as httpx
from fastapi import FastAPI, Response
from virtual_time import now, run

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
QUESTION = {
    "model": "mock-large",
    "messages": [{"role": "user", "content": "Compare these two contracts."}],
}


def slow_model() -> MockLLM:
    """A model that thinks for a second, then writes 179 words, two a second: ninety seconds in all."""
    llm = MockLLM()
    llm.default.tokens(["word "] * 179).slow(first_token_s=1, cadence_s=0.5)
    return llm


def through_a_proxy() -> httpx.AsyncClient:
    """A connection that is closed after 60 s without a byte, as load balancers do."""
    return httpx.AsyncClient(timeout=httpx.Timeout(5, read=60), headers=KEY)


async def in_one_piece() -> list[float]:
    async with through_a_proxy() as client:
        try:
            await client.post(URL, json=QUESTION)
        except httpx.ReadTimeout:
            return []
        return [now()]


async def as_a_stream() -> list[float]:
    came = []
    async with (
        through_a_proxy() as client,
        client.stream("POST", URL, json={**QUESTION, "stream": True}) as reply,
    ):
        async for event in httpx.EventSource(reply):
            if '"content":"word ' in event.data:
                came.append(now())
    return came


# %%
async def as_a_job() -> list[float]:
    app = FastAPI()
    queue, done = asyncio.Queue(), {}  # they stand for Redis and a table

    @app.post("/jobs", status_code=202)
    async def create_job(response: Response) -> dict:
        await queue.put("job-1")  # stored before the answer leaves
        response.headers["Location"] = "/jobs/job-1"
        return {"status": "queued"}

    @app.get("/jobs/{job}")
    async def read_job(job: str) -> dict:
        return {"status": "done", "words": done[job]} if job in done else {"status": "working"}

    async def worker() -> None:  # another process, which waits as long as it takes
        async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=600), headers=KEY) as client:
            job = await queue.get()
            reply = await client.post(URL, json=QUESTION)
            done[job] = reply.json()["usage"]["completion_tokens"]

    working, came = asyncio.create_task(worker()), []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://service.test"
    ) as caller:
        where = (await caller.post("/jobs")).headers["location"]
        came.append(now())
        while "words" not in (await caller.get(where)).json():
            await asyncio.sleep(10)
        came.append(now())
    await working
    return came


seen, paid = {}, {}
for name, way in {
    "in one piece": in_one_piece,
    "as a stream": as_a_stream,
    "as a job": as_a_job,
}.items():
    with slow_model() as llm, routed(llm):
        seen[name] = run(way())
    paid[name] = llm.last.ended_at
    first, last = (
        (f"{at:g} s" for at in (seen[name][0], seen[name][-1]))
        if seen[name]
        else ("never", "never")
    )
    print(f"{name:13} something at {first:6} all at {last:6} the model worked for {paid[name]:g} s")
assert seen["in one piece"] == [] and paid["in one piece"] == 60, (
    "a minute of the model, and nobody got a word"
)
assert (seen["as a stream"][0], seen["as a stream"][-1]) == (1, 90)
assert seen["as a job"] == [0, 90]

# %%
from pictures import arrivals

assert len(seen["as a stream"]) == 179
arrivals(
    seen,
    until_s=100,
    title="What the user sees of an answer that takes 90 seconds, behind a proxy with 60 s of patience",
)

# %% [markdown]
# **Listens for**
#
# - Asks how long, and who waits, before naming a tool.
# - Names what limits each way: proxies and their patience, the caller who leaves, the process that ends.
# - A job is stored before the 202, has a status URL and an idempotency key.
# - Knows what background tasks are not.
#
# **Usual wrong answer.** *"`async def` does not block, so long calls are no problem; I raise the timeout and retry."*
# The timeouts on the way are not yours, and each retry starts the ninety seconds again.


# %%
async def in_one_piece_with_retries() -> int:
    delivered = 0
    async with through_a_proxy() as client:
        for _ in range(3):
            try:
                await client.post(URL, json=QUESTION)
                delivered += 1
                break
            except httpx.ReadTimeout:
                continue
    return delivered


with slow_model() as llm, routed(llm):
    delivered = run(in_one_piece_with_retries())
worked = sum(request.ended_at - request.at for request in llm.requests)
print(
    f"calls: {len(llm.requests)}, answers delivered: {delivered}, seconds that the model worked: {worked:g}"
)
assert (len(llm.requests), delivered, worked) == (3, 0, 180)

# %% [markdown]
# **Then they ask.** *The answer to `POST /jobs` gets lost and the client sends it again. What happens?*
# With an `Idempotency-Key`, the same: the key is unique per tenant in the table, so the second request finds the first job and answers with its URL.
# The worker needs the same care, because a queue delivers at least once: it takes a job with a lease and writes the result only if it still holds it.
#
# **Your turn.** Write whether the whole answer arrives through a proxy that closes after `patience_s` without a byte.
# `silence_s` is the longest pause between two pieces of the stream. The check runs it.


# %%
def arrives(way: str, total_s: float, silence_s: float, patience_s: float) -> bool:
    """Return whether all of it arrives; `way` is "one piece", "stream" or "job"."""
    ...


# %%
from verdicts import check


async def does_arrive(way: str, total_s: float, silence_s: float, patience_s: float) -> bool:
    if way == "job":
        return True
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=patience_s), headers=KEY) as client:
        try:
            return (
                await client.post(URL, json={**QUESTION, "stream": way == "stream"})
            ).status_code == 200
        except httpx.ReadTimeout:
            return False


def tried(way: str, total_s: float, silence_s: float, patience_s: float) -> bool:
    with MockLLM() as llm, routed(llm):
        pieces = 1 + round((total_s - silence_s) / silence_s)
        llm.default.tokens(["word "] * pieces).slow(first_token_s=silence_s, cadence_s=silence_s)
        return run(does_arrive(way, total_s, silence_s, patience_s))


CASES = [
    ("one piece", 30, 1, 60),
    ("one piece", 90, 1, 60),
    ("stream", 90, 1, 60),
    ("stream", 180, 90, 60),
    ("job", 900, 90, 60),
]
check(
    arrives,
    [(case, tried(*case)) for case in CASES],
    because=(
        "A proxy counts silence: in one piece that is all of the time, "
        "in a stream the longest pause, for a job a moment."
    ),
)

# %% [markdown]
# ## What does `await` do? Does it make a call faster?
#
# `async-02` · junior
#
# *Think first.* Three calls of three seconds each, awaited one below the other, and then with `gather`.
# How long does each take? And three functions that compute for three seconds?

# %% [markdown]
# **Spoken answer.** It makes no call faster.
# `await` says: I cannot go on before this is there, so let others run meanwhile.
# Three calls awaited one below the other take the sum, because I asked for them one after another; started together with a task group or `gather` they take as long as the slowest.
# That works because they wait, and waiting needs no CPU.
# Code that computes does not let go of the thread until it is done, so putting it into coroutines gains nothing; it wants a thread that releases the lock, or processes.

# %%
import asyncio

from pictures import Span, timeline
from virtual_time import now, run


async def ask_model() -> Span:
    began = now()
    await asyncio.sleep(3)  # what a call to a model is, seen from here
    return Span(0.0, began, now())


async def one_below_the_other() -> list[Span]:
    return [await ask_model() for _ in range(3)]


async def together() -> list[Span]:
    return await asyncio.gather(*(ask_model() for _ in range(3)))


panels = {
    "awaited one below the other": run(one_below_the_other()),
    "started together": run(together()),
}
for name, spans in panels.items():
    print(
        f"{name:28} each took {spans[0].ended - spans[0].began:g} s, all were there after {spans[-1].ended:g} s"
    )
assert [spans[-1].ended for spans in panels.values()] == [9, 3]
assert all(span.ended - span.began == 3 for spans in panels.values() for span in spans), (
    "no call got faster"
)
timeline(panels, until_s=10, title="Three calls of three seconds")

# %% [markdown]
# **Listens for**
#
# - `await` lets others run; it speeds nothing up.
# - Starting and waiting are two things: a task starts, `await` waits.
# - Only waiting overlaps; computing does not.
#
# **Usual wrong answer.** *"Async runs things in parallel."*
# One thread runs one thing; what computes without `await` is not interrupted by anybody.


# %%
async def compute(name: str, steps: list[str]) -> None:
    for n in range(3):
        steps.append(f"{name}{n}")  # no await: nobody else gets a turn


async def wait_between(name: str, steps: list[str]) -> None:
    for n in range(3):
        steps.append(f"{name}{n}")
        await asyncio.sleep(1)


async def steps_of(work) -> list[str]:
    steps: list[str] = []
    await asyncio.gather(work("a", steps), work("b", steps))
    return steps


computing, waiting = run(steps_of(compute)), run(steps_of(wait_between))
print("two that compute:", *computing)
print("two that wait:   ", *waiting)
assert computing == ["a0", "a1", "a2", "b0", "b1", "b2"], "one after the other, although gathered"
assert waiting == ["a0", "b0", "a1", "b1", "a2", "b2"]

# %% [markdown]
# **Then they ask.** *You have twenty calls, and at most eight may be open. How long does it take?*
# With a semaphore, a call starts as soon as another one ends, so it is about the sum divided by eight, and never less than the slowest.
# In batches of eight it is longer, because each batch waits for its slowest.
#
# **Your turn.** Write when the last call ends, if calls start in order, each as soon as a slot is free.


# %%
def all_done_after(seconds: list[float], slots: int) -> float:
    """Return when the last of these calls ends; all of them are there at 0 s."""
    ...


# %%
from verdicts import check


async def measured(seconds: list[float], slots: int) -> float:
    gate = asyncio.Semaphore(slots)

    async def one(takes: float) -> None:
        async with gate:
            await asyncio.sleep(takes)

    await asyncio.gather(*(one(takes) for takes in seconds))
    return now()


check(
    all_done_after,
    [
        (case, run(measured(*case)))
        for case in [
            ([3, 3, 3], 1),
            ([3, 3, 3], 3),
            ([4, 1, 1, 1], 2),
            ([1, 1, 1, 4], 2),
            ([2, 2, 2, 2, 2], 2),
        ]
    ],
    because=(
        "Keep for each slot when it is free, give each call to the slot that is free first, "
        "and look at the latest end."
    ),
)

# %% [markdown]
# ## Fifty calls, one fails. What do `gather` and a task group do, and what did the other forty-nine cost?
#
# `async-03` · mid
#
# *Think first.* The seventh call fails at once, the others need two seconds.
# How many answers do you have, and how many does the provider write on the bill?

# %% [markdown]
# **Spoken answer.** `gather` raises the first error at once and leaves the other calls running: nobody will read them, and all forty-nine are on the bill.
# A task group cancels the rest and waits until they have ended, which is right when one failure makes the others useless.
# For a batch neither is what I want, because there a failed call is one row of the result: so I catch the expected error around each single call and return it in its place, and leave bugs to the group.
# And I bound how many are open with a semaphore, or the provider's 429 decides it for me.

# %%
import asyncio
from collections import Counter

import httpx2 as httpx
from virtual_time import run

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
PROMPTS = [f"prompt {n:02}" for n in range(50)]


class LLMError(Exception):
    """The provider said no."""


async def ask(client: httpx.AsyncClient, prompt: str) -> str:
    body = {"model": "mock-large", "messages": [{"role": "user", "content": prompt}]}
    reply = await client.post(URL, json=body)
    if reply.status_code != 200:
        raise LLMError(reply.status_code)
    return reply.json()["choices"][0]["message"]["content"]


async def with_gather(client: httpx.AsyncClient) -> list:
    return await asyncio.gather(*(ask(client, prompt) for prompt in PROMPTS))


async def with_a_group(client: httpx.AsyncClient) -> list:
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(ask(client, prompt)) for prompt in PROMPTS]
    return [call.result() for call in calls]


async def row_by_row(client: httpx.AsyncClient, limit: int = 8) -> list:
    slots = asyncio.Semaphore(limit)

    async def one(prompt: str) -> str | LLMError:
        async with slots:
            try:
                return await ask(client, prompt)
            except (
                LLMError
            ) as error:  # this row's result; anything else is a bug, and ends the batch
                return error

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(one(prompt)) for prompt in PROMPTS]
    return [call.result() for call in calls]


# %%
async def outcome(way) -> int:
    """Ask everything, and return how many answers whoever asked has."""
    async with httpx.AsyncClient(headers=KEY, timeout=60) as client:
        try:
            answers = await way(client)
        except* LLMError:
            answers = []
        await asyncio.sleep(10)  # what was left running runs on
        return sum(isinstance(answer, str) for answer in answers)


def batch(way) -> tuple[int, int, int, int]:
    with MockLLM() as llm, routed(llm):
        llm.default.slow(first_token_s=2)
        llm.when("prompt 06").fail(500)
        got = run(outcome(way))
        states = Counter(request.state for request in llm.requests if request.status != 500)
        return got, states["answered"], states["abandoned"], llm.peak


seen = {
    name: batch(way)
    for name, way in {"gather": with_gather, "group": with_a_group, "rows": row_by_row}.items()
}
for name, (got, paid, ended, peak) in seen.items():
    print(
        f"{name:7} answers you have: {got:2}   paid in full: {paid:2}   ended early: {ended:2}   most open: {peak}"
    )
assert seen["gather"][:3] == (0, 49, 0), "every other answer was written, and read by nobody"
assert seen["group"][:3] == (0, 0, 49), "every other call was ended at once"
assert seen["rows"] == (49, 49, 0, 8)

# %% [markdown]
# **Listens for**
#
# - `gather` raises at once and lets the others run; a task group ends them.
# - A batch wants neither: an expected error is one row of the result, a bug still ends everything.
# - A bound on what is open.
#
# **Usual wrong answer.** *"`gather(..., return_exceptions=True)`."*
# It keeps the answers, opens fifty calls at once, and hands you your own bugs as if they were answers.


# %%
async def with_exceptions(client: httpx.AsyncClient) -> list:
    async def one(prompt: str) -> str:
        answer = await ask(client, prompt)
        return answer.txt if prompt == "prompt 00" else answer  # a typo of ours

    return await asyncio.gather(*(one(prompt) for prompt in PROMPTS), return_exceptions=True)


async def all_of_it() -> list:
    async with httpx.AsyncClient(headers=KEY, timeout=60) as client:
        return await with_exceptions(client)


with MockLLM() as llm, routed(llm):
    llm.default.slow(first_token_s=2)
    llm.when(lambda request: llm.in_flight > 10).fail(429)  # this provider takes ten calls at once
    results = run(all_of_it())
kinds = Counter(type(result).__name__ for result in results)
print(
    f"most open: {llm.peak}, refused by a provider that takes ten: {kinds['LLMError']} of {len(PROMPTS)}"
)
print("our own bug came back as a result:", repr(results[0]))
assert (llm.peak, kinds["LLMError"]) == (50, 40)
assert isinstance(results[0], AttributeError)

# %% [markdown]
# **Then they ask.** *And when the caller of the batch leaves in the middle?*
# Then the task group is cancelled and ends its calls, if nothing on the way swallows the cancellation: a bare `except:` around a call is enough to let it run on.
# What was answered until then is lost unless each row was stored as it came, which is why a large batch is a job.
#
# **Your turn.** Write how many of the *other* calls run to their end and are paid in full, when call number `fails` fails after its seconds.


# %%
def paid_in_full(way: str, seconds: list[float], fails: int) -> int:
    """Return the number; `way` is "gather", "group" or "rows", all calls start at once, and nobody else fails."""
    ...


# %%
from verdicts import check


async def count_ends(way: str, seconds: list[float], fails: int) -> int:
    ended = 0

    async def one(n: int) -> None:
        nonlocal ended
        await asyncio.sleep(seconds[n])
        if n == fails:
            raise LLMError
        ended += 1

    async def row(n: int) -> None:
        try:
            await one(n)
        except LLMError:
            pass

    try:
        if way == "gather":
            await asyncio.gather(*(one(n) for n in range(len(seconds))))
        else:
            async with asyncio.TaskGroup() as group:
                for n in range(len(seconds)):
                    group.create_task(one(n) if way == "group" else row(n))
    except* LLMError:
        pass
    await asyncio.sleep(100)
    return ended


SECONDS = [1.0, 2.0, 3.0, 4.0]
check(
    paid_in_full,
    [
        ((way, SECONDS, fails), run(count_ends(way, SECONDS, fails)))
        for way, fails in [("gather", 0), ("group", 0), ("group", 2), ("rows", 2), ("gather", 3)]
    ],
    because=(
        "gather and rows let everybody finish; "
        "a group lets only those finish who were faster than the failure."
    ),
)

# %% [markdown]
# ## Why jitter, why *full* jitter, and what do you do with `Retry-After`?
#
# `async-04` · senior
#
# *Think first.* A hundred callers ask in the same second, and the provider takes ten calls a second.
# Whoever is refused waits two seconds, then four, then eight, up to thirty-two. When is the last one served, and after how many calls?

# %% [markdown]
# **Spoken answer.** Because everybody was refused in the same moment, and without jitter everybody comes back in the same moment: the backoff only moves the crowd.
# Full jitter draws the wait evenly from zero to the bound, so the crowd spreads over the whole interval; adding a little noise to a fixed wait leaves most of it standing.
# `Retry-After` I obey as the earliest time, and add the jitter behind it, because everybody was told the same number.
# And I retry only what can pass, 429, 408, 409, 5xx or no answer, with a bound on each wait and a budget for all of them, in one layer.

# %%
import asyncio
import random
from collections import Counter

from pictures import crowds
from virtual_time import now, run


async def storm(wait_s, callers: int = 100, taken_per_s: int = 10) -> list[float]:
    """Everybody calls at 0 s, and again after `wait_s(n)` when refused for the n-th time; return every arrival."""
    arrivals, taken = [], Counter()

    async def caller() -> None:
        refusals = 0
        while True:
            arrivals.append(now())
            taken[int(now())] += 1
            if taken[int(now())] <= taken_per_s:
                return
            await asyncio.sleep(wait_s(refusals))
            refusals += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    return arrivals


def bound(n: int) -> float:
    return min(32, 2 * 2**n)


draw = random.Random(7).uniform  # the same every time, so that this page is the same every time
ways = {
    "doubling, no jitter": bound,
    "doubling, full jitter": lambda n: draw(0, bound(n)),
    "Retry-After: 5": lambda n: 5,
    "Retry-After: 5, full jitter": lambda n: 5 + draw(0, bound(n)),
}
back = {name: sorted(at for at in run(storm(wait_s)) if at > 0) for name, wait_s in ways.items()}


def crowd(times: list[float]) -> int:
    """The most calls within a tenth of a second."""
    return max(sum(at <= other < at + 0.1 for other in times) for at in times)


for name, times in back.items():
    print(
        f"{name:28} {100 + len(times)} calls, the last at {times[-1]:5.1f} s, at most {crowd(times):2} within 0.1 s"
    )
assert crowd(back["doubling, no jitter"]) == crowd(back["Retry-After: 5"]) == 90, (
    "the crowd only moved"
)
assert max(crowd(times) for name, times in back.items() if "full" in name) < 20
assert back["doubling, full jitter"][-1] < 0.2 * back["doubling, no jitter"][-1]
crowds(
    back,
    until_s=48,
    step_s=0.5,
    title="A hundred were refused by a provider that takes ten a second: when they come back",
)

# %% [markdown]
# **Listens for**
#
# - What is in step stays in step; the point is the others, not the wait.
# - Evenly from zero to the bound, not a bound plus some noise.
# - `Retry-After` as the earliest time, jitter behind it.
# - What is never retried, and a budget.
#
# **Usual wrong answer.** *"Exponential backoff, with a bit of random noise."*
# A tenth of noise on a fixed wait leaves a crowd that is a tenth of the wait wide, and it comes at full strength.

# %%
noise = sorted(at for at in run(storm(lambda n: bound(n) * (1 + draw(0, 0.1)))) if at > 0)
full = back["doubling, full jitter"]
print(
    f"a tenth of noise: {100 + len(noise)} calls, the last at {noise[-1]:.1f} s, at most {crowd(noise)} within 0.1 s"
)
print(
    f"full jitter:      {100 + len(full)} calls, the last at {full[-1]:.1f} s, at most {crowd(full)} within 0.1 s"
)
assert crowd(noise) > 3 * crowd(full) and noise[-1] > 3 * full[-1]

# %% [markdown]
# **Then they ask.** *The call was a `POST`. May you send it again at all?*
# A chat completion changes nothing at the provider, so the worst is paying twice, and after a timeout that does happen: the first answer may have been written.
# A call that books or mails something is only repeated with an idempotency key that the other side knows.
#
# **Your turn.** Write the wait before the next try; `draw` is a random number from 0 to 1.


# %%
def wait_before(
    retry: int, base_s: float, cap_s: float, retry_after_s: float | None, draw: float
) -> float:
    """Return seconds before retry number `retry`, counted from 0: full jitter, capped, not before Retry-After."""
    ...


# %%
from verdicts import check

check(
    wait_before,
    [
        ((0, 0.5, 8.0, None, 1.0), 0.5),
        ((3, 0.5, 8.0, None, 0.5), 2.0),
        ((10, 0.5, 8.0, None, 0.25), 2.0),
        ((0, 0.5, 8.0, 5.0, 0.5), 5.25),
        ((2, 0.5, 8.0, None, 0.0), 0.0),
    ],
    because=(
        "The bound is base times two to the n, but at most the cap; "
        "the draw takes a share of it; Retry-After goes on top."
    ),
)

# %% [markdown]
# ## The provider is down for a minute, and every layer retries. How many calls arrive?
#
# `async-05` · staff
#
# *Think first.* A gateway tries three times, your service tries three times, and the official client tries three times, because that is how it comes.
# One user asks one question.

# %% [markdown]
# **Spoken answer.** Twenty-seven for each question, because the layers multiply.
# That is how an outage of a minute becomes one of an hour: when the provider comes back, it is met by many times the normal load.
# So exactly one layer retries, the one next to the provider, because it knows what can pass and sees `Retry-After`; the official client gets `max_retries=0`, and the layers above pass the error on with its wait.
# That layer has a budget in proportion to its traffic, say a tenth, so that in a full outage the load grows by a tenth and not threefold.
# After a row of failures a breaker stops asking for some seconds, and a second provider or an honest 503 answers.

# %%
import asyncio

import openai
from virtual_time import now, run


async def ask(client: openai.AsyncOpenAI) -> None:
    await client.chat.completions.create(
        model="mock-large", messages=[{"role": "user", "content": "Hello"}]
    )


def trying(times: int, call):
    """One layer: the same call again, up to `times` in all."""

    async def layer() -> None:
        for last in (*[False] * (times - 1), True):
            try:
                return await call()
            except openai.APIStatusError:
                if last:
                    raise
                await asyncio.sleep(1)

    return layer


def calls_for_one_question(*, gateway: int, service: int, client_retries: int) -> int:
    async def question() -> None:
        async with openai.AsyncOpenAI(api_key="sk-test", max_retries=client_retries) as client:
            try:
                await trying(gateway, trying(service, lambda: ask(client)))()
            except openai.APIStatusError:
                pass

    with MockLLM() as llm, routed(llm):
        llm.default.fail(503, retry_after=1)
        run(question())
        return len(llm.requests)


as_it_comes = calls_for_one_question(
    gateway=3, service=3, client_retries=openai.DEFAULT_MAX_RETRIES
)
one_layer = calls_for_one_question(gateway=1, service=3, client_retries=0)
print(f"three layers that try three times: {as_it_comes} calls for one question")
print(f"one layer that tries three times:  {one_layer}")
assert (as_it_comes, one_layer) == (27, 3)

# %% [markdown]
# **Listens for**
#
# - Layers multiply, and the official client is one of them.
# - One layer retries, and why that one.
# - A budget in proportion to the traffic, and a breaker: what happens when retrying is the problem.
#
# **Usual wrong answer.** *"Each layer retries three times, so we are nine times safer."*
# Against chance three tries are enough; against an outage no number is.

# %%
share_failing = 0.02  # a normal day: one call in fifty fails by chance
print(
    f"a normal day:  unanswered are {share_failing**3:.6%} with 3 tries, {share_failing**27:.6%} with 27"
)
print(f"an outage:     {one_layer} calls and no answer, or {as_it_comes} calls and no answer")
assert share_failing**3 < 0.00001, "three tries are enough by far"
assert as_it_comes == 9 * one_layer

# %% [markdown]
# **Then they ask.** *How does a budget of a tenth work?*
# Each first call adds a tenth of a token to a bucket with a small bound, each retry takes a whole one, and without a token the error is passed on at once.
# On a normal day every retry finds a token; in an outage the bucket is empty after seconds, and the load stays at eleven tenths.
#
# **Your turn.** Write how many calls a minute arrive in a full outage with such a budget, and without one.


# %%
def calls_in_an_outage(questions: int, tries_per_layer: list[int], budget: float | None) -> float:
    """Return the calls for `questions`; a `budget` of 0.1 allows retries for a tenth of them in all, None any."""
    ...


# %%
from verdicts import check

check(
    calls_in_an_outage,
    [
        ((100, [3], None), 300),
        ((100, [3, 3, 3], None), 2_700),
        ((100, [3, 1, 1], None), 300),
        ((100, [3], 0.1), 110),
        ((100, [1], 0.1), 100),
    ],
    because=(
        "Layers multiply. A budget bounds what comes on top of the first call; "
        "where nobody retries, nothing comes on top."
    ),
)

# %% [markdown]
# ## How many connections should the pool have, and what happens to the call that finds none?
#
# `async-06` · senior
#
# *Think first.* Forty calls start every second, each takes three, and the client has its default of a hundred connections.
# What does the user notice after a minute?

# %% [markdown]
# **Spoken answer.** Calls per second times seconds per call is how many are open at once, so twenty a second of three seconds are sixty connections, and I add some room for a bad day.
# A call that finds none waits for the pool's timeout and then fails with a `PoolTimeout`, which is not the provider's fault, so I count it apart.
# If the pool is smaller than that product, the queue grows by the second for as long as the load lasts; that is not a timeout to raise but a sum to do.
# The upper end is what the provider allows, and whatever is above that I refuse early, with a 429 of mine, instead of letting it wait.

# %%
from threading import Thread

import httpx2 as httpx
from mockllm import serve_in_thread

QUESTION = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}

# Over real connections: two of them, and a model that is told when it may answer.
with serve_in_thread(MockLLM()) as provider:
    model_waits = provider.fake.hold()
    limits, timeout = httpx.Limits(max_connections=2), httpx.Timeout(5, pool=0.05)
    with httpx.Client(base_url=provider.url, limits=limits, timeout=timeout) as client:
        statuses: list[int] = []

        def ask() -> None:
            headers = {"authorization": "Bearer sk-test"}
            statuses.append(
                client.post("/v1/chat/completions", json=QUESTION, headers=headers).status_code
            )

        callers = [Thread(target=ask) for _ in range(2)]
        for caller in callers:
            caller.start()
        model_waits.arrived_blocking(2)
        try:
            ask()
            third = "answered"
        except httpx.PoolTimeout:
            third = "PoolTimeout"
        reached = len(provider.fake.requests)
        model_waits.open()
        for caller in callers:
            caller.join()

print(f"two connections, three calls: {statuses} and {third}; the provider saw {reached}")
assert (statuses, third, reached) == ([200, 200], "PoolTimeout", 2)

# %%
import asyncio

from virtual_time import now, run


async def load(
    calls_per_s: int, seconds: float, connections: int, minutes: int = 1
) -> tuple[int, float]:
    """How many calls are open when the minutes are over, and how long the last one waited for a connection."""
    pool, in_use, waited = asyncio.Semaphore(connections), 0, 0.0

    async def one(at: float) -> None:
        nonlocal in_use, waited
        await asyncio.sleep(at)
        async with pool:
            waited = now() - at
            in_use += 1
            await asyncio.sleep(seconds)
            in_use -= 1

    calls = [asyncio.create_task(one(n / calls_per_s)) for n in range(60 * minutes * calls_per_s)]
    await asyncio.sleep(60 * minutes - 0.01)
    open_then = in_use
    await asyncio.gather(*calls)
    return open_then, round(waited, 1)


seen = {calls_per_s: run(load(calls_per_s, 3.0, 100)) for calls_per_s in (20, 40)}
for calls_per_s, (in_use, waited) in seen.items():
    print(
        f"{calls_per_s} calls a second of 3 s: after a minute {in_use:3} are open, a new one waits {waited:g} s"
    )
assert seen[20] == (60, 0.0)
assert seen[40][0] == 100 and seen[40][1] > 10

# %% [markdown]
# **Listens for**
#
# - The product of rate and duration, with numbers.
# - `PoolTimeout`: whose fault it is, and that it is counted apart.
# - Beyond the limit: refuse early instead of queueing without end.
#
# **Usual wrong answer.** *"If calls time out waiting for the pool, I raise the pool's timeout."*
# The queue does not know about the timeout: it grows for as long as more comes in than goes out.

# %%
waits = {minutes: run(load(40, 3.0, 100, minutes))[1] for minutes in (1, 2)}
for minutes, waited in waits.items():
    print(
        f"after {minutes} min of 40 calls a second: a new one waits {waited:g} s for a connection"
    )
assert waits[2] > 1.9 * waits[1], "for as long as the load lasts; no timeout is long enough"

# %% [markdown]
# **Then they ask.** *One worker or four: whose pool is it?*
# Each process has its own, so the provider sees up to four times the number, and during a deploy the old and the new ones together.
# I divide what the provider allows by the copies that may run at once, and leave the exact count to a limiter that all of them share.
#
# **Your turn.** Write the size of the pool; `room` of 0.25 is a quarter on top.


# %%
def connections(calls_per_s: float, seconds: float, room: float) -> int:
    """Return how many connections the pool needs."""
    ...


# %%
from verdicts import check

check(
    connections,
    [((20, 3.0, 0.0), 60), ((20, 3.0, 0.25), 75), ((1, 0.5, 0.0), 1), ((7, 1.5, 0.5), 16)],
    because="Rate times seconds, and the room on top; a part of a connection is a whole one.",
)

# %% [markdown]
# ## A user closes the tab. Follow it from the socket to the provider's bill.
#
# `async-07` · senior
#
# *Think first.* The route awaits a call of four seconds and returns the answer. The user leaves after one.
# When does the provider's call end?

# %% [markdown]
# **Spoken answer.** The socket closes, the server notices and puts `http.disconnect` into the route's `receive`, and that is all that happens by itself.
# A route that does not stream is not cancelled: it waits for the model, builds the answer and hands it to nobody, and the call is paid in full.
# So I let the work race against the caller's leaving: whichever comes first ends the other, and I wait until it has ended.
# Then the cancellation goes down through my client, which closes its connection, and the provider stops.
# It needs everybody on the way to let it pass: one bare `except:` and the call runs on.

# %%
import asyncio

import httpx2 as httpx
from fastapi import FastAPI, HTTPException, Request
from virtual_time import run
from visits import visit

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
QUESTION = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}


async def ask_model() -> str:
    async with httpx.AsyncClient(headers=KEY, timeout=60) as client:
        return (await client.post(URL, json=QUESTION)).json()["choices"][0]["message"]["content"]


async def while_connected(request: Request, work):
    """Return what `work` returns, but do not work for a caller who has left."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise HTTPException(499)  # nobody reads it
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


app = FastAPI()


@app.post("/plain")
async def create_answer() -> str:
    return await ask_model()


@app.post("/race")
async def create_answer_for_who_stays(request: Request) -> str:
    return await while_connected(request, ask_model())


def call_of(url: str, leaves_at_s: float | None) -> tuple[str, float]:
    """How the provider's call ended, and when."""
    with MockLLM() as llm, routed(llm):
        llm.default.slow(first_token_s=4)
        run(visit(app, url, method="POST", leaves_at_s=leaves_at_s))
        return llm.last.state, llm.last.ended_at


seen = {
    (url, leaves): call_of(url, leaves) for url in ("/plain", "/race") for leaves in (1.0, None)
}
print("a plain route, the user leaves after 1 s: ", *seen["/plain", 1.0])
print("a race,        the user leaves after 1 s: ", *seen["/race", 1.0])
print("a race,        the user stays:            ", *seen["/race", None])
assert seen["/plain", 1.0] == ("answered", 4.0), "paid in full, and read by nobody"
assert seen["/race", 1.0] == ("abandoned", 1.0)
assert seen["/race", None] == seen["/plain", None] == ("answered", 4.0)

# %% [markdown]
# **Listens for**
#
# - Socket, server, `http.disconnect`, route, client, provider: and which of these does nothing by itself.
# - Work and leaving race; the loser is cancelled *and* awaited.
# - Cancellation has to pass: no bare `except:`, no swallowed `CancelledError`.
#
# **Usual wrong answer.** *"I check `await request.is_disconnected()` before the call."*
# Before the call the user is still there.


# %%
@app.post("/checked")
async def create_answer_after_a_look(request: Request) -> str:
    if await request.is_disconnected():
        raise HTTPException(499)
    return await ask_model()


@app.post("/swallows")
async def create_answer_whatever_comes(request: Request) -> str:
    async def stubborn() -> str:
        try:
            return await ask_model()
        except BaseException:  # what a bare `except:` catches: the cancellation too
            return await ask_model()  # "retry on any error"

    return await while_connected(request, stubborn())


print("a look before the call, leaves after 1 s: ", *call_of("/checked", 1.0))
print("a race around a bare except:              ", *call_of("/swallows", 1.0))
assert call_of("/checked", 1.0) == ("answered", 4.0)
assert call_of("/swallows", 1.0) == ("answered", 5.0), "cancelled, and asked again at once"

# %% [markdown]
# **Then they ask.** *What does the provider bill for the cancelled call?*
# The input, and what it had written by then; the connection's end is the only thing that tells it to stop.
# It cannot tell you the number any more, so you count yourself what has passed, in a place that the cancellation still reaches.
#
# **Your turn.** Write how many tokens are written for a user who leaves.


# %%
def tokens_written(tokens: int, per_s: float, leaves_at_s: float, race: bool) -> int:
    """Return the tokens that the model writes; it begins at 0 s, and `race` says whether the route ends the call."""
    ...


# %%
from verdicts import check

check(
    tokens_written,
    [
        ((400, 100.0, 1.0, False), 400),
        ((400, 100.0, 1.0, True), 100),
        ((400, 100.0, 9.0, True), 400),
        ((400, 100.0, 0.0, True), 0),
    ],
    because=(
        "Without the race all of them; "
        "with it, what was written until then, which is never more than all."
    ),
)

# %% [markdown]
# ## You made the service async and it got slower. What do you look at first?
#
# `async-08` · mid
#
# *Think first.* It answers two requests a second whether one user asks or a hundred, and the CPU is idle.
# Which single line does that?

# %% [markdown]
# **Spoken answer.** For one call that blocks inside `async def`: a client without `await`, a tokenizer, a log handler.
# It shows in three numbers: the rate does not rise with the users, the CPU is idle, and every latency rises together, the health check's too.
# If the CPU is busy instead, I look for a client that is built for each request; if the rate stops at a round number, for a pool or a semaphore.
# I find the line with asyncio's debug mode, with ruff's ASYNC rules, or with a dump of the stack while it hangs.
# Then the call gets a client with `await`, or a thread.

# %%
import asyncio
import json
from pathlib import Path

import httpx2 as httpx
from virtual_time import run

URL, KEY = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
QUESTION = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}


async def ask_with_await() -> None:
    async with httpx.AsyncClient(headers=KEY) as client:
        await client.post(URL, json=QUESTION)


async def ask_and_block() -> None:
    with httpx.Client(headers=KEY) as client:
        client.post(URL, json=QUESTION)  # inside async def, and nothing warns


def ten_at_once(ask) -> tuple[int, bool]:
    async def all_of_them() -> None:
        await asyncio.gather(*(ask() for _ in range(10)))

    with MockLLM() as llm, routed(llm):
        run(all_of_them())
        return llm.peak, llm.last.blocked_loop


measured = json.loads(Path("../benchmarks/results/async_vs_sync.json").read_text(encoding="utf-8"))
runs = {case["id"]: case["runs"] for case in measured["cases"]}
rates = [run["requests_per_s"] for run in runs["fastapi-blocking"]]
busiest = max(run["cpu_share"] for run in runs["fastapi-blocking"])

print(
    "ten users, a client with await: {} calls open at once, the loop stood still: {}".format(
        *ten_at_once(ask_with_await)
    )
)
print(
    "ten users, a client without:    {} call open at once, the loop stood still: {}".format(
        *ten_at_once(ask_and_block)
    )
)
print(
    "measured with 1, 10 and 100 users:",
    *(f"{rate:.1f}/s" for rate in rates),
    f"at {busiest:.1%} of one CPU",
)
assert ten_at_once(ask_with_await) == (10, False) and ten_at_once(ask_and_block) == (1, True)
assert max(rates) < 1.1 * min(rates) and busiest < 0.05

# %% [markdown]
# **Listens for**
#
# - One blocking call, before anything else.
# - How it shows: a rate that does not rise, an idle CPU, all latencies together.
# - How to find the line, in development and while it hangs.
#
# **Usual wrong answer.** *"It is overloaded: more workers."*
# Each worker adds one more call at a time.

# %%
shared = runs["fastapi-httpx2"][-1]["requests_per_s"]
workers = round(shared / rates[-1])
print(f"4 workers that block:    {4 * rates[-1]:.0f} requests a second")
print(f"1 worker that awaits:    {shared:.0f}")
print(f"workers to catch up:     {workers}, each with all of the application in memory")
assert 4 * rates[-1] < 0.1 * shared and workers > 50

# %% [markdown]
# **Then they ask.** *It is the tokenizer. A thread?*
# A thread frees the loop, so others are answered; but if it holds Python's lock all the time, the loop gets only its turns.
# Many tokenizers are written in Rust and release it, and then a thread is right, with a limiter of its own so that it does not take the forty threads of the `def` routes.
#
# **Your turn.** Say what is wrong from four numbers.
# The check takes them from the measurement.


# %%
def what_is_wrong(
    one_user_per_s: float, hundred_users_per_s: float, wait_s: float, cpu_share: float
) -> str:
    """Return "cpu", "blocked" (one at a time), "pool" (some at a time) or "fine" (90 % of what is possible)."""
    ...


# %%
from verdicts import check

EXPECTED = {
    "fastapi-blocking": "blocked",
    "fastapi-def": "pool",
    "fastapi-new-client": "cpu",
    "fastapi-httpx2": "fine",
}
check(
    what_is_wrong,
    [
        (
            (
                one["requests_per_s"],
                hundred["requests_per_s"],
                measured["upstream_ms"] / 1_000,
                hundred["cpu_share"],
            ),
            EXPECTED[name],
        )
        for name, (one, _, hundred) in runs.items()
        if name in EXPECTED
    ],
    because=(
        "100 users could get 100 / wait_s. Nearly that: fine. A CPU that is full: cpu. "
        "No more than one user gets: blocked."
    ),
)

# %% [markdown]
# ## What are `BackgroundTasks` for, and what are they not for?
#
# `async-09` · mid
#
# *Think first.* Three tasks are added, the second raises. Which run, and what does the caller see?
# And if the route ends with an `HTTPException`?

# %% [markdown]
# **Spoken answer.** For small things after the answer that may be lost: a metric, a cache, a usage line that is also counted elsewhere.
# They run in this process, one after another, once the response is sent.
# So when one raises, those behind it are dropped and the caller has a 200 already; when the route raises, not one of them runs; and when the process ends, they end with it.
# What must not be lost is written to a table or a queue before the answer leaves, and a worker takes it from there.
# And each task catches and logs its own errors.

# %%
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.testclient import TestClient

app, ran = FastAPI(), []


def log_usage() -> None:
    ran.append("log_usage")


def send_receipt() -> None:
    raise ConnectionError("the mail server is down")


def warm_cache() -> None:
    ran.append("warm_cache")


@app.post("/chat")
async def create_chat(background: BackgroundTasks, user: str) -> str:
    for task in (log_usage, send_receipt, warm_cache):
        background.add_task(task)
    if user == "mallory":
        raise HTTPException(402, "no credit left")
    return "42"


def after(user: str) -> tuple[int, list[str]]:
    ran.clear()
    reply = TestClient(app, raise_server_exceptions=False).post("/chat", params={"user": user})
    return reply.status_code, list(ran)


print("the second of three raises:", *after("ada"))
print("the route refuses:         ", *after("mallory"))
assert after("ada") == (200, ["log_usage"]), "warm_cache was dropped, and the caller has a 200"
assert after("mallory") == (402, [])

# %% [markdown]
# **Listens for**
#
# - For what may be lost, and an example.
# - The three ways in which a task does not run: the one before it, the route, the process.
# - Where the rest goes: stored before the answer.
#
# **Usual wrong answer.** *"It is FastAPI's job queue: the answer is fast and the work is done later."*
# Later there may be no process: a deploy waits some seconds at most, then it cancels what still runs.

# %%
import asyncio

from virtual_time import run
from visits import Visit, visit

service, saved = FastAPI(), []


@service.post("/documents", status_code=202)
async def create_document(background: BackgroundTasks) -> str:
    async def index() -> None:
        await asyncio.sleep(60)  # a minute of work
        saved.append("document")

    background.add_task(index)
    return "accepted"


async def deployed_meanwhile() -> Visit:
    seen = Visit()
    serving = asyncio.create_task(visit(service, "/documents", method="POST", into=seen))
    await asyncio.sleep(5)  # SIGTERM, and the seconds of grace are over
    serving.cancel()
    await asyncio.wait({serving})
    return seen


seen = run(deployed_meanwhile())
print(f"the caller has: {seen.status} {seen.json()!r}")
print("what was saved:", saved)
assert seen.status == 202 and seen.whole
assert saved == [], "accepted, and gone"

# %% [markdown]
# **Then they ask.** *The task is a plain `def` that blocks. Does it stop the loop?*
# No: FastAPI runs it in a thread, out of the same forty that every `def` route needs, so a slow one in front of many requests takes them all.
# An `async def` task runs on the loop itself, and there a blocking line stops everybody.
#
# **Your turn.** Write which tasks run to their end.


# %%
def run_to_their_end(tasks: dict[str, bool], route_raises: bool) -> list[str]:
    """Return the names in order; a task is a name and whether it raises."""
    ...


# %%
from verdicts import check


def truly(tasks: dict[str, bool], route_raises: bool) -> list[str]:
    app, ended = FastAPI(), []

    def task(name: str, raises: bool) -> None:
        if raises:
            raise OSError(name)
        ended.append(name)

    @app.post("/")
    async def create(background: BackgroundTasks) -> None:
        for name, raises in tasks.items():
            background.add_task(task, name, raises)
        if route_raises:
            raise HTTPException(400)

    TestClient(app, raise_server_exceptions=False).post("/")
    return ended


check(
    run_to_their_end,
    [
        (case, truly(*case))
        for case in [
            ({"usage": False, "mail": False}, False),
            ({"usage": False, "mail": True, "cache": False}, False),
            ({"usage": True, "mail": False}, False),
            ({"usage": False}, True),
        ]
    ],
    because=(
        "One after another until the first that raises; "
        "and none at all for a request that was refused."
    ),
)
