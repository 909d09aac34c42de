# Answers to the open functions of notebooks/src/01_basics.py: each a right and a wrong one.

# %% basics-01 right
def requests_per_s(users, wait_s, at_once):
    return min(users, at_once) / wait_s

# %% basics-01 wrong
def requests_per_s(users, wait_s, at_once):
    return at_once / wait_s

# %% basics-02 right
def lend(pool):
    connection = pool.pop()
    try:
        yield connection
    finally:
        pool.append(connection)

# %% basics-02 wrong
def lend(pool):
    connection = pool.pop()
    yield connection
    pool.append(connection)

# %% basics-03 right
def worst_wait(users, workers, seconds):
    rounds = -(-users // workers)
    return rounds * seconds

# %% basics-03 wrong
def worst_wait(users, workers, seconds):
    return users / workers * seconds

# %% basics-04 right
def deaf_share(uploads_per_minute, seconds_each):
    return min(1.0, uploads_per_minute * seconds_each / 60)

# %% basics-04 wrong
def deaf_share(uploads_per_minute, seconds_each):
    return uploads_per_minute * seconds_each / 60

# %% basics-05 right
def closing_order(names, broken):
    opened = names if broken is None else names[: names.index(broken)]
    return opened[::-1]

# %% basics-05 wrong
def closing_order(names, broken):
    return [name for name in reversed(names) if name != broken]

# %% basics-06 right
def place_of(name, path, annotation):
    if f"{{{name}}}" in path:
        return "path"
    return "query" if annotation in (str, int, float, bool) else "body"

# %% basics-06 wrong
def place_of(name, path, annotation):
    return "path" if name in path else "body"

# %% basics-07 right
def most_allowed(limit, workers, requests):
    return min(limit * workers, requests)

# %% basics-07 wrong
def most_allowed(limit, workers, requests):
    return limit

# %% basics-08 right
import math

def threads_needed(calls_per_s, seconds):
    return math.ceil(calls_per_s * seconds)

# %% basics-08 wrong
def threads_needed(calls_per_s, seconds):
    return round(calls_per_s)
