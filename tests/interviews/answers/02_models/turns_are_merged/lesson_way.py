# fails: 02.3
# says: Neighbors with one role become one turn
"""As lesson 02 has it: checked, and passed on as they came."""

# >>> 02.3
if any(turn.role == "system" for turn in turns[1:]):
    raise ValueError("only the first turn may be the system's")
if not turns or turns[-1].role != "user":
    raise ValueError("the last turn must be the user's")
if sum(len(turn.content) for turn in turns) > most_chars:
    raise ValueError("too long")
return turns
# <<< 02.3
