# fails: 05.8
# says: cannot be a key
"""Looks right: the class is frozen. There is a dict in it."""

# >>> 05.8
scores = {}
for ranking in rankings:
    for rank, hit in enumerate(ranking, 1):
        scores[hit.chunk] = scores.get(hit.chunk, 0.0) + 1 / (60 + rank)
return sorted((Hit(one, score) for one, score in scores.items()), key=lambda hit: -hit.score)
# <<< 05.8
