# Answers to the open functions of notebooks/src/05_rag.py: each a right and a wrong one.

# %% rag-01 right
def pages_that_fit(context_tokens, answer_tokens, tokens_per_page):
    return max(context_tokens - answer_tokens, 0) // tokens_per_page

# %% rag-01 wrong
def pages_that_fit(context_tokens, answer_tokens, tokens_per_page):
    return context_tokens // tokens_per_page

# %% rag-02 right
def windows_of(length, size, overlap):
    windows, start = [], 0
    while start < length:
        windows.append((start, min(start + size, length)))
        if start + size >= length:
            break
        start += size - overlap
    return windows

# %% rag-02 wrong
def windows_of(length, size, overlap):
    return [(start, start + size) for start in range(0, length - size + 1, size - overlap)]

# %% rag-03 right
def cosine_of(squared_distance):
    return 1 - squared_distance / 2

# %% rag-03 wrong
def cosine_of(squared_distance):
    return 1 - squared_distance

# %% rag-04 right
def fuse(rankings):
    points = {}
    for ranking in rankings:
        for rank, name in enumerate(ranking, start=1):
            points[name] = points.get(name, 0) + 1 / (60 + rank)
    return sorted(points, key=lambda name: (-points[name], name))

# %% rag-04 wrong
def fuse(rankings):
    return list(dict.fromkeys(name for ranking in rankings for name in ranking))

# %% rag-05 right
def blame(right, was_shown, right_with_passage_alone):
    if right:
        return "nobody"
    if not was_shown:
        return "search"
    return "noise" if right_with_passage_alone else "model"

# %% rag-05 wrong
def blame(right, was_shown, right_with_passage_alone):
    if right:
        return "nobody"
    return "noise" if right_with_passage_alone else "model"

# %% rag-06 right
def nearest(scores, owners, tenant, k):
    mine = [row for row, owner in enumerate(owners) if owner == tenant]
    return sorted(mine, key=lambda row: -scores[row])[:k]

# %% rag-06 wrong
def nearest(scores, owners, tenant, k):
    first = sorted(range(len(scores)), key=lambda row: -scores[row])[:k]
    return [row for row in first if owners[row] == tenant]

# %% rag-07 right
import re

def stands_on(text, sources):
    said = [int(n) for n in re.findall(r"\[(\d+)\]", text)]
    return [n for n in dict.fromkeys(said) if 1 <= n <= sources]

# %% rag-07 wrong
import re

def stands_on(text, sources):
    return [int(n) for n in dict.fromkeys(re.findall(r"\[(\d+)\]", text))]

# %% rag-08 right
def to_do(documents, embedded):
    stale = sorted(name for name in documents if embedded.get(name) != documents[name])
    return [stale, sorted(embedded.keys() - documents.keys())]

# %% rag-08 wrong
def to_do(documents, embedded):
    return [sorted(documents.keys() - embedded.keys()), sorted(embedded.keys() - documents.keys())]

# %% rag-09 right
def highest_floor(answerable, floors, may_lose):
    return max((floor for floor in floors if sum(one < floor for one in answerable) <= may_lose), default=0.0)

# %% rag-09 wrong
def highest_floor(answerable, floors, may_lose):
    return next((floor for floor in floors if sum(one < floor for one in answerable) <= may_lose), 0.0)

# %% rag-10 right
def taken_back(events):
    seen = "show" in events and "ask" in events[events.index("show") :]
    return seen and "save" not in events

# %% rag-10 wrong
def taken_back(events):
    return "ask" in events and "save" not in events
