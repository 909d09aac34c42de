"""The measures of lesson 05 against scikit-learn's, which know nothing of ours."""

import importlib
import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, recall_score

from tests.conftest import ROOT

app: Any = importlib.import_module("solutions.05_rag.app")
evaluation: Any = app.evaluation


def drawn(seed: int) -> tuple[int, list[str], list[str], list[str]]:
    """A k, all ids there are, a ranking of some of them, and those that are relevant."""
    chance = random.Random(seed)
    every = [f"id {n}" for n in range(chance.randint(2, 40))]
    ranked = chance.sample(every, chance.randint(0, len(every)))
    return chance.randint(1, 15), every, ranked, chance.sample(every, chance.randint(1, len(every)))


def as_rows(every: list[str], ranked: list[str], relevant: list[str]) -> tuple[list[list[float]], list[list[float]]]:
    """Gains and scores as scikit-learn takes them; what was not found comes last, relevant or not."""
    place = {one: len(every) - rank for rank, one in enumerate(ranked)}
    return [[float(one in relevant) for one in every]], [[float(place.get(one, 0)) for one in every]]


@pytest.mark.parametrize("seed", range(200))
def test_ndcg_is_that_of_scikit_learn(seed: int) -> None:
    k, every, ranked, relevant = drawn(seed)
    # The lower bound of a tie is ours: what was not found gains nothing, so let it stand behind k.
    shown = [*ranked, *(f"nothing {n}" for n in range(k))]
    gains, scores = as_rows([*every, *shown[len(ranked) :]], shown, relevant)
    expected = ndcg_score(gains, scores, k=k)
    assert evaluation.ndcg_at(k, ranked, relevant) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(200))
def test_recall_is_that_of_scikit_learn(seed: int) -> None:
    k, every, ranked, relevant = drawn(seed)
    expected = recall_score([one in relevant for one in every], [one in ranked[:k] for one in every])
    assert evaluation.recall_at(k, ranked, relevant) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(200))
def test_reciprocal_rank_is_that_of_scikit_learn_where_one_is_relevant(seed: int) -> None:
    _, every, _, relevant = drawn(seed)
    ranked = random.Random(seed).sample(every, len(every))
    gains, scores = as_rows(every, ranked, relevant[:1])
    expected = label_ranking_average_precision_score(np.array(gains), np.array(scores))
    assert evaluation.reciprocal_rank(ranked, relevant[:1]) == pytest.approx(expected)


def test_every_quote_stands_once_in_its_page_and_whole_in_a_chunk() -> None:
    """Else a search cannot find what is marked, however good it is."""
    corpus = ROOT / "lessons" / "05_rag" / "corpus"
    pages = {page.name: page.read_text(encoding="utf-8") for page in corpus.glob("*.md")}
    assert len(pages) >= 40
    questions = evaluation.read_questions(ROOT / "lessons" / "05_rag" / "questions.jsonl")
    assert len(questions) >= 60
    assert any(not one.relevant for one in questions)
    cut = []
    for one in questions:
        for name, quote in one.relevant:
            assert pages[name].count(quote) == 1, (name, quote)
            chunks = [pages[name][start:end] for start, end in app.store.split(pages[name])]
            if not any(quote in chunk for chunk in chunks):
                cut.append((name, quote))
    assert cut == []
