# fails: 02.3
# says: count after merging
"""Counts what came in: the blank lines are sent as well."""

# >>> imports
from itertools import groupby
# <<< imports

# >>> 02.3
if sum(len(turn.content) for turn in turns) > most_chars:
    raise ValueError("too long")
merged = [Turn(role, "\n\n".join(turn.content for turn in said)) for role, said in groupby(turns, lambda turn: turn.role)]
if any(turn.role == "system" for turn in merged[1:]):
    raise ValueError("a system turn may only stand at the beginning")
if not merged or merged[-1].role != "user":
    raise ValueError("the last turn must be the user's")
return merged
# <<< 02.3
