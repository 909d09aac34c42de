# Answers to the open functions of notebooks/src/06_production.py: each a right and a wrong one.

# %% production-01 right
def value_of(environment, dotenv, default):
    return environment or dotenv or default

# %% production-01 wrong
def value_of(environment, dotenv, default):
    return next((one for one in (environment, dotenv, default) if one is not None), None)

# %% production-02 right
import re

def id_of(asked, fresh):
    return asked if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", asked) else fresh

# %% production-02 wrong
import re

def id_of(asked, fresh):
    return asked if re.match(r"[\w.-]{8,64}$", asked) else fresh

# %% production-03 right
def times_of(messages):
    first = next((at for at, size, _ in messages if size), None)
    return [first, next((at for at, _, more in messages if not more), None)]

# %% production-03 wrong
def times_of(messages):
    return [messages[0][0], messages[-1][0]]

# %% production-04 right
def retry_after_s(passed, now_s, limit, window_s):
    young = [at for at in passed if at > now_s - window_s]
    return young[-limit] + window_s - now_s if len(young) >= limit else 0.0

# %% production-04 wrong
def retry_after_s(passed, now_s, limit, window_s):
    return window_s - now_s % window_s if len(passed) >= limit else 0.0

# %% production-05 right
def let_through(fails, sent, limit, workers):
    return {"open": sent, "closed": 0, "each counts": min(sent, limit * workers)}[fails]

# %% production-05 wrong
def let_through(fails, sent, limit, workers):
    return {"open": sent, "closed": 0, "each counts": limit * workers}[fails]

# %% production-06 right
from math import prod

def lines_of(values_per_label, bounds):
    return prod(values_per_label) * (bounds + 3)

# %% production-06 wrong
def lines_of(values_per_label, bounds):
    return max(sum(values_per_label), 1) * (bounds + 3)

# %% production-07 right
def state_after(events, failures):
    state, failed = "closed", 0
    for event in events:
        if event == "wait":
            state = "one may try"
        elif event == "ok":
            state, failed = "closed", 0
        else:
            failed += 1
            if state == "one may try" or failed >= failures:
                state = "open"
    return state

# %% production-07 wrong
def state_after(events, failures):
    state, failed = "closed", 0
    for event in events:
        if event == "wait":
            state, failed = "one may try", 0
        elif event == "ok":
            state, failed = "closed", 0
        else:
            failed += 1
            if failed >= failures:
                state = "open"
    return state

# %% production-08 right
import json

def may_share(first, second):
    body = first[1]
    if body.get("temperature") != 0 or body.get("stream"):
        return False
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)

# %% production-08 wrong
def may_share(first, second):
    body = first[1]
    return body.get("temperature") == 0 and not body.get("stream") and first == second

# %% production-09 right
def hours_left(bad_share, promised, days):
    return days * 24 * (1 - promised) / bad_share if bad_share else float("inf")

# %% production-09 wrong
def hours_left(bad_share, promised, days):
    return days * 24 * (1 - promised) * (1 - bad_share)
