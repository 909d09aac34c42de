"""What the brief promises, seen from outside: texts go in, chunks come out."""

from itertools import pairwise

import pytest

from . import solution as task

PAGE = """Before any heading. It counts too.

# Refunds

One two. Three four. Five six. Seven eight. Nine ten.

##  Shipping
By ship. By train.

# Nothing here
# Contact
Write to us, any time
"""


def shown(text: str, **options: int) -> list[tuple[str, str]]:
    """The chunks of a text, each (heading, its words), with what is between them."""
    return [(one.heading, text[one.start : one.end]) for one in task.split(text, **options)]


def prose(n: int, word: str = "words") -> str:
    """Sentences of different lengths."""
    return " ".join(f"Sentence {one} has {'a few more ' * (one % 5)}{word}." for one in range(n))


@pytest.mark.task(1)
def test_no_word_of_the_text_is_lost() -> None:
    """What is in no chunk cannot be found. It is the end of a section that is lost, and nobody looks there."""
    long = f"# One\n{prose(20)}\n\n# Two\n\n{prose(9)} And the tail has no stop"
    for name, text in {"the page": PAGE, "a long one": long, "no heading": prose(30), "one word": "word"}.items():
        for size, overlap in ((60, 20), (90, 0), (5_000, 100)):
            covered = {n for one in task.split(text, size=size, overlap=overlap) for n in range(one.start, one.end)}
            at, lost = 0, ""
            for line in text.splitlines(keepends=True):
                if not line.startswith("#"):
                    lost += "".join(char for n, char in enumerate(line, at) if n not in covered and not char.isspace())
                at += len(line)
            assert not lost, f"{name}, size={size}, overlap={overlap}: {lost[:60]!r} is in no chunk"


@pytest.mark.task(1)
def test_each_chunk_stands_under_one_heading() -> None:
    """A chunk of two topics is found for both, and right for neither."""
    seen = shown(PAGE, size=1_500, overlap=30)
    assert all("#" not in words for _, words in seen), (
        f"a chunk crosses a heading, or begins with one: {next(words for _, words in seen if '#' in words)!r}. "
        "A chunk ends where its section does, also if the next sentence would fit."
    )
    expected = [
        ("", "Before any heading. It counts too."),
        ("Refunds", "One two. Three four. Five six. Seven eight. Nine ten."),
        ("Shipping", "By ship. By train."),
        ("Contact", "Write to us, any time"),
    ]
    assert seen == expected, f"the page gave {seen}, not {expected}"


@pytest.mark.task(1)
def test_a_heading_without_text_is_no_chunk() -> None:
    """An empty chunk is a vector of nothing, and near to everything."""
    for text in ("# A\n## B\n", "# A", "#\n\n#", "\n# A\n \n\n# B\n \n"):
        seen = shown(text, size=100, overlap=10)
        assert seen == [], f"{text!r} has headings and no text under them, and gave {seen}"
    seen = shown("# A\n# B\nText of b.", size=100, overlap=10)
    assert seen == [("B", "Text of b.")], f"text behind two headings gave {seen}: the nearest heading above it counts"
    seen = shown("No # heading here. And C# is none.", size=100, overlap=10)
    assert seen == [("", "No # heading here. And C# is none.")], f"a `#` within a line is no heading; seen was {seen}"


@pytest.mark.task(1)
def test_a_chunk_is_as_full_as_its_size_allows() -> None:
    """Many short chunks push each other out of the first five; one that is too long is cut off by the model."""
    text = f"# One\n{prose(20)}\n# Two\n{prose(20)}"
    for size in (100, 140):
        pieces = task.split(text, size=size, overlap=0)
        for one, following in pairwise(pieces):
            words = text[one.start : one.end]
            assert len(words) <= size, f"size={size}, and a chunk has {len(words)} characters"
            assert words.startswith("Sentence") and words.endswith("."), f"a chunk cuts a sentence: {words!r}"
            next_end = text.index(".", following.start) + 1
            assert following.heading != one.heading or next_end - one.start > size, (
                f"size={size}: a chunk has {len(words)} characters, and the next sentence under its heading would fit"
            )


@pytest.mark.task(1)
def test_neighbors_share_whole_sentences() -> None:
    """An answer that stands across a border is in no chunk, unless the chunks overlap."""
    text = "# Refunds\nOne two. Three four. Five six. Seven eight. Nine ten."
    for (size, overlap), expected in {
        (32, 12): ["One two. Three four. Five six.", "Five six. Seven eight. Nine ten."],
        (32, 21): ["One two. Three four. Five six.", "Five six. Seven eight. Nine ten."],
        (34, 21): ["One two. Three four. Five six.", "Three four. Five six. Seven eight.", "Seven eight. Nine ten."],
        (32, 0): ["One two. Three four. Five six.", "Seven eight. Nine ten."],
        (32, 8): ["One two. Three four. Five six.", "Seven eight. Nine ten."],
    }.items():
        seen = shown(text, size=size, overlap=overlap)
        assert seen == [("Refunds", words) for words in expected], (
            f"size={size}, overlap={overlap} gave {seen}, not {expected} under Refunds. A chunk begins with the last "
            "sentences of the one before it: as many as fit into `overlap`, and leave room for the next sentence."
        )


@pytest.mark.task(1)
def test_nothing_is_shared_across_a_heading() -> None:
    """The last sentence of "Refunds" at the head of "Shipping" is a promise that nobody made."""
    text = "# A\nOne two. Three four. Five six.\n# B\nSeven eight. Nine ten. Two more."
    seen = shown(text, size=24, overlap=12)
    expected = [
        ("A", "One two. Three four."),
        ("A", "Three four. Five six."),
        ("B", "Seven eight. Nine ten."),
        ("B", "Nine ten. Two more."),
    ]
    assert seen == expected, f"size=24, overlap=12 gave {seen}, not {expected}: under a new heading it begins anew"


@pytest.mark.task(1)
def test_a_long_sentence_comes_in_pieces() -> None:
    """A table, a log, a page without a stop: somebody uploads it on the first day."""
    text = "# A\nBefore. " + "x" * 95 + " After it.\n# B\n" + "y" * 41
    pieces = task.split(text, size=40, overlap=15)
    lengths = [one.end - one.start for one in pieces]
    assert all(0 < one <= 40 for one in lengths), f"size=40, and the chunks have {lengths} characters"
    ends = [one.end for one in pieces]
    assert ends == sorted(set(ends)), f"each chunk brings something new, and these end at {ends}"
    headings = [one.heading for one in pieces]
    assert headings == sorted(headings) and headings.count("B") == 2, f"41 characters under B; the headings: {headings}"


@pytest.mark.task(1)
def test_nonsense_is_refused_and_nothing_is_no_chunk() -> None:
    """An overlap that is not below the size never comes to an end, and is found when a worker hangs."""
    assert (shown(""), shown(" \n\n \t")) == ([], []), "a text of nothing or of blanks has no chunks"
    for size, overlap in ((100, 100), (100, 150), (100, -1), (0, 0)):
        try:
            pieces = task.split("One. Two.", size=size, overlap=overlap)
        except ValueError:
            continue
        pytest.fail(f"size={size}, overlap={overlap} gave {pieces}, and no ValueError")


@pytest.mark.task(1)
def test_the_defaults() -> None:
    """A default is a promise too: the index was measured with it."""
    text = prose(100)
    seen, expected = task.split(text), task.split(text, size=800, overlap=200)
    assert seen == expected, "without options it does not cut as with size=800 and overlap=200"
