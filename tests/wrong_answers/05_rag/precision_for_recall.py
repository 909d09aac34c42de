# fails: 05.7
# says: Of what there was to find
"""Looks right for five answers: of what was shown, how much is good. That is precision."""

# >>> 05.7
return len(set(ranked[:k]) & set(relevant)) / k
# <<< 05.7
