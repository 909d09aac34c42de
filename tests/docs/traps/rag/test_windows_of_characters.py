"""Chunks cut by counting characters. The three sections are shown on the page of lesson 05."""

import re


def broken(text: str) -> list[str]:
    size, overlap = 50, 10
    # --8<-- [start:broken]
    chunks = []
    for start in range(0, len(text) - size, size - overlap):
        chunks.append(text[start : start + size])
    # --8<-- [end:broken]
    return chunks


def repaired(text: str) -> list[tuple[int, int]]:
    size = 50
    # --8<-- [start:repaired]
    spans: list[tuple[int, int]] = []
    for sentence in re.finditer(r"\S.*?(?:[.!?](?=\s)|\Z)", text.strip(), re.DOTALL):
        start, end = sentence.span()
        if spans and end - spans[-1][0] <= size:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    # --8<-- [end:repaired]
    return spans


PAGE = "A 429 passes, so ask once more. A 400 does not, so never retry it. Stop after three. Then tell the caller."


def test_the_middle_is_cut_and_the_end_is_lost() -> None:
    # --8<-- [start:seen]
    assert broken(PAGE) == [
        "A 429 passes, so ask once more. A 400 does not, so",  # so what?
        "es not, so never retry it. Stop after three. Then ",  # what is never retried?
    ]  # and what comes then is in no chunk at all
    # --8<-- [end:seen]


def test_whole_sentences_and_their_places() -> None:
    assert [PAGE[slice(*span)] for span in repaired(PAGE)] == [
        "A 429 passes, so ask once more.",
        "A 400 does not, so never retry it.",
        "Stop after three. Then tell the caller.",
    ]
