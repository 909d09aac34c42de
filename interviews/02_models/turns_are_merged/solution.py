"""Interview - a conversation that every provider takes."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """Given: what one speaker said at once."""

    role: Role
    content: str


def tidy(turns: list[Turn], *, most_chars: int = 8_000) -> list[Turn]:
    """Return a conversation in which the speakers take turns.

    Args:
        turns: as they were sent.
        most_chars: of all contents together, as they are returned.

    Raises:
        ValueError: a system turn stands in the middle, the last turn is not the user's, or it is too long.
    """
    # TODO 02.3: merge neighbors, then check what no single turn can tell.
    # >>> solution
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1] = Turn(turn.role, f"{merged[-1].content}\n\n{turn.content}")
        else:
            merged.append(turn)
    if any(turn.role == "system" for turn in merged[1:]):
        raise ValueError("a system turn may only stand at the beginning")
    if not merged or merged[-1].role != "user":
        raise ValueError("the last turn must be the user's")
    if sum(len(turn.content) for turn in merged) > most_chars:  # after merging: the blank lines are sent too
        raise ValueError(f"the conversation has more than {most_chars} characters")
    return merged
    # <<< solution
