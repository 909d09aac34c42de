# fails: 05.8
# says: what is left out leaves its place empty
"""Cuts to k, and thins out then."""

# >>> 05.8
if k < 1 or per_page < 1:
    raise ValueError(f"k and per_page must be at least 1, got k={k}, per_page={per_page}")
scores: Counter[tuple[str, int]] = Counter()
for ranking in rankings:
    for rank, hit in enumerate(ranking, 1):
        scores[hit.page, hit.start] += 1 / (60 + rank)  # type: ignore[assignment] - a Counter counts floats, too
kept: list[Hit] = []
of_page: Counter[str] = Counter()
# All of them, not the first k: whoever is left out makes room for one further down.
for (page, start), score in scores.most_common(k):
    if of_page[page] < per_page:
        of_page[page] += 1
        kept.append(Hit(page, start, score))
return kept[:k]
# <<< 05.8
