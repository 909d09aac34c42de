"""The answer to "how do you authenticate?" in most lists. The three sections are shown on the page of lesson 08."""

# ruff: noqa: B008, F821 - names that are not there are the trap, and so is the old way to depend
# pyright: reportUndefinedVariable=false

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.testclient import TestClient


@dataclass(frozen=True)
class Principal:
    id: str
    tenant: str


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()
    bearer = HTTPBearer()

    async def verify_token(credentials: HTTPAuthorizationCredentials = Depends(bearer)):
        if not is_valid(credentials.credentials):
            raise HTTPException(status_code=401)
        return decode_token(credentials.credentials)

    @app.get("/documents")
    async def list_documents(user=Depends(verify_token)):
        return f"documents of {user['tenant']}"

    # --8<-- [end:broken]
    return app


# What the snippet leaves to its reader: it is not there when the service starts, and nobody says so.
def fill_in(is_valid: Callable[[str], bool], decode_token: Callable[[str], dict[str, str]]) -> None:
    globals().update(is_valid=is_valid, decode_token=decode_token)


def repaired(principal_of: Callable[[str], Awaitable[Principal | None]]) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()
    bearer = HTTPBearer()

    async def current_principal(held: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> Principal:
        principal = await principal_of(held.credentials)  # a key or a token; None if it is nobody's
        if principal is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, "not a valid key or token", challenge)
        return principal

    @app.get("/documents")
    async def list_documents(principal: Annotated[Principal, Depends(current_principal)]) -> str:
        return f"documents of {principal.tenant}"

    # --8<-- [end:repaired]
    return app


def test_who_shows_nothing_is_asked_and_who_shows_something_wrong_is_not() -> None:
    # --8<-- [start:seen]
    caller = TestClient(broken(), headers={"Authorization": "Bearer stolen"})
    with pytest.raises(NameError, match="is_valid"):  # the service started; its first caller found out
        caller.get("/documents")

    fill_in(is_valid=lambda token: token == "known", decode_token=lambda token: {"sub": "ada"})

    refused = caller.get("/documents")
    assert refused.status_code == 401
    assert "www-authenticate" not in refused.headers  # so a client does not know what to do about it

    with pytest.raises(KeyError, match="tenant"):  # a dict has what its maker thought of
        caller.get("/documents", headers={"Authorization": "Bearer known"})
    # --8<-- [end:seen]
    del globals()["is_valid"], globals()["decode_token"]


def test_fastapi_itself_answers_who_shows_nothing() -> None:
    answer = TestClient(broken()).get("/documents")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")  # 403 before 0.122


def test_each_of_the_three_has_its_answer() -> None:
    async def principal_of(credential: str) -> Principal | None:
        return Principal("user:ada", "acme") if credential == "known" else None

    caller = TestClient(repaired(principal_of))
    assert caller.get("/documents").headers["www-authenticate"] == "Bearer"
    refused = caller.get("/documents", headers={"Authorization": "Bearer stolen"})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert caller.get("/documents", headers={"Authorization": "bearer known"}).json() == "documents of acme"
