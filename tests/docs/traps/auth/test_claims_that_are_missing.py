"""What is not in a token is not checked. The three sections are shown on the page of lesson 08."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

SECRET = "a secret that is as long as HS256 wants it"
Verify = Callable[[str], dict[str, Any]]


def broken() -> Verify:
    # --8<-- [start:broken]
    def read_token(token: str) -> dict[str, Any]:
        return jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_aud": False})

    # --8<-- [end:broken]
    return read_token


def repaired() -> Verify:
    # --8<-- [start:repaired]
    def read_token(token: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            SECRET,
            algorithms=["HS256"],
            issuer="https://auth.acme.test",
            audience="chat",
            leeway=30,  # clocks differ
            options={"require": ["exp", "iss", "aud", "sub"]},
        )

    # --8<-- [end:repaired]
    return read_token


def test_a_token_without_an_end_and_one_for_somebody_else_are_good() -> None:
    read_token = broken()
    # --8<-- [start:seen]
    for_ever = jwt.encode({"sub": "ada"}, SECRET)
    assert read_token(for_ever) == {"sub": "ada"}  # in ten years too

    for_another = jwt.encode({"sub": "ada", "iss": "https://photos.test", "aud": "photos"}, SECRET)
    assert read_token(for_another)["aud"] == "photos"  # whoever runs that service can be ada here
    # --8<-- [end:seen]


def test_what_is_required_is_checked() -> None:
    read_token = repaired()
    good = {"sub": "ada", "iss": "https://auth.acme.test", "aud": "chat", "exp": time.time() + 60}
    assert read_token(jwt.encode(good, SECRET))["sub"] == "ada"
    assert read_token(jwt.encode({**good, "exp": time.time() - 5}, SECRET))["sub"] == "ada"
    for name in good:
        with pytest.raises(jwt.MissingRequiredClaimError, match=name):
            read_token(jwt.encode({key: value for key, value in good.items() if key != name}, SECRET))
    for wrong in ({"aud": "photos"}, {"iss": "https://photos.test"}, {"exp": time.time() - 60}):
        with pytest.raises(jwt.InvalidTokenError):
            read_token(jwt.encode({**good, **wrong}, SECRET))
