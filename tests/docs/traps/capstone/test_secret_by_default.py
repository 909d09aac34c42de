"""A secret with a default, and a check that comes late. The three sections are shown on the page of lesson 09."""

import os
from typing import Annotated

import jwt
import pytest
from fastapi import FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

# PyJWT warns that such a key is short. The warning scrolls by.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


def broken() -> FastAPI:
    # --8<-- [start:broken]
    SECRET = os.getenv("SECRET_KEY", "change-me")

    app = FastAPI()

    @app.get("/users")
    async def list_users(authorization: Annotated[str, Header()] = "") -> str:
        if SECRET == "change-me" and os.getenv("ENV") == "production":
            raise HTTPException(500, "SECRET_KEY is not set")
        token = authorization.removeprefix("Bearer ")
        who = jwt.decode(token, SECRET, algorithms=["HS256"])
        return f"everything, for {who['sub']}"

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"

    def checked_secret() -> str:
        secret = os.getenv("SECRET_KEY", "")
        if len(secret) < 32 or len(set(secret)) < 8:  # and it is not in the text
            raise SystemExit(f"SECRET_KEY is missing or weak. Make one: {MAKE_ONE}")
        return secret

    def create_app(secret: str) -> FastAPI:
        app = FastAPI()

        @app.get("/users")
        async def list_users(authorization: Annotated[str, Header()] = "") -> str:
            token = authorization.removeprefix("Bearer ")
            try:
                who = jwt.decode(token, secret, algorithms=["HS256"])
            except jwt.InvalidTokenError:
                raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None
            return f"everything, for {who['sub']}"

        return app

    return create_app(checked_secret())  # in a file: app = create_app(checked_secret())
    # --8<-- [end:repaired]


def test_whoever_has_read_the_tutorial_is_the_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    # --8<-- [start:seen]
    caller = TestClient(broken())
    token = jwt.encode({"sub": "admin"}, "change-me")  # every scanner's first
    answer = caller.get("/users", headers={"Authorization": f"Bearer {token}"})
    assert answer.json() == "everything, for admin"

    monkeypatch.setenv("ENV", "production")  # checked by whoever asks first
    assert caller.get("/docs").status_code == 200  # the process runs
    assert caller.get("/users").status_code == 500
    # --8<-- [end:seen]


def test_what_is_set_to_nothing_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "")  # compose, for a variable that is not there
    assert os.getenv("SECRET_KEY", "change-me") == ""
    with pytest.raises(jwt.InvalidKeyError, match="must not be empty"):
        jwt.encode({"sub": "ada"}, "")


@pytest.mark.parametrize("weak", ["", "change-me", "a" * 64])
def test_a_bad_one_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch, weak: str) -> None:
    monkeypatch.setenv("SECRET_KEY", weak)
    with pytest.raises(SystemExit, match="token_urlsafe") as refused:
        repaired()
    assert not weak or weak not in str(refused.value)


def test_a_good_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "k3Vb9qLw_zR7tYx2NcM5pHs8JdG4fAe6uQ1oIW0vTB"
    monkeypatch.setenv("SECRET_KEY", secret)
    caller = TestClient(repaired())
    for key, status in ((secret, 200), ("change-me", 401)):
        token = jwt.encode({"sub": "ada"}, key)
        assert caller.get("/users", headers={"Authorization": f"Bearer {token}"}).status_code == status
