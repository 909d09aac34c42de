# fails: 05.7
# says: 1 / log2(3)
"""The older definition: the first two ranks count the same."""

# >>> 05.7 (3)
gain = sum(1 / max(1, log2(rank)) for rank, one in enumerate(ranked[:k], 1) if one in relevant)
return gain / sum(1 / max(1, log2(rank)) for rank in range(1, min(k, len(relevant)) + 1))
# <<< 05.7
