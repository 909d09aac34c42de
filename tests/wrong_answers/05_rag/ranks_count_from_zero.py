# fails: 05.7
# says: Ranks count from 1
"""Looks right to everybody who counts in Python: the second has rank 1."""

# >>> 05.7 (2)
for rank, one in enumerate(ranked):
    if one in relevant:
        return 1 / max(rank, 1)
return 0.0
# <<< 05.7
