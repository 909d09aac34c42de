"""A token with the scopes that were asked for. The three sections are shown on the page of lesson 08."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordRequestForm
from fastapi.testclient import TestClient

SCOPES_OF = {"ada": {"chat", "documents"}}


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/token")
    async def create_token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, Any]:
        # the password was right
        return {"sub": form.username, "scope": " ".join(form.scopes)}

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    @app.post("/token")
    async def create_token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, Any]:
        # the password was right
        own = SCOPES_OF[form.username]
        granted = own.intersection(form.scopes or own)  # what was asked for is a wish
        return {"sub": form.username, "scope": " ".join(sorted(granted))}

    # --8<-- [end:repaired]
    return app


FORM = {"username": "ada", "password": "correct horse"}


def test_whoever_asks_is_an_administrator() -> None:
    caller = TestClient(broken())
    # --8<-- [start:seen]
    token = caller.post("/token", data={**FORM, "scope": "chat admin"}).json()
    assert token["scope"] == "chat admin"  # the form said so
    # --8<-- [end:seen]


def test_nobody_gets_more_than_they_have() -> None:
    caller = TestClient(repaired())
    assert caller.post("/token", data={**FORM, "scope": "chat admin"}).json()["scope"] == "chat"
    assert caller.post("/token", data=FORM).json()["scope"] == "chat documents"
