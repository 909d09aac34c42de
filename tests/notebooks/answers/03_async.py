# Answers to the open functions of notebooks/src/03_async.py: each a right and a wrong one.

# %% async-01 right
def arrives(way, total_s, silence_s, patience_s):
    longest = {"one piece": total_s, "stream": silence_s, "job": 0}[way]
    return longest < patience_s

# %% async-01 wrong
def arrives(way, total_s, silence_s, patience_s):
    return way != "one piece" or total_s < patience_s

# %% async-02 right
import heapq

def all_done_after(seconds, slots):
    free = [0.0] * slots
    for takes in seconds:
        heapq.heappush(free, heapq.heappop(free) + takes)
    return max(free)

# %% async-02 wrong
def all_done_after(seconds, slots):
    return max(max(seconds), sum(seconds) / slots)

# %% async-03 right
def paid_in_full(way, seconds, fails):
    others = seconds[:fails] + seconds[fails + 1 :]
    return sum(way != "group" or takes < seconds[fails] for takes in others)

# %% async-03 wrong
def paid_in_full(way, seconds, fails):
    return 0 if way == "group" else len(seconds)

# %% async-04 right
def wait_before(retry, base_s, cap_s, retry_after_s, draw):
    return (retry_after_s or 0.0) + draw * min(cap_s, base_s * 2**retry)

# %% async-04 wrong
def wait_before(retry, base_s, cap_s, retry_after_s, draw):
    return retry_after_s or min(cap_s, draw * base_s * 2**retry)

# %% async-05 right
import math

def calls_in_an_outage(questions, tries_per_layer, budget):
    calls = questions * math.prod(tries_per_layer)
    return calls if budget is None else min(calls, questions * (1 + budget))

# %% async-05 wrong
def calls_in_an_outage(questions, tries_per_layer, budget):
    calls = questions * sum(tries_per_layer)
    return calls if budget is None else calls * budget

# %% async-06 right
import math

def connections(calls_per_s, seconds, room):
    return math.ceil(calls_per_s * seconds * (1 + room))

# %% async-06 wrong
def connections(calls_per_s, seconds, room):
    return int(calls_per_s * seconds * (1 + room))

# %% async-07 right
def tokens_written(tokens, per_s, leaves_at_s, race):
    return min(tokens, int(per_s * leaves_at_s)) if race else tokens

# %% async-07 wrong
def tokens_written(tokens, per_s, leaves_at_s, race):
    return int(per_s * leaves_at_s)

# %% async-08 right
def what_is_wrong(one_user_per_s, hundred_users_per_s, wait_s, cpu_share):
    if hundred_users_per_s > 0.9 * 100 / wait_s:
        return "fine"
    if cpu_share > 0.9:
        return "cpu"
    return "blocked" if hundred_users_per_s < 1.5 * one_user_per_s else "pool"

# %% async-08 wrong
def what_is_wrong(one_user_per_s, hundred_users_per_s, wait_s, cpu_share):
    return "fine" if hundred_users_per_s > 0.9 * 100 / wait_s else "cpu"

# %% async-09 right
def run_to_their_end(tasks, route_raises):
    ended = []
    for name, raises in tasks.items():
        if route_raises or raises:
            break
        ended.append(name)
    return ended

# %% async-09 wrong
def run_to_their_end(tasks, route_raises):
    return [name for name, raises in tasks.items() if not raises]
