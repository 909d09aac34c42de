"""The pages of lesson 05 and the questions about them, cut and embedded, so that a cell can measure a search."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mockllm.embeddings import embed

LESSON = Path(__file__).resolve().parents[1] / "lessons" / "05_rag"
GAP = re.compile(r"(?<=[.!?])\s+(?![a-z])|\n\s*\n\s*|\Z")  # between two sentences: "e.g. this" goes on
Vectors = NDArray[np.float32]  # (n, d), a row of length 1 for each of n texts


@dataclass(frozen=True)
class Chunk:
    """A part of a page; `text` is the page's `text[start:end]`."""

    page: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Asked:
    """A question, and where people found its answer."""

    question: str
    kind: str  # answerable, lexical, paraphrase, ambiguous or unanswerable
    marks: tuple[tuple[str, str], ...]  # (page, words that stand in it once); empty if no page answers


def read_pages() -> dict[str, str]:
    """Return the text of every page by its name."""
    return {file.name: file.read_text(encoding="utf-8") for file in sorted((LESSON / "corpus").glob("*.md"))}


def read_questions() -> list[Asked]:
    """Return the questions that people have marked."""
    lines = (LESSON / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Asked(one["question"], one["kind"], tuple((mark["doc"], mark["quote"]) for mark in one["relevant"]))
        for one in map(json.loads, lines)
    ]


def cut(pages: Mapping[str, str], size: int = 800, overlap: int = 200) -> list[Chunk]:
    """Cut pages into chunks of whole sentences, each at most `size` characters; neighbors share `overlap` or less."""
    return [
        Chunk(page, start, end, text[start:end])
        for page, text in pages.items()
        for start, end in _windows(list(_sentences(text, size)), size, overlap)
    ]


def holds(chunk: Chunk, mark: tuple[str, str]) -> bool:
    """Whether a chunk has the words that answer a question, all of them."""
    return chunk.page == mark[0] and mark[1] in chunk.text


def vectors_of(texts: Sequence[str]) -> Vectors:
    """Return the vectors of texts, as the fake provider makes them: texts that share words are near."""
    return np.stack([_vector(text) for text in texts])


def bm25(question: str, chunks: Sequence[Chunk]) -> Vectors:
    """Return a score for each chunk: the words that it shares with the question, rare ones more, in long chunks less.

    Source: https://en.wikipedia.org/wiki/Okapi_BM25
    """
    counts = [_words(chunk.text) for chunk in chunks]
    lengths = np.array([count.total() for count in counts])
    scores = np.zeros(len(chunks))
    for word in _words(question):
        often = np.array([count[word] for count in counts])
        having = int((often > 0).sum())
        rarity = math.log(1 + (len(chunks) - having + 0.5) / (having + 0.5))
        scores += rarity * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * lengths / lengths.mean()))
    return scores.astype(np.float32)


def best(scores: Vectors, k: int) -> list[int]:
    """Return the rows of the k highest scores, the highest first."""
    return np.argsort(-scores, kind="stable")[:k].tolist()


@cache
def _vector(text: str) -> Vectors:
    return np.array(embed(text), dtype=np.float32)


@cache
def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def _sentences(text: str, longest: int) -> Iterator[tuple[int, int]]:
    start = len(text) - len(text.lstrip())
    for gap in GAP.finditer(text, start, len(text.rstrip())):
        while start < gap.start():
            end = min(start + longest, gap.start())
            yield start, end
            start = end
        start = gap.end()


def _windows(sentences: list[tuple[int, int]], size: int, overlap: int) -> Iterator[tuple[int, int]]:
    held: list[tuple[int, int]] = []
    for one in sentences:
        if held and one[1] - held[0][0] > size:
            yield held[0][0], held[-1][1]
            while held and (held[-1][1] - held[0][0] > overlap or one[1] - held[0][0] > size):
                held.pop(0)
        held.append(one)
    if held:
        yield held[0][0], held[-1][1]
