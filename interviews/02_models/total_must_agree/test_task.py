"""What the brief promises, from outside: data goes in, a bill or errors come out."""

from typing import Any

import pytest
from pydantic import ValidationError

from . import solution as task

SENT = {"prompt_tokens": 30, "completion_tokens": 12}


def bill(**data: object) -> Any:
    """What becomes of the data: the dump of a Bill, or the names of the fields with errors."""
    try:
        made = task.Bill.model_validate(data)
    except ValidationError as refused:
        return sorted({".".join(map(str, error["loc"])) for error in refused.errors()})
    dumped = made.model_dump()
    assert type(dumped) is dict, f"model_dump() of {data} is {dumped!r}"
    return dumped


def total_of(data: dict[str, Any]) -> Any:
    """The total, or what came instead."""
    dumped = bill(**data)
    return dumped.get("total_tokens") if isinstance(dumped, dict) else f"errors of {dumped}"


@pytest.mark.task(5)
def test_the_counts_of_both_providers_are_read() -> None:
    """One service, two providers: whoever reads one name bills half of the traffic."""
    for sent in (SENT, {"input_tokens": 30, "output_tokens": 12}, {**SENT, "id": "x", "cost": {"eur": 3}}):
        seen = total_of(sent)
        assert type(seen) is int and seen == 42, f"{sent} adds up to 42, seen: {seen}"
    for missing in ("prompt_tokens", "completion_tokens"):
        seen = bill(**{name: count for name, count in SENT.items() if name != missing})
        assert isinstance(seen, list), (
            f"{missing} was left out, and the bill is {seen}: a count that nobody sent is no 0"
        )


@pytest.mark.task(5)
def test_it_dumps_to_four_fields() -> None:
    """What is stored under a provider's name is not found under ours."""
    seen = bill(input_tokens=30, output_tokens=12, cached_tokens=7, total_tokens=None, extra=1)
    wanted = {"prompt_tokens": 30, "completion_tokens": 12, "cached_tokens": 7, "total_tokens": 42}
    assert seen == wanted, f"the dump should be {wanted}, seen: {seen}"
    seen = bill(**SENT)
    assert seen == {**SENT, "cached_tokens": 0, "total_tokens": 42}, f"nothing was cached, seen: {seen}"


@pytest.mark.task(5)
def test_a_total_that_does_not_add_up_is_refused() -> None:
    """Either number may be the wrong one: whoever picks one in silence bills it."""
    assert total_of({**SENT, "total_tokens": 42}) == 42, "the total is the sum, and it was refused"
    for total in (41, 999, 0, "42", 42.0):
        seen = bill(**SENT, total_tokens=total)
        assert seen == ["total_tokens"], (
            f"30 and 12 were sent with the total {total!r}, seen: {seen}. "
            "A wrong total is an error of `total_tokens`: neither taken nor replaced in silence."
        )


@pytest.mark.task(5)
def test_no_more_is_cached_than_was_sent() -> None:
    """A discount on tokens that never were."""
    for cached in (0, 29, 30):
        seen = bill(**SENT, cached_tokens=cached)
        assert isinstance(seen, dict) and seen["cached_tokens"] == cached, f"{cached} of 30 are cached, seen: {seen}"
    seen = bill(**SENT, cached_tokens=31)
    assert seen == ["cached_tokens"], (
        f"31 of 30 tokens came from the cache, seen: {seen}. It is an error of `cached_tokens`; "
        "a model validator cannot say which field it means, and its error has no name."
    )
    seen = bill(input_tokens=30, output_tokens=12, cached_tokens=31)
    assert seen == ["cached_tokens"], f"the same under the other provider's names, seen: {seen}"


@pytest.mark.task(5)
def test_a_count_is_a_whole_number() -> None:
    """Pydantic is kind by default: "7" is 7, and true is 1."""
    for value in ("7", 7.5, True, -1, None):
        seen = bill(prompt_tokens=value, completion_tokens=12)
        assert isinstance(seen, list) and seen[0] in ("prompt_tokens", "input_tokens"), (
            f"prompt_tokens={value!r} is no count, seen: {seen}"
        )
        assert len(seen) == 1, f"prompt_tokens={value!r} is one error, seen: {seen}. Ask nothing of what depends on it."
    seen = bill(**SENT, cached_tokens="7")
    assert seen == ["cached_tokens"], f"cached_tokens='7' is no count, seen: {seen}"


@pytest.mark.task(5)
def test_a_count_has_a_bound() -> None:
    """A gateway that sends milliseconds for tokens is found by the first bill, not by the tenant."""
    most = 1_000_000
    seen = total_of({"prompt_tokens": most, "completion_tokens": most})
    assert seen == 2 * most, f"twice {most:,} is allowed, and so is their sum; seen: {seen}"
    seen = bill(prompt_tokens=3, completion_tokens=most + 1)
    assert isinstance(seen, list), f"completion_tokens={most + 1:,} was taken: {seen}"
