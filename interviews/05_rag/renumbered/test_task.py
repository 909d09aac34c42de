"""What the brief promises, seen from outside: what the model wrote goes in, what readers get comes out."""

from typing import Any

import pytest

from . import solution as task

HITS = ["first", "second", "third"]


def cited(text: str, hits: Any = HITS) -> tuple[str, list[str]]:
    """Text and sources."""
    seen = task.cite(text, hits)
    return seen.text, list(seen.sources)


def expect(cases: dict[str, tuple[str, list[str]]], why: str) -> None:
    """Fail in words at the first of these texts that does not become what it should."""
    for text, expected in cases.items():
        seen = cited(text)
        assert seen == expected, f"of three hits, {text[:80]!r} became {seen}, not {expected}. {why}"


@pytest.mark.task(5)
def test_markers_count_as_a_reader_meets_them() -> None:
    """A list of sources that begins with 3 looks as if two had been hidden."""
    expect(
        {
            "So it is [3].": ("So it is [1].", ["third"]),
            "A [2]. B [3].": ("A [1]. B [2].", ["second", "third"]),
            "So it is [3]. Or not [1][3].": ("So it is [1]. Or not [2][1].", ["third", "first"]),
            "A [1]. B [2]. C [3].": ("A [1]. B [2]. C [3].", HITS),
        },
        "The source that is mentioned first becomes [1], whatever number the model had for it.",
    )


@pytest.mark.task(5)
def test_many_numbers_do_not_get_in_each_others_way() -> None:
    """Replaced one after another, [3] becomes [1], and then [1] becomes something else."""
    expect(
        {
            "A [3], B [1], C [2], D [3].": ("A [1], B [2], C [3], D [1].", ["third", "first", "second"]),
            "A [2], B [1], C [2], D [1].": ("A [1], B [2], C [1], D [2].", ["second", "first"]),
        },
        "Replaced one after another, a number that is already new is taken for an old one.",
    )
    hits = [f"hit {n}" for n in range(1, 13)]
    seen = cited("A [12], B [1], C [11], D [2].", hits)
    assert seen == ("A [1], B [2], C [3], D [4].", ["hit 12", "hit 1", "hit 11", "hit 2"]), (
        f"of twelve hits, markers 12, 1, 11 and 2 became {seen}"
    )


@pytest.mark.task(5)
def test_each_source_once_and_no_other() -> None:
    """A source that was retrieved and not used is no source."""
    expect(
        {
            "A [2]. B [2]. C [2].": ("A [1]. B [1]. C [1].", ["second"]),
            "[1][1] A [3].": ("[1][1] A [2].", ["first", "third"]),
        },
        "Each source that is mentioned is listed once, and no other.",
    )
    assert HITS == ["first", "second", "third"], f"the hits that were handed in became {HITS}"


@pytest.mark.task(5)
def test_a_marker_of_nothing_goes() -> None:
    """A number that leads nowhere is clicked by the one reader who checks."""
    expect(
        {
            "A [7]. B [2].": ("A. B [1].", ["second"]),
            "A [0]. B [2].": ("A. B [1].", ["second"]),
            "A  [7] b [2].": ("A  b [1].", ["second"]),
            "A[7] b [2].": ("A b [1].", ["second"]),
            "A [2][7].": ("A [1].", ["second"]),
            "[7] [2] a": (" [1] a", ["second"]),
            "A\n[7] b [2].": ("A\n b [1].", ["second"]),
            f"A [{'9' * 5_000}]. B [2].": ("A. B [1].", ["second"]),
        },
        "A marker of no hit is taken out, with the one blank before it, and takes no number.",
    )


@pytest.mark.task(5)
def test_an_answer_that_stands_on_nothing_is_none() -> None:
    """The sentence without a source is the one that the model made up."""
    for text, hits in {
        "It is so.": HITS,
        "It is so [7].": HITS,
        "": HITS,
        "It is so [1].": [],
        "It is [1, 2].": HITS,
    }.items():
        seen = cited(text, hits)
        assert seen == (task.UNKNOWN, []), (
            f"of {len(hits)} hits, {text!r} became {seen}. It names no hit, so the answer is UNKNOWN, without sources."
        )


@pytest.mark.task(5)
def test_other_brackets_stay() -> None:
    """`values[i]` and `[note 3]` are in every second page of a handbook."""
    expect(
        {
            "a[i] and [ 1 ] and [1a] and [1, 2] and [] and [-1] [2]": (
                "a[i] and [ 1 ] and [1a] and [1, 2] and [] and [-1] [1]",
                ["second"],
            ),
            "[²] and [٣] and (1) {3} [[2]]": ("[²] and [٣] and (1) {3} [[1]]", ["second"]),
            "  Blanks   stay,\n\n so do lines [2] \n": ("  Blanks   stay,\n\n so do lines [1] \n", ["second"]),
        },
        "Only digits in brackets are a marker; everything else stays as it is.",
    )
