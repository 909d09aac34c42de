"""What the brief promises, seen from outside. The time is a number in the hands of the test."""

import random
from typing import Any

import pytest

from . import solution as task


class Clock:
    """Says what time it is."""

    def __init__(self) -> None:
        self.now_s = 4_096.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now_s


def seen(verdict: Any) -> tuple[Any, Any, Any]:
    """A verdict as plain values."""
    return verdict.allowed, verdict.remaining, verdict.wait_s


def play(*requests: tuple[float, int], limit: int = 10, window_s: float = 5) -> list[tuple[Any, Any, Any]]:
    """The verdicts on requests of one caller, each (at which second, how many tokens)."""
    clock = Clock()
    limiter, began = task.TokenLimit(clock, limit=limit, window_s=window_s), clock.now_s
    verdicts = []
    for at_s, tokens in requests:
        clock.now_s = began + at_s
        verdicts.append(seen(limiter.take("ada", tokens)))
    return verdicts


@pytest.mark.task(2)
def test_tokens_are_counted_not_requests() -> None:
    """A limit of requests lets a book pass and stops a chat."""
    verdicts = play((0, 6), (1, 4), (2, 1))
    assert verdicts[:2] == [(True, 4, 0), (True, 0, 0)], (
        f"limit=10: requests of 6 and 4 tokens were answered {verdicts[:2]} (allowed, remaining, wait_s); both pass, "
        "and 4 and 0 tokens remain. A request counts as many as it has tokens, not as one."
    )
    assert verdicts[2][0] is False, "limit=10, 6 and 4 tokens have passed, and one more token passes within the window"
    many = play(*[(0, 1)] * 12)
    assert [one[0] for one in many] == [True] * 10 + [False] * 2, (
        f"limit=10 and twelve requests of one token each: allowed were {[one[0] for one in many]}"
    )


@pytest.mark.task(2)
def test_each_caller_has_a_limit_of_its_own() -> None:
    """One customer's batch is no reason to refuse another's question."""
    limiter = task.TokenLimit(Clock(), limit=10, window_s=5)
    limiter.take("ada", 10)
    verdict = seen(limiter.take("bob", 7))
    assert verdict == (True, 3, 0), f"ada has used up her limit of 10, and bob's 7 tokens got {verdict}"


@pytest.mark.task(2)
def test_no_window_lets_more_through() -> None:
    """A counter that starts anew at the full minute lets twice the limit through around it."""
    for started_s in (0, 1, 3, 4):
        verdicts = play((started_s, 10), (started_s + 4, 10), (started_s + 5, 10))
        allowed = [one[0] for one in verdicts]
        assert allowed == [True, False, True], (
            f"limit=10, window_s=5: 10 tokens at seconds {started_s}, {started_s + 4} and {started_s + 5} were "
            f"allowed {allowed}, not [True, False, True]. A window begins wherever it wants, and what passed exactly "
            "window_s ago counts no more."
        )
    choose = random.Random(7)
    requests = [(n / 4, choose.randint(1, 6)) for n in range(200)]
    passed = [one for one, verdict in zip(requests, play(*requests), strict=True) if verdict[0]]
    for start, _ in passed:
        tokens = sum(one for at, one in passed if start <= at < start + 5)
        assert tokens <= 10, f"limit=10, window_s=5, and within 5 s {tokens} tokens passed"


@pytest.mark.task(2)
def test_the_defaults() -> None:
    """A default is a promise too: it stands in somebody's contract."""
    clock = Clock()
    limiter = task.TokenLimit(clock)
    verdicts = [seen(limiter.take("ada", tokens)) for tokens in (1000, 1)]
    clock.now_s += 60
    verdicts.append(seen(limiter.take("ada", 1)))
    assert verdicts == [(True, 0, 0), (False, 0, 60), (True, 1000 - 1, 0)], (
        f"without options: 1000 tokens, one more, and one after 60 s got {verdicts} (allowed, remaining, wait_s)"
    )


@pytest.mark.task(2)
def test_a_refused_request_does_not_count() -> None:
    """Otherwise a client that tries again every second is shut out for good."""
    verdicts = play((0, 8), (1, 5), (2, 5), (3, 2), (5, 8))
    assert verdicts[3] == (True, 0, 0), (
        f"limit=10: 8 tokens passed, two requests of 5 were refused, and one of 2 got {verdicts[3]}; 2 were free"
    )
    assert verdicts[4] == (True, 0, 0), f"5 s after the 8 tokens, with 2 passed since, 8 more got {verdicts[4]}"


@pytest.mark.task(2)
def test_the_wait_is_that_of_this_request() -> None:
    """A client that comes back when we said, and is refused again, stops believing us."""
    verdicts = play((0, 6), (1, 4), (2, 3), (2, 8), (2, 10))
    assert verdicts[2:] == [(False, 0, 3), (False, 0, 4), (False, 0, 4)], (
        f"limit=10, window_s=5, 6 tokens at second 0, 4 at second 1. At second 2 requests of 3, 8 and 10 tokens got "
        f"{verdicts[2:]} (allowed, remaining, wait_s): they would fit after 3, 4 and 4 s. "
        "What the oldest frees may be too little for a long one."
    )
    verdicts = play((0, 2), (1, 2), (2, 2), (3, 7))
    assert verdicts[3] == (False, 4, 3), (
        f"2 tokens at seconds 0, 1 and 2, limit=10; 7 tokens at second 3 got {verdicts[3]}, not (False, 4, 3): "
        "what remains now counts for the wait, too"
    )


@pytest.mark.task(2)
def test_what_never_fits_is_said_so() -> None:
    """A wait that never helps is a loop in somebody's client."""
    verdicts = play((0, 11), (0, 4), (1, 11))
    assert verdicts == [(False, 10, None), (True, 6, 0), (False, 6, None)], (
        f"limit=10: 11 tokens, 4, and 11 again got {verdicts}; 11 never pass, so their wait_s is None"
    )


@pytest.mark.task(2)
def test_nonsense_is_refused() -> None:
    """A request of minus a million tokens is a gift to whoever thinks of it first."""
    limiter = task.TokenLimit(Clock(), limit=10, window_s=5)
    for tokens in (0, -5):
        try:
            verdict = limiter.take("ada", tokens)
        except ValueError:
            continue
        pytest.fail(f"{tokens} tokens got {verdict}, and no ValueError")
    verdict = seen(limiter.take("ada", 10))
    assert verdict == (True, 0, 0), f"after two requests that were nonsense, 10 of 10 tokens got {verdict}"
