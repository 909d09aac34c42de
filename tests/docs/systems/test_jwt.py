"""JWT: a token, and somebody who was locked out. Shown on docs/systems/jwt.md."""

import time
from typing import Any

import jwt
import pytest

SECRET = "a secret that is as long as HS256 wants it"


# --8<-- [start:example]
US, CHAT = "https://auth.acme.test", "chat"


def issue(user: str, *, lives_s: float = 900) -> str:
    now = time.time()
    who = {"sub": user, "iss": US, "aud": CHAT}
    return jwt.encode({**who, "iat": now, "exp": now + lives_s}, SECRET)


def read(token: str) -> dict[str, Any]:
    return jwt.decode(
        token,
        SECRET,
        algorithms=["HS256"],
        issuer=US,
        audience=CHAT,
        leeway=30,  # clocks differ
        options={"require": ["exp", "iss", "aud", "sub"]},
    )


# --8<-- [end:example]


class Broken:
    # --8<-- [start:broken]
    def log_in(self, user: str) -> str:
        # so that nobody has to log in again
        return issue(user, lives_s=30 * 86_400)

    def who(self, token: str) -> str:
        return read(token)["sub"]

    # --8<-- [end:broken]


class Repaired:
    def __init__(self, ended: dict[str, float]) -> None:
        self.ended = ended

    # --8<-- [start:repaired]
    def log_in(self, user: str) -> str:
        # a quarter of an hour; who is still welcome gets the next one
        return issue(user, lives_s=900)

    def who(self, token: str) -> str:
        claims = read(token)
        # kept for as long as a token lives
        if claims["iat"] <= self.ended.get(claims["sub"], 0):
            raise PermissionError("This token was ended.")
        return claims["sub"]

    # --8<-- [end:repaired]


def test_what_is_required_is_there_and_checked() -> None:
    assert read(issue("ada"))["sub"] == "ada"
    with pytest.raises(jwt.ExpiredSignatureError):
        read(issue("ada", lives_s=-60))


def test_a_token_outlives_the_account() -> None:
    service, users = Broken(), {"ada"}
    # --8<-- [start:seen]
    token = service.log_in("ada")
    users.remove("ada")  # she has left, and her laptop is stolen
    assert service.who(token) == "ada"  # for thirty days: nobody asks anybody
    assert read(token)["exp"] - time.time() > 29 * 86_400
    # --8<-- [end:seen]


def test_one_line_ends_all_tokens_of_a_user() -> None:
    ended: dict[str, float] = {}
    service = Repaired(ended)
    token, bobs = service.log_in("ada"), service.log_in("bob")
    assert service.who(token) == "ada"
    ended["ada"] = time.time()
    with pytest.raises(PermissionError):
        service.who(token)
    assert service.who(bobs) == "bob"
    assert read(token)["exp"] - time.time() < 901, "after which the line may be forgotten"
