"""How good a search is: how much it finds of what people marked as right, and how far up."""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Labelled:
    """Given: a question, and where its answer stands."""

    question: str
    relevant: tuple[tuple[str, str], ...]  # (page, words that stand in it once); empty if no page answers


@dataclass(frozen=True)
class Scores:
    """Given: a search measured on many questions; each number is between 0 and 1, and more is better."""

    recall: float  # of what is relevant, how much is among the first k
    mrr: float  # 1 / rank of the first that is relevant
    ndcg: float  # how near the first k are to the best order
    refused: float  # of the questions that no page answers, how many find nothing


def read_questions(file: Path) -> list[Labelled]:
    """Given: read labelled questions, a JSON object a line."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [Labelled(one["question"], tuple((each["doc"], each["quote"]) for each in one["relevant"])) for one in lines]


def judge(hits: Sequence[Any], relevant: Iterable[tuple[str, str]]) -> list[str]:
    """Given: return an id for each hit: of the relevant words that it holds and no hit before it, else its own."""
    ids: list[str] = []
    for hit in hits:
        chunk = hit.chunk
        held = [id_of(one) for one in relevant if one[0] == chunk.doc and one[1] in chunk.text]
        ids.append(next((one for one in held if one not in ids), f"{chunk.doc} from {chunk.start}"))
    return ids


def id_of(relevant: tuple[str, str]) -> str:
    """Given: return the id of words that are relevant."""
    return f"{relevant[0]}: {relevant[1]}"


def recall_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Return how much of `relevant` is among the first k of `ranked`, from 0 to 1. Neither names an id twice."""
    # TODO 05.7: found, of what there was to find.
    raise NotImplementedError("TODO 05.7")


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Return 1 / rank of the first of `ranked` that is relevant, ranks from 1; 0.0 if none is."""
    # TODO 05.7: how far down somebody reads until the first good one.
    raise NotImplementedError("TODO 05.7")


def ndcg_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Return the gain of the first k of `ranked` as a share of the best possible gain, from 0 to 1.

    What is relevant gains 1 / log2(rank + 1), ranks from 1. The best possible ranking has all that is relevant first.

    Source: https://en.wikipedia.org/wiki/Discounted_cumulative_gain
    """
    # TODO 05.7: the gain there is, and the gain there could be.
    raise NotImplementedError("TODO 05.7")


async def evaluate(
    search: Callable[[str], Awaitable[Sequence[Any]]], questions: Sequence[Labelled], *, k: int = 5
) -> Scores:
    """Ask a search every question and return the means.

    `recall`, `mrr` and `ndcg` are means over the questions that have an answer; `refused` is over those that have none.
    """
    # TODO 05.7: mean over questions, and keep those apart that have no answer.
    raise NotImplementedError("TODO 05.7")
