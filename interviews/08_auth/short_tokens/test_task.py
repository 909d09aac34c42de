"""What the brief promises, seen from outside: tokens as somebody makes them. Every limit has a wide margin."""

import json
import time
from typing import Any

import jwt
import pytest

from . import solution as task

SECRET = b"a secret of ours that has sixty-four bytes, so that HS512 takes it, too."
DAY_S = 86_400


def token(*, key: Any = SECRET, alg: Any = "HS256", **changed: Any) -> str:
    """A good token, but for what is changed; None takes a claim away, and times are seconds from now."""
    claims: dict[str, Any] = {"sub": "ada", "aud": "chat", "iat": -10, "exp": 300, **changed}
    for name in ("iat", "exp"):
        if type(claims[name]) in (int, float):
            claims[name] += int(time.time())
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.PyJWS().encode(json.dumps(kept).encode(), key, alg)


def holder(text: str, **options: Any) -> Any:
    """Whose token this is; an exception fails in words."""
    try:
        return task.holder_of(text, SECRET, audience="chat", **options)
    except NotImplementedError:
        raise
    except Exception as error:
        pytest.fail(f"the token {text[:60]!r} raised {error!r}; what is wrong is None, never an exception")


@pytest.mark.task(3)
def test_a_good_token_names_its_subject() -> None:
    """Whoever refuses what is good is rolled back within the hour, with all the rest."""
    good: dict[str, dict[str, Any]] = {
        "a plain one": {},
        "an audience in a list": {"aud": ["search", "chat"]},
        "one that ended within the patience": {"iat": -200, "exp": -30 + 15},
        "one made a moment ahead of our clock": {"iat": 30 - 15},
        "times with a fraction": {"iat": -10.5, "exp": 300.5},
        "claims that nobody asked for": {"admin": True, "scope": "chat"},
    }
    for what, changed in good.items():
        seen = holder(token(**changed))
        assert seen == "ada", f"{what} was taken for {seen!r}, and it is ada's"


@pytest.mark.task(3)
def test_only_our_signature_counts() -> None:
    """A token that says how it is to be checked has said everything."""
    good = token()
    head, body, signature = good.split(".")
    for what, text in {
        "signed with another secret": token(key=b"another secret that has at least sixty-four bytes, as ours has ..."),
        "signed with HS512": token(alg="HS512"),
        "signed with nothing": token(key=None, alg="none"),
        "with its signature cut off": f"{head}.{body}.",
        "with the claims of another": f"{head}.{token(sub='bob').split('.')[1]}.{signature}",
    }.items():
        seen = holder(text)
        assert seen is None, f"a token {what} was taken for {seen!r}. HS256 and our secret decide, not its header."


@pytest.mark.task(3)
def test_every_claim_must_be_there() -> None:
    """A library checks the claims that are there. Leaving one out is the cheapest forgery."""
    for name in ("sub", "aud", "exp", "iat"):
        changed: dict[str, Any] = {name: None}
        seen = holder(token(**changed))
        assert seen is None, f"a token without `{name}` was taken for {seen!r}: what is missing must be refused"


@pytest.mark.task(3)
def test_claims_that_are_wrong() -> None:
    """Each of these is signed by somebody who has the secret, and no good."""
    wrong: list[dict[str, Any]] = [
        {"aud": "search"},
        {"aud": ["search", "mail"]},
        {"aud": ""},
        {"exp": -100, "iat": -200},
        {"iat": 200},
        {"sub": ""},
        {"sub": 7},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"iat": "long ago"},
        {"iat": float("nan")},
        {"iat": float("inf")},
        {"iat": [1]},
        {"exp": {}},
    ]
    for changed in wrong:
        seen = holder(token(**changed))
        assert seen is None, f"a token with {changed} (times from now, in seconds) was taken for {seen!r}"


@pytest.mark.task(3)
def test_a_token_that_lives_too_long() -> None:
    """It cannot be revoked: what leaks is good until it ends, and somebody made it end in ten years."""
    long: dict[str, dict[str, Any]] = {
        "ends in ten years": {"exp": 3650 * DAY_S},
        "ends in a day": {"exp": DAY_S},
        "was made ten days ago and ends in a minute": {"iat": -10 * DAY_S, "exp": 60},
        "was made ahead, to look short": {"iat": 9 * DAY_S, "exp": 9 * DAY_S + 60},
    }
    for what, changed in long.items():
        seen = holder(token(**changed))
        assert seen is None, (
            f"a token that {what} was taken for {seen!r}. Too long for max_ttl_s, or made to look shorter: "
            "from `iat` to `exp` counts, not what is left of it."
        )


@pytest.mark.task(3)
def test_the_longest_that_is_allowed() -> None:
    """A limit that is off by the patience is another limit than the one in the contract."""
    for options, limit_s in (({}, 3600), ({"max_ttl_s": 120}, 120)):
        for more_s, expected in ((0, "ada"), (-50, "ada"), (5, None), (30 - 5, None)):
            seen = holder(token(iat=-10, exp=limit_s + more_s - 10), **options)
            assert seen == expected, (
                f"{options}: a token made for {limit_s + more_s} s was taken for {seen!r}, not {expected!r}. "
                f"At most {limit_s} s are allowed, and clocks that differ have no part in it."
            )


@pytest.mark.task(3)
def test_any_text_is_nobodys() -> None:
    """A 500 tells a stranger that they have found something."""
    good = token()
    for text in ("", ".", "..", "...", "ü.é.ß", "null", "a.b.c", good[:-3], good + ".x", " ".join(good), "x" * 100_000):
        seen = holder(text)
        assert seen is None, f"the text {text[:40]!r} was taken for {seen!r}"
    for payload in (b"[]", b'"ada"', b"7", b"null", b"\xff", b"{"):
        seen = holder(jwt.PyJWS().encode(payload, SECRET, "HS256"))
        assert seen is None, f"a signed token whose claims are {payload!r} was taken for {seen!r}"
