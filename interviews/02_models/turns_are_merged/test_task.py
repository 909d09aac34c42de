"""What the brief promises: a conversation goes in, one that alternates or a ValueError comes out."""

from typing import Any

import pytest

from . import solution as task

SECRET = "hunter-4711"


def said(*turns: tuple[Any, str]) -> list[Any]:
    """A conversation."""
    return [task.Turn(role, content) for role, content in turns]


def tidied(*turns: tuple[Any, str], **options: Any) -> Any:
    """What becomes of a conversation: pairs of role and content, or the error."""
    try:
        made = task.tidy(said(*turns), **options)
    except NotImplementedError:
        raise
    except Exception as error:
        return error
    assert type(made) is list, f"a list is wanted, seen: {made!r}"
    return [(turn.role, turn.content) for turn in made]


def assert_refused(seen: Any, rule: str) -> None:
    """It must be a ValueError, and quote nothing."""
    assert type(seen) is ValueError, f"{rule}: wanted is a ValueError, seen: {seen!r}"
    assert SECRET not in str(seen), f"the error quotes what was said: {seen}. It ends up in a log."


@pytest.mark.task(3)
def test_turns_of_one_speaker_are_merged() -> None:
    """Two user turns in a row are a 400 at one provider, and the customer's first bug report."""
    seen = tidied(
        ("user", " Hi"), ("user", "Why\n42?"), ("assistant", "Because."), ("assistant", "So. "), ("user", "Oh")
    )
    wanted = [("user", " Hi\n\nWhy\n42?"), ("assistant", "Because.\n\nSo. "), ("user", "Oh")]
    assert seen == wanted, (
        f"two turns of the user, two of the assistant, one of the user became {seen!r}. "
        "Neighbors with one role become one turn, with a blank line between and nothing else changed."
    )
    seen = tidied(("user", "a"), ("user", "b"), ("user", "c"))
    assert seen == [("user", "a\n\nb\n\nc")], f"three turns in a row became {seen!r}"


@pytest.mark.task(3)
def test_what_alternates_stays_as_it_is() -> None:
    """Only neighbors are merged: whoever sorts by role tells another story."""
    turns = (("system", "Be brief."), ("user", "One"), ("assistant", "Two"), ("user", "Three"))
    seen = tidied(*turns)
    assert seen == list(turns), f"a conversation that alternates became {seen!r}"


@pytest.mark.task(3)
def test_system_turns_at_the_beginning_are_merged() -> None:
    """Frameworks add one, and so do we."""
    seen = tidied(("system", "Be brief."), ("system", "Be kind."), ("user", "Hi"))
    assert seen == [("system", "Be brief.\n\nBe kind."), ("user", "Hi")], (
        f"two system turns at the beginning became {seen!r}: several are allowed there, and are one turn then"
    )


@pytest.mark.task(3)
def test_a_system_turn_in_the_middle_is_refused() -> None:
    """A turn that speaks as the system in the middle is how an injection looks."""
    turns = ("user", "Hi"), ("system", SECRET), ("user", "Go on")
    assert_refused(tidied(*turns), "a system turn after the user's")
    assert_refused(tidied(("system", "a"), *turns), "a second system turn after the user's")


@pytest.mark.task(3)
def test_the_last_turn_is_the_users() -> None:
    """A conversation that nobody waits in costs a call and answers nothing."""
    for turns in ((), (("system", SECRET),), (("user", "Hi"), ("assistant", SECRET))):
        assert_refused(tidied(*turns), f"{len(turns)} turns, the last one not the user's")


@pytest.mark.task(3)
def test_the_bound_counts_what_is_sent() -> None:
    """The provider counts what arrives, blank lines among it."""
    turns = ("system", "s" * 10), ("user", "a" * 20), ("user", SECRET)
    length = 10 + 20 + 2 + len(SECRET)
    seen = tidied(*turns, most_chars=length)
    assert isinstance(seen, list), f"{length} characters with most_chars={length} are fine, seen: {seen!r}"
    seen = tidied(*turns, most_chars=length - 1)
    assert_refused(seen, f"{length} characters with the blank line, most_chars={length - 1}: count after merging")
    most = 8_000
    seen = tidied(("user", "x" * most))
    assert isinstance(seen, list), f"{most} characters are fine without an argument, seen: {seen!r}"
    assert_refused(tidied(("user", "x" * (most + 1))), f"{most + 1} characters without an argument")


@pytest.mark.task(3)
def test_what_was_passed_is_left_alone() -> None:
    """The caller keeps the conversation: to merge it in place doubles it with the next request."""
    turns = said(("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d"))
    before = list(turns)
    task.tidy(turns)
    assert turns == before, (
        f"the list that was passed has {len(turns)} turns afterwards, before {len(before)}: {turns!r}"
    )
