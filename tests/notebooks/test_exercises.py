"""What a reader writes into the open functions is judged: a right answer is done, a wrong one is not yet."""

import ast
import re
from pathlib import Path

import pytest

from coach.questions import Question
from tests.notebooks.running import QUESTIONS, run_cells

ANSWERS = Path(__file__).parent / "answers"


def read_answers() -> dict[tuple[str, str], str]:
    """The answers that are kept, by the question's id and "right" or "wrong"."""
    found = {}
    for path in ANSWERS.glob("*.py"):
        _, *parts = re.split(r"^# %% (\S+) (right|wrong)$", path.read_text(encoding="utf-8"), flags=re.M)
        found |= {(parts[at], parts[at + 1]): parts[at + 2] for at in range(0, len(parts), 3)}
    return found


KEPT = read_answers()


def verdict(question: Question, answer: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the check says once the reader has put `answer` into the open cell."""
    before = [*question.proof, *question.counterproof, question.exercise, answer]
    run_cells(question, *before, "print('the verdict:')", question.check)
    return capsys.readouterr().out.partition("the verdict:\n")[2]


def test_every_question_has_a_right_and_a_wrong_answer() -> None:
    assert set(KEPT) == {(question.id, kind) for question in QUESTIONS for kind in ("right", "wrong")}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_what_is_to_be_written_is_one_open_function(question: Question) -> None:
    (node,) = ast.parse(question.exercise).body
    assert isinstance(node, ast.FunctionDef)
    documentation, rest = node.body
    assert isinstance(documentation, ast.Expr)
    assert isinstance(rest, ast.Expr)
    assert ast.get_docstring(node)
    assert isinstance(rest.value, ast.Constant) and rest.value.value is Ellipsis


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_right_answer_is_done(question: Question, capsys: pytest.CaptureFixture[str]) -> None:
    said = verdict(question, KEPT[question.id, "right"], capsys)
    assert re.fullmatch(r"done     \w+: (\d+) of \1\n", said), said


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_wrong_answer_hears_what_was_seen_and_a_thought_that_helps(
    question: Question, capsys: pytest.CaptureFixture[str]
) -> None:
    said = verdict(question, KEPT[question.id, "wrong"], capsys).splitlines()
    assert said[0].startswith("not yet  ")
    assert len(said) == 2
    assert len(said[1].split()) > 5
