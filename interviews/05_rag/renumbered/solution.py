"""Interview - sources numbered as a reader meets them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = "I do not know: none of the pages says so."  # Given: what we say when nothing is known


@dataclass(frozen=True)
class Cited:
    """Given: what readers get."""

    text: str
    sources: list[str]  # marker [1] in the text is the first of them


def cite(text: str, hits: Sequence[str]) -> Cited:
    """Number the sources of an answer anew, as a reader meets them.

    Args:
        text: what the model wrote; `[n]` names the n-th of `hits`.
        hits: the N sources that it was shown, numbered from 1.
    """
    # TODO 05.5: number what is mentioned, take out what names nothing, list what is left.
    # >>> solution
    shown = {str(n): hit for n, hit in enumerate(hits, 1)}
    numbers: dict[str, int] = {}  # the model's number -> ours

    def renumbered(marker: re.Match[str]) -> str:
        blank, name = marker.groups()
        if name not in shown:
            return ""
        return f"{blank}[{numbers.setdefault(name, len(numbers) + 1)}]"

    # In one pass: one replacement after another would take [1], which was [3], for the model's [1].
    cited = re.sub(r"( ?)\[([0-9]+)\]", renumbered, text)
    return Cited(cited, [shown[name] for name in numbers]) if numbers else Cited(UNKNOWN, [])
    # <<< solution
