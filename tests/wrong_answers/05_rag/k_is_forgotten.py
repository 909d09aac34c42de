# fails: 05.7
# says: recall@2 is 0.0, not 1.0
"""Looks right while the search returns k."""

# >>> 05.7
return len(set(ranked) & set(relevant)) / len(relevant)
# <<< 05.7
