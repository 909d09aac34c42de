# fails: 05.7
# says: The best possible gain is that of all that is relevant
"""The gains that were found, sorted, are taken for the best there could be: what was missed costs nothing."""

# >>> 05.7 (3)
gains = [1.0 if one in relevant else 0.0 for one in ranked[:k]]
best = sum(gain / log2(rank + 1) for rank, gain in enumerate(sorted(gains, reverse=True), 1))
return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, 1)) / best if best else 0.0
# <<< 05.7
