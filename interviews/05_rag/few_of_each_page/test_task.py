"""What the brief promises, seen from outside: rankings go in, one comes out."""

from typing import Any

import pytest

from . import solution as task


def ranking(names: str, scores: Any = None) -> list[Any]:
    """Hits, best first: "a0 b3" is page a from 0, then page b from 3."""
    return [task.Hit(name[0], int(name[1:]), scores[n] if scores else 9.0 - n) for n, name in enumerate(names.split())]


def fused(*rankings: str, **options: int) -> str:
    """The names of what comes out."""
    return named(task.fuse(*map(ranking, rankings), **options))


def named(hits: Any) -> str:
    """Hits as names."""
    return " ".join(f"{hit.page}{hit.start}" for hit in hits)


@pytest.mark.task(8)
def test_scores_are_sums_over_ranks() -> None:
    """A rank means the same in every search; a score does not."""
    hits = task.fuse(ranking("a0 b0 c0"), ranking("b0 d0"), ranking("b0"))
    seen = {hit.page: round(hit.score, 9) for hit in hits}
    first, second, third = (1 / (60 + rank) for rank in (1, 2, 3))
    expected = {"b": 2 * first + second, "a": first, "d": second, "c": third}
    assert seen == {page: round(score, 9) for page, score in expected.items()}, (
        f"three rankings gave the scores {seen}, not {expected}: a sum of 1 / (60 + rank), ranks from 1"
    )
    assert named(hits) == "b0 a0 d0 c0", f"best first, they are b0 a0 d0 c0, and were {named(hits)}"


@pytest.mark.task(8)
def test_the_scores_that_come_in_play_no_part() -> None:
    """A sum of a cosine and a BM25 is whatever BM25 says."""
    first, second = ranking("a0 b0", [0.9, 0.8]), ranking("b0 c0", [3000.0, 2999.0])
    plain = named(task.fuse(first, second))
    odd = named(task.fuse(ranking("a0 b0", [0.0, 0.0]), ranking("b0 c0", [-7.0, float("inf")])))
    assert plain == odd == "b0 a0 c0", f"with other scores the same ranks gave {plain}, then {odd}; b0 a0 c0 is right"
    kept = (named(first), [hit.score for hit in first]), (named(second), [hit.score for hit in second])
    assert kept == (("a0 b0", [0.9, 0.8]), ("b0 c0", [3000.0, 2999.0])), f"the rankings that came in became {kept}"


@pytest.mark.task(8)
def test_one_chunk_is_one_hit() -> None:
    """The same text twice in a prompt is paid for twice, and believed twice."""
    seen = fused("a0 b0", "a0 b0", "b0 a3", per_page=3)
    assert sorted(seen.split()) == ["a0", "a3", "b0"], (
        f"three rankings of the chunks a0, b0 and a3 gave {seen}. Page and start say which chunk it is, not its score."
    )


@pytest.mark.task(8)
def test_no_page_fills_the_ranking() -> None:
    """Five chunks of one long page are one opinion, five times."""
    for per_page, expected in ((1, "a0 b0 c0"), (2, "a0 a1 b0 b1 c0"), (4, "a0 a1 a2 b0 b1 c0")):
        seen = fused("a0 a1 a2 b0 b1 c0", k=9, per_page=per_page)
        assert seen == expected, (
            f"per_page={per_page}: a ranking a0 a1 a2 b0 b1 c0 became {seen}, not {expected}. "
            "Of each page only its best few are kept."
        )
    seen = fused("a0 a1 b0", "a1 c0", per_page=1)
    assert seen == "a1 c0 b0", (
        f"per_page=1: a0 a1 b0 and a1 c0 became {seen}, not a1 c0 b0. Which chunk is a page's best is known only "
        "when all rankings have been summed."
    )


@pytest.mark.task(8)
def test_others_move_up() -> None:
    """A place that is left empty is an answer that was not found."""
    seen = fused("a0 a1 a2 a3 b0 c0 d0", k=3, per_page=1)
    assert seen == "a0 b0 c0", (
        f"k=3, per_page=1: a0 a1 a2 a3 b0 c0 d0 became {seen}, not a0 b0 c0. "
        "Cut to k first, and what is left out leaves its place empty."
    )
    seen = fused("a0 b0", k=1)
    assert seen == "a0", f"k=1: a0 b0 became {seen!r}, not a0"
    seen = fused("a0 a1 b0", k=3, per_page=1)
    assert seen == "a0 b0", f"k=3, per_page=1, and only two that may be kept: {seen}, not a0 b0"


@pytest.mark.task(8)
def test_ranks_are_those_that_came() -> None:
    """Thinned out before the sum, a search that found one page five times pushes up whatever came behind it."""
    hits = task.fuse(ranking("a0 a1 a2 b0"), ranking("a0 c0"), per_page=1)
    seen = {f"{hit.page}{hit.start}": round(hit.score, 9) for hit in hits}
    expected = {"a0": 2 / (60 + 1), "c0": 1 / (60 + 2), "b0": 1 / (60 + 4)}
    assert seen == {name: round(score, 9) for name, score in expected.items()}, (
        f"per_page=1: a0 a1 a2 b0 and a0 c0 gave {seen}, not {expected}: b0 came on rank 4, whoever is left out before"
    )


@pytest.mark.task(8)
def test_defaults_and_nothing() -> None:
    """A default is a promise too: the search was measured with it."""
    long = " ".join(f"{page}{start}" for page in "abcdefghijkl" for start in range(3))
    seen = fused(long).split()
    expected = [one for one in long.split() if not one.endswith("2")][:5]
    assert seen == expected, f"without options, pages of three chunks each became {seen}; k is 5, per_page 2"
    for rankings, names in (([], ""), (["", ""], ""), (["", "a0"], "a0"), (["a0 b0"], "a0 b0")):
        seen = fused(*rankings)
        assert seen == names, f"the rankings {rankings} became {seen!r}, not {names!r}"


@pytest.mark.task(8)
def test_nonsense_is_refused() -> None:
    """`[:-1]` is a slice like any other, and one hit is missing for ever."""
    for options in ({"k": 0}, {"k": -1}, {"per_page": 0}, {"per_page": -2}):
        try:
            seen = fused("a0 b0", **options)
        except ValueError:
            continue
        pytest.fail(f"{options} gave {seen!r}, and no ValueError")
