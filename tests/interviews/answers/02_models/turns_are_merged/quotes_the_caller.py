# fails: 02.3
# says: the error quotes what was said
"""Helpful to a fault: the error shows the conversation."""

# >>> imports
from itertools import groupby
# <<< imports

# >>> 02.3
merged = [Turn(role, "\n\n".join(turn.content for turn in said)) for role, said in groupby(turns, lambda turn: turn.role)]
if any(turn.role == "system" for turn in merged[1:]):
    raise ValueError(f"a system turn in the middle: {merged}")
if not merged or merged[-1].role != "user":
    raise ValueError(f"the last turn must be the user's: {merged}")
if sum(len(turn.content) for turn in merged) > most_chars:
    raise ValueError(f"too long: {merged}")
return merged
# <<< 02.3
