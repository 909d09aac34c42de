# fails: 05.8
# says: Of each page only its best few are kept
"""As lesson 05 has it: every chunk is kept that was found."""

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
for (page, start), score in scores.most_common():
    kept.append(Hit(page, start, score))
return kept[:k]
# <<< 05.8
