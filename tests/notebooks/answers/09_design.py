# Answers to the open functions of notebooks/src/09_design.py: each a right and a wrong one.

# %% design-01 right
def streams_open(users, every_s, tokens, tokens_per_s):
    return users / every_s * tokens / tokens_per_s

# %% design-01 wrong
def streams_open(users, every_s, tokens, tokens_per_s):
    return users * tokens / tokens_per_s

# %% design-02 right
def index_gb(documents, chunks_each, dimensions, bits):
    return documents * chunks_each * dimensions * bits / 8 / 1e9

# %% design-02 wrong
def index_gb(documents, chunks_each, dimensions, bits):
    return documents * chunks_each * dimensions * bits / 1e9

# %% design-03 right
def batch_hours(prompts, call_s, at_once, tokens_each, tokens_per_minute):
    return max(prompts * call_s / at_once / 3600, prompts * tokens_each / tokens_per_minute / 60)

# %% design-03 wrong
def batch_hours(prompts, call_s, at_once, tokens_each, tokens_per_minute):
    return prompts * call_s / at_once / 3600

# %% design-04 right
def fair_shares(wants, capacity):
    shares = [0.0] * len(wants)
    order = sorted(range(len(wants)), key=lambda n: wants[n])
    for place, n in enumerate(order):
        shares[n] = min(wants[n], capacity / (len(wants) - place))
        capacity -= shares[n]
    return shares

# %% design-04 wrong
def fair_shares(wants, capacity):
    return [min(want, capacity / len(wants)) for want in wants]

# %% design-05 right
def steps_within(budget, base, added):
    steps = 0
    while (budget := budget - base - steps * added) >= 0:
        steps += 1
    return steps

# %% design-05 wrong
def steps_within(budget, base, added):
    return budget // (base + added)
