# fails: 02.3
# says: the list that was passed has
"""Merges in the caller's own list."""

# >>> 02.3
at = 1
while at < len(turns):
    if turns[at].role == turns[at - 1].role:
        turns[at - 1 : at + 1] = [Turn(turns[at].role, f"{turns[at - 1].content}\n\n{turns[at].content}")]
    else:
        at += 1
if any(turn.role == "system" for turn in turns[1:]):
    raise ValueError("a system turn may only stand at the beginning")
if not turns or turns[-1].role != "user":
    raise ValueError("the last turn must be the user's")
if sum(len(turn.content) for turn in turns) > most_chars:
    raise ValueError("too long")
return turns
# <<< 02.3
