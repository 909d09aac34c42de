# %% [markdown]
# # 09 system design: what saturates first
#
# Five systems that interviewers let you draw.
# Each is worked out in numbers: what is asked for, what each part can do, and which part is full first.
# What a request costs is measured (`benchmarks/service.py`); limits are round numbers of an example: put your own in, and the picture changes.

# %%
from measured import EVENT_US, REQUEST_US, STREAM_KB
from pictures import bars

# %% [markdown]
# ## Design a chat for 10,000 users at once.
#
# `design-01` · staff
#
# *Think first.* Ten thousand people have the page open, and each asks once a minute; an answer has 400 tokens, twenty a second.
# How many answers are open at a time?
# Which is full first: CPU, memory, sockets, or something that is not yours?

# %% [markdown]
# **Spoken answer.** I begin with Little's law: 10,000 users ask 167 times a second, an answer lasts twenty seconds, so about 3,300 streams are open.
# On one event loop a stream costs some 70 kilobytes and an event some 65 microseconds, so that is a quarter of a gigabyte and under five cores: a handful of instances, and sockets by the thousand, which is a setting.
# What is full first is the provider: twelve million tokens a minute, against a limit of perhaps two.
# So the design is about that limit: admission by tokens, an honest wait in line, shorter contexts, a second provider.
# Everything of ours is behind a balancer that does not buffer, stateless but for the conversation, which is in a store.

# %%
USERS, EVERY_S, TOKENS_IN, TOKENS_OUT, PER_S = 10_000, 60, 800, 400, 20
starts_per_s = USERS / EVERY_S
open_streams = starts_per_s * TOKENS_OUT / PER_S
events_per_s = open_streams * PER_S
tokens_per_minute = starts_per_s * 60 * (TOKENS_IN + TOKENS_OUT)

# What there is: four instances with a core each and a gigabyte, and the provider's limit.
needs = {
    "CPU, of 4 cores": (events_per_s * EVENT_US + starts_per_s * REQUEST_US) / 1e6 / 4,
    "memory, of 4 GB": open_streams * STREAM_KB / 1e6 / 4,
    "sockets, of 65,536": 2 * open_streams / 65_536,
    "provider, of 2M tokens/min": tokens_per_minute / 2e6,
}
print(f"{open_streams:,.0f} streams open, {events_per_s:,.0f} events a second")
print(f"{tokens_per_minute / 1e6:.0f} million tokens a minute")
assert round(open_streams) == 3333 and tokens_per_minute == 12e6
assert max(needs, key=needs.get) == "provider, of 2M tokens/min"
bars({name: 100 * share for name, share in needs.items()}, unit="%", title="What is full first")

# %% [markdown]
# **Listens for**
#
# - Little's law before any box is drawn.
# - A figure for each resource, and which one is full first.
# - The limit of the provider as the center of the design: admission, waiting in line, fallback.
# - What a deploy does to 3,300 open streams.
#
# **Usual wrong answer.** *"Kubernetes scales it: more pods when the CPU is high."*
# The CPU is not what is full; twice the pods get exactly as many answers out of the provider.


# %%
def answered_per_minute(instances: int, limit_tokens: float) -> float:
    """How many of the 10,000 questions a minute are answered."""
    by_cpu = instances / (TOKENS_OUT * EVENT_US + REQUEST_US) * 1e6 * 60
    by_provider = limit_tokens / (TOKENS_IN + TOKENS_OUT)
    return min(USERS * 60 / EVERY_S, by_cpu, by_provider)


before, pods, provider = (answered_per_minute(*given) for given in ((4, 2e6), (40, 2e6), (5, 12e6)))
print(f"4 instances:                     {before:,.0f} of 10,000 questions a minute")
print(f"40 instances:                    {pods:,.0f}")
print(f"5 instances, six times the limit: {provider:,.0f}")
assert before == pods < provider == 10_000

# %% [markdown]
# **Then they ask.** *The limit stays at two million. What do the other eight thousand see?*
# A place in line and how long it takes, kept by the service, because a 429 that everybody answers with a retry makes the storm.
# Then less for each: a smaller context, a bound on the answer, a smaller model for what is easy, an answer from a cache where the same was asked.
# Who pays goes first, by a share and not by all of it.
#
# **Your turn.** Write how many streams are open at a time.


# %%
def streams_open(users: int, every_s: float, tokens: int, tokens_per_s: float) -> float:
    """Return the mean, for users who each ask every `every_s` seconds."""
    ...


# %%
from verdicts import check

check(
    streams_open,
    [((10_000, 60, 400, 20), 10_000 / 3), ((100, 10, 50, 50), 10.0), ((1, 60, 600, 20), 0.5)],
    because="How many start in a second, times how many seconds each lasts.",
)

# %% [markdown]
# ## Design search over ten million documents.
#
# `design-02` · staff
#
# *Think first.* Ten million documents are fifty million chunks of 1,024 numbers.
# How large are the vectors alone, and how long does it take to look at all of them once?

# %% [markdown]
# **Spoken answer.** Fifty million vectors of 1,024 floats are 205 gigabytes, so the first decision is what of it has to be in memory.
# I keep one bit for each number, six gigabytes, find a few hundred candidates with those, and rank them by the full vectors, which may be on disk.
# An index that is filtered by tenant must look inside the tenant, or it returns fewer than it should.
# Making it the first time is fifteen billion tokens to embed, which is days at a provider's limit, so it is a resumable job, and a change of model means a second index beside the first, and then a switch.
# I add words to vectors, because product names have no neighbors, and I measure recall on labelled questions before and after each saving.

# %%
import numpy as np

CHUNKS, DIMENSIONS = 50_000_000, 1_024
sizes = {
    "4 bytes a number": CHUNKS * DIMENSIONS * 4 / 1e9,
    "2 bytes a number": CHUNKS * DIMENSIONS * 2 / 1e9,
    "1 bit a number": CHUNKS * DIMENSIONS / 8 / 1e9,
}
draw = np.random.default_rng(7)
centers = draw.normal(size=(60, DIMENSIONS))
vectors = centers[draw.integers(60, size=3_000)] + draw.normal(size=(3_000, DIMENSIONS))
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
questions = vectors[:50] + 0.02 * draw.normal(size=(50, DIMENSIONS))


def found(candidates: int) -> float:
    """The share of the ten nearest that are found: candidates by bits, then ranked by all numbers."""
    hits = 0
    for question in questions:
        exact = set(np.argsort(-(vectors @ question))[:10].tolist())
        far = ((vectors > 0) != (question > 0)).sum(axis=1)
        near = np.argsort(far, kind="stable")[:candidates]
        hits += len(exact & set(near[np.argsort(-(vectors[near] @ question))[:10]].tolist()))
    return hits / (10 * len(questions))


bits_alone, ranked = found(10), found(200)
print(
    f"of the ten nearest, by bits alone {bits_alone:.0%}, 200 candidates ranked again {ranked:.0%}"
)
print(
    f"to embed: {CHUNKS * 300 / 1e9:.0f} billion tokens, {CHUNKS * 300 / 1e6 / 1440:.0f} days at a million a minute"
)
assert bits_alone < 0.85 and ranked > 0.97
assert sizes["4 bytes a number"] > 128 > sizes["2 bytes a number"]
bars(sizes, unit="GB", title="Fifty million vectors, beside a machine of 128 GB")

# %% [markdown]
# **Listens for**
#
# - Bytes first: chunks times dimensions times width.
# - Fewer bits to find, all of them to rank, and recall measured for it.
# - The filter by tenant inside of the search.
# - Ingestion as a job that resumes, and a change of the embedding model without a night offline.
#
# **Usual wrong answer.** *"Take the nearest ten, then drop what the user may not see."*
# With a thousand tenants, the nearest ten of everything are nearly all somebody else's.

# %%
tenant = draw.integers(100, size=len(vectors))
after, inside = [], []
for n, question in enumerate(questions):
    order = np.argsort(-(vectors @ question))
    after.append(int((tenant[order[:10]] == tenant[n]).sum()))
    inside.append(len(order[tenant[order] == tenant[n]][:10]))
print(f"asked for ten, filtered afterwards: {np.mean(after):.1f} are left, at worst {min(after)}")
print(f"asked for ten inside of the tenant: {np.mean(inside):.0f}")
assert np.mean(after) < 3 and min(inside) == 10

# %% [markdown]
# **Then they ask.** *A document is deleted at noon. Until when can it be cited?*
# Until the transaction that marks it ends: the search joins chunks with documents and leaves out what is marked, and the vectors go later, in the background.
# A cache of answers is the trap: its key has the version of the tenant's documents in it, or it goes on citing.
#
# **Your turn.** Write how many gigabytes an index needs.


# %%
def index_gb(documents: int, chunks_each: float, dimensions: int, bits: int) -> float:
    """Return the size of the vectors alone, in units of 1e9 bytes."""
    ...


# %%
from verdicts import check

check(
    index_gb,
    [
        ((10_000_000, 5, 1_024, 32), 204.8),
        ((10_000_000, 5, 1_024, 1), 6.4),
        ((1_000, 1.5, 8, 16), 2.4e-5),
    ],
    because="Documents times chunks times dimensions, times bits; a byte has eight of them.",
)

# %% [markdown]
# ## Design a batch of a million prompts a night.
#
# `design-03` · staff
#
# *Think first.* Eight hours, six seconds a call, 1,800 tokens each.
# How many calls have to be in flight, how long does it take at two million tokens a minute, and what has been paid when a worker dies at four in the morning?

# %% [markdown]
# **Spoken answer.** A million calls in eight hours are 35 a second, and at six seconds each about 210 are in flight: one process could do that.
# But they are 1.8 billion tokens, and at two million a minute that is fifteen hours, so the night is decided by the provider's limit: I ask for more, or use its batch interface, which is made for this and costs half.
# Each prompt is a row with a key; a worker takes rows with a lease and writes a result once, so a worker that dies costs its leases and nothing else.
# Retries have a budget, a prompt that fails three times goes to a list for people, and a circuit breaker stops the night when the provider is down, instead of burning through a million errors.

# %%
PROMPTS, HOURS, CALL_S, TOKENS_EACH = 1_000_000, 8, 6.0, 1_800
in_flight = PROMPTS / (HOURS * 3600) * CALL_S
hours = {
    "one call after the other": PROMPTS * CALL_S / 3600,
    "210 at once, no limit": PROMPTS * CALL_S / 210 / 3600,
    "2M tokens a minute": PROMPTS * TOKENS_EACH / 2e6 / 60,
    "4M tokens a minute": PROMPTS * TOKENS_EACH / 4e6 / 60,
}


def night(dies_after: set[int], batch: int = 50) -> tuple[int, int]:
    """Take leases, ask, write once; a worker dies at some calls. Return the calls paid for and the results."""
    waiting, results, paid = list(range(1_000)), dict[int, str](), 0
    while waiting:
        leased, waiting = waiting[:batch], waiting[batch:]
        for n, prompt in enumerate(leased):
            paid += 1
            if paid in dies_after:  # after the provider answered, before the result was written
                waiting += leased[n:]  # their leases end, and another worker takes them
                break
            results.setdefault(prompt, "answer")
    return paid, len(results)


paid, results = night(dies_after={120, 470, 900})
print(
    f"{in_flight:.0f} in flight; at 2M tokens a minute {hours['2M tokens a minute']:.0f} hours, not {HOURS}"
)
print(f"a thousand prompts, three workers killed: {results:,} results, {paid:,} calls paid")
assert round(in_flight) == 208 and hours["2M tokens a minute"] > HOURS > hours["4M tokens a minute"]
assert (results, paid) == (1_000, 1_003)
del hours["one call after the other"]  # 1,667 hours, off every scale
bars(hours, unit="h", title="How long the night is")

# %% [markdown]
# **Listens for**
#
# - Calls in flight and tokens a minute, both worked out, and which one decides.
# - A row for each prompt, a lease, a result that is written once: at least once in delivery, once in effect.
# - What a crash costs, in calls.
# - A list for what fails for good, and somebody who reads it.
#
# **Usual wrong answer.** *"`asyncio.gather` over all of them, and if it fails we start again."*
# The crash at nine tenths is paid for almost twice, and the second night has the same chance.

# %%
lost = {
    "all again": 900_000 + PROMPTS,
    "from the last row": PROMPTS + round(in_flight),
}
for way, calls in lost.items():
    print(f"{way:18} {calls:>9,} calls paid after a crash at 90 %")
assert lost["all again"] > 1.8 * PROMPTS > lost["from the last row"]

# %% [markdown]
# **Then they ask.** *The day's users share the provider's limit with the batch. What do you do?*
# Two budgets out of one limit, and the batch gets what the day leaves: it looks at what is left after each call and waits, and users never wait for it.
# A limit of its own, by another key or the batch interface, is better where it can be had.
#
# **Your turn.** Write how long the batch takes.


# %%
def batch_hours(
    prompts: int, call_s: float, at_once: int, tokens_each: int, tokens_per_minute: float
) -> float:
    """Return the hours, where both limits hold: calls at once, and tokens a minute."""
    ...


# %%
from verdicts import check

check(
    batch_hours,
    [
        ((1_000_000, 6.0, 210, 1_800, 2e6), 15.0),
        ((36_000, 10.0, 10, 100, 1e9), 10.0),
        ((60, 1.0, 1, 1_000, 60_000), 1 / 60),
    ],
    because="Each limit alone gives a time; the longer of the two is what you wait.",
)

# %% [markdown]
# ## Design a gateway for two hundred teams.
#
# `design-04` · staff
#
# *Think first.* 500 requests a second from 200 teams, through one door to three providers.
# One team starts a job with 900 calls. When does the team behind it get its ten answers?

# %% [markdown]
# **Spoken answer.** The door itself is cheap: 500 requests a second are a fifth of a core, so the questions are who may, how much, and who waits for whom.
# Keys are digests, believed for seconds and revoked by a message; budgets are in tokens, set aside before a call and settled after it, in one place that all instances ask.
# Where the provider's limit is shared, calls wait by team and are taken in turn, so one team's job waits behind itself.
# Every call leaves a record of who, which model, how many tokens: that is 43 million rows a day, written in batches, because one commit each would be what is full first.
# Nothing is cached across teams, and a provider that fails is left alone, with a second one named by the team, not by us.


# %%
def last_answer(waiting: dict[str, int], take_turns: bool) -> dict[str, int]:
    """At which answer, counted from 1, each team has its last one; they asked in this order."""
    left, last, served = dict(waiting), dict[str, int](), 0
    while left:
        for team in list(left):
            take = 1 if take_turns else left[team]
            served += take
            left[team] -= take
            if not left[team]:
                last[team] = served
                del left[team]
    return last


teams = {"the job": 900, **{f"team {n}": 10 for n in range(1, 10)}}
first_come, turns = last_answer(teams, take_turns=False), last_answer(teams, take_turns=True)
rows_per_s = 500
needs = {
    "CPU of the door, of 2 cores": rows_per_s * REQUEST_US / 1e6 / 2,
    "records, a commit each (200/s)": rows_per_s / 200,
    "records, 100 in a commit": rows_per_s / 100 / 200,
}
print(
    f"team 9 has its ten answers after {first_come['team 9']} of 990, or after {turns['team 9']} by turns"
)
print(f"the job ends after {first_come['the job']}, or after {turns['the job']}")
print(f"{rows_per_s * 86_400 / 1e6:.0f} million records a day")
assert first_come["team 9"] == 990 and turns["team 9"] == 100 and turns["the job"] == 990
assert needs["records, a commit each (200/s)"] > 1 > needs["records, 100 in a commit"]
bars({name: 100 * share for name, share in needs.items()}, unit="%", title="What is full first")

# %% [markdown]
# **Listens for**
#
# - Tokens and money as the unit of a budget, set aside first and settled after.
# - Fairness by team where something scarce is shared.
# - Records in batches, none lost when a process ends, and none of them with a prompt in it.
# - What a gateway must not do: answer one team out of another's cache, or hide which model answered.
#
# **Usual wrong answer.** *"A hundred requests a minute for each team."*
# One request may be a thousand times another; what is scarce is tokens.

# %%
small, large = 40, 60_000
within = {"small prompts": 100 * small, "long documents": 100 * large}
for team, tokens in within.items():
    print(f"100 requests a minute of {team:15} {tokens:>9,} tokens a minute")
print(f"the same limit, {within['long documents'] // within['small prompts']:,} times the bill")
assert within["long documents"] / within["small prompts"] == 1_500

# %% [markdown]
# **Then they ask.** *The store of the budgets is down. Do you let calls through?*
# Rate limits open, because their purpose is to protect us and a minute of them is cheap; budgets go on with what this instance last knew and a small share of its own, so that the worst is known in advance.
# And both are said: in a metric, in a log line once, and in what the team reads afterwards.
#
# **Your turn.** Write what each team gets of something scarce, so that nobody who wants little is cut for somebody who wants much.


# %%
def fair_shares(wants: list[float], capacity: float) -> list[float]:
    """Return what each gets, in the same order: all it wants, or as much as anybody else who is cut."""
    ...


# %%
from verdicts import check

check(
    fair_shares,
    [
        (([10.0, 10.0], 100.0), [10.0, 10.0]),
        (([900.0, 10.0], 100.0), [90.0, 10.0]),
        (([900.0, 10.0, 50.0], 90.0), [40.0, 10.0, 40.0]),
        (([30.0, 30.0, 30.0], 30.0), [10.0, 10.0, 10.0]),
    ],
    because="Give the smallest wish first, at most an equal share of what is left for those who are left.",
)

# %% [markdown]
# ## Design a service that runs agents.
#
# `design-05` · staff
#
# *Think first.* A run has twelve steps; each reads everything so far, and adds 1,500 tokens.
# How many tokens does it read in all?
# And what happens to a run that has just paid an invoice when you deploy?

# %% [markdown]
# **Spoken answer.** A run is a loop of model and tools, and its cost is the reading: every step reads all steps before it, so twelve steps read four times what one would guess, and forty read thirteen times.
# So a run has budgets: steps, tokens, seconds and money, checked before each step.
# It lasts minutes, so it is a job and no request: its state is written after each step, and any worker goes on from the last one.
# A tool that changes the world gets a key made of run and step, so that a step that is done again changes nothing; what cannot be taken back waits for a person.
# Tools run with the rights of the user, in a box, and what they return is data and never an instruction.
# The user watches a stream of events that can be read again from any point.

# %%
BASE, ADDED, STEPS = 2_000, 1_500, 12


def tokens_read(steps: int) -> int:
    """All that is read in a run: what stands at the beginning, and what each step has added, again and again."""
    return sum(BASE + step * ADDED for step in range(steps))


def tokens_new(steps: int) -> int:
    """What is read for the first time; the rest a provider may have in its cache."""
    return BASE + (steps - 1) * ADDED


class Invoices:
    """A tool that changes the world, and knows a key that it has seen."""

    def __init__(self) -> None:
        self.paid: list[str] = []

    def pay(self, key: str) -> None:
        if key not in self.paid:
            self.paid.append(key)


def run_agent(state: dict[str, int], tool: Invoices, dies_at: int | None) -> None:
    """Go on from the last step that was written; die between the effect of a step and its writing."""
    for step in range(state["done"], STEPS):
        if step % 4 == 3:
            tool.pay(f"run 7, step {step}")
        if step == dies_at:
            raise ConnectionAbortedError("a deploy")
        state["done"] = step + 1


payments = []
for dies_at in range(STEPS):
    state, tool = {"done": 0}, Invoices()
    try:
        run_agent(state, tool, dies_at)
    except ConnectionAbortedError:
        run_agent(state, tool, None)  # another worker
    assert state["done"] == STEPS
    payments.append(len(tool.paid))
guess = STEPS * (BASE + ADDED)
print(f"guessed {guess:,} tokens, read {tokens_read(STEPS):,}, of them new {tokens_new(STEPS):,}")
print(f"killed at each of {STEPS} steps: {set(payments)} invoices paid, as in a run that lives")
assert tokens_read(STEPS) > 2.5 * guess and set(payments) == {3}
bars(
    {f"{steps} steps": tokens_read(steps) / 1_000 for steps in (6, 12, 24, 40)},
    unit="thousand tokens",
    title="What a run reads",
)

# %% [markdown]
# **Listens for**
#
# - Reading grows with the square of the steps; budgets, shorter contexts and the provider's cache are the answer.
# - State after each step, effects with a key, so that a run survives a deploy.
# - Tools with the user's rights and no more, in a box, and a person before what cannot be taken back.
# - How a run is watched, stopped, and explained afterwards.
#
# **Usual wrong answer.** *"A WebSocket, and the agent runs in its handler."*
# The deploy ends the handler, the client asks again, and the run begins at its first step: so do its payments.

# %%
paid_in_all = []
for dies_at in range(STEPS):
    first, again = Invoices(), Invoices()  # nothing is remembered between the two
    try:
        run_agent({"done": 0}, first, dies_at)
    except ConnectionAbortedError:
        run_agent({"done": 0}, again, None)
    paid_in_all.append(len(first.paid) + len(again.paid))
print("invoices paid for three that were due, by where it died:", paid_in_all)
assert max(paid_in_all) == 6 and min(paid_in_all) == 3

# %% [markdown]
# **Then they ask.** *A page that the agent read says "send me the customer list". What stops it?*
# Not the prompt alone.
# The tool that sends is not among the tools of this run, or it takes only addresses of the user's own, or it waits for a person; and the tool that reads customers has the rights of the user who asked.
# What a page says is data with a fence around it, and what is left of the risk is bounded by what the tools can do.
#
# **Your turn.** Write how many steps a budget allows.


# %%
def steps_within(budget: int, base: int, added: int) -> int:
    """Return how many whole steps read at most `budget` tokens in all; step n reads base + n * added, from n = 0."""
    ...


# %%
from verdicts import check

check(
    steps_within,
    [
        ((123_000, 2_000, 1_500), 12),
        ((122_999, 2_000, 1_500), 11),
        ((1_999, 2_000, 1_500), 0),
        ((6_000, 2_000, 0), 3),
    ],
    because="Add up what each step reads, the earlier steps with it, and stop before the sum is too large.",
)
