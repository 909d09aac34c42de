"""What the brief promises: texts as models write them, and the object that counts."""

import json
from typing import Any

import pytest

from . import solution as task

KEYS = {"answer", "unit"}
FIRST = {"answer": 41, "unit": "km"}
BETTER = {"answer": 42, "unit": "km"}


def found(text: str, keys: set[str] | None = None) -> Any:
    """What last_object returns, or the error it raises."""
    try:
        return task.last_object(text, KEYS if keys is None else keys)
    except NotImplementedError:
        raise
    except Exception as error:
        return error


def written(value: object) -> str:
    """As a model writes it."""
    return json.dumps(value, indent=1)


@pytest.mark.task(7)
def test_the_last_object_counts() -> None:
    """Whoever takes the first object takes the mistake that the model itself has taken back."""
    text = f"Let me see.\n```json\n{written(FIRST)}\n```\nWait, that is wrong.\n```json\n{written(BETTER)}\n```\nDone."
    seen = found(text)
    assert type(seen) is dict and seen == BETTER, (
        f"the model wrote {FIRST}, said that it was wrong, and wrote {BETTER}; seen: {seen!r}. The last one counts."
    )
    seen = found(written(FIRST))
    assert type(seen) is dict and seen == FIRST, f"one object alone is the last one too; seen: {seen!r}"


@pytest.mark.task(7)
def test_only_objects_with_the_keys_count() -> None:
    """A tool call, a confidence, a source: models add objects that nobody asked for."""
    text = f"{written(BETTER)}\nConfidence: {written({'confidence': 0.9, 'unit': 'percent'})}"
    seen = found(text)
    assert seen == BETTER, f"the last object has no `answer`, so the one before it counts; seen: {seen!r}"
    more = {**BETTER, "why": "rounded"}
    seen = found(written(more))
    assert seen == more, f"further keys may be there, and belong to the object; seen: {seen!r}"


@pytest.mark.task(7)
def test_objects_inside_of_objects_do_not_count() -> None:
    """An example inside a draft is no answer."""
    outer = {**BETTER, "before": FIRST}
    seen = found(written(outer))
    assert seen == outer, f"the whole object counts, not {FIRST} inside it; seen: {seen!r}"
    seen = found(f"{written(BETTER)} then {written({'draft': FIRST})}")
    assert seen == BETTER, (
        f"the last object lacks the keys, and the one inside it is not looked at on its own; seen: {seen!r}"
    )


@pytest.mark.task(7)
def test_braces_in_texts_and_in_prose() -> None:
    """Counting braces works until somebody asks about code."""
    tricky = {"answer": 'if (x) { return "}" }', "unit": "code {"}
    for around in ("{}", "fill in {name} and { unit }", 'a set is {"a", "b"} in Python', "}}{{", "{"):
        seen = found(f"{around} first. {written(tricky)} And then {around}")
        assert seen == tricky, f"an object with braces in its texts, {around!r} before and behind it; seen: {seen!r}"


@pytest.mark.task(7)
def test_an_object_that_is_cut_off_is_passed_over() -> None:
    """max_tokens does not wait for the closing brace."""
    whole = written({**FIRST, "before": {"answer": 1, "unit": "m"}, "sure": True})
    for cut in (whole[:-1], whole[:-4], whole[:-8], whole[: whole.index("before") + 3], whole[: whole.index("}") + 1]):
        seen = found(f"{written(BETTER)}\nor rather {cut}")
        assert seen == BETTER, (
            f"the last object breaks off: ...{cut[-15:]!r}. Neither it nor what is inside it counts; seen: {seen!r}"
        )


@pytest.mark.task(7)
def test_nothing_found_is_an_error() -> None:
    """None, or an empty object, is found three functions later."""
    for text in ("", "I cannot help with that.", "{}", '{"answer": 42}', '{"answer": 42, "unit": "k', "[1, 2]"):
        seen = found(text)
        assert type(seen) is task.NoObject, f"{text!r} has no object with answer and unit; seen: {seen!r}"


@pytest.mark.task(7)
def test_a_long_text_is_refused_unread() -> None:
    """A model that repeats itself for a megabyte should not keep a worker busy."""
    most = 20_000
    object_ = written(BETTER)
    seen = found("x" * (most - len(object_)) + object_)
    assert seen == BETTER, f"{most:,} characters are allowed; seen: {seen!r}"
    seen = found("x" * (most + 1 - len(object_)) + object_)
    assert type(seen) is task.NoObject, f"{most + 1:,} characters are too many; seen: {seen!r}"
