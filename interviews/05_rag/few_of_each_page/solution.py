"""Interview - one ranking that no page fills alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Hit:
    """Given: a chunk that was found. Page and start say which one it is."""

    page: str
    start: int
    score: float


def fuse(*rankings: Sequence[Hit], k: int = 5, per_page: int = 2) -> list[Hit]:
    """Make one ranking of several, with at most `per_page` chunks of each page.

    Args:
        rankings: each best first; their scores may mean different things.
        k: the most hits.
        per_page: the most hits of one page.

    Raises:
        ValueError: `k` or `per_page` is below 1.

    Source: https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf
    """
    # TODO 05.8: sum what the ranks are worth; then keep the best few of each page.
    # >>> solution
    if k < 1 or per_page < 1:
        raise ValueError(f"k and per_page must be at least 1, got k={k}, per_page={per_page}")
    scores: Counter[tuple[str, int]] = Counter()
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            scores[hit.page, hit.start] += 1 / (60 + rank)  # type: ignore[assignment] - a Counter counts floats, too
    kept: list[Hit] = []
    of_page: Counter[str] = Counter()
    # All of them, not the first k: whoever is left out makes room for one further down.
    for (page, start), score in scores.most_common():
        if of_page[page] < per_page:
            of_page[page] += 1
            kept.append(Hit(page, start, score))
    return kept[:k]
    # <<< solution
