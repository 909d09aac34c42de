"""The lines of the table "and smaller ones" on the page of lesson 08."""

import inspect
import logging
import time
from typing import Annotated

import jwt
import pytest
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.testclient import TestClient
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from tests.docs.traps.serving import served

SECRET = "a secret that is as long as HS256 wants it"


def test_a_key_in_a_header_of_its_own_is_asked_for_too() -> None:
    app = FastAPI()

    @app.get("/who")
    async def who(key: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]) -> str:
        return key

    answer = TestClient(app).get("/who")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "APIKey")


def test_a_missing_bearer_is_401_by_itself() -> None:
    app = FastAPI(dependencies=[Depends(HTTPBearer())])
    app.get("/who")(lambda: "ada")
    answer = TestClient(app).get("/who")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_key_in_the_query_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    @app.get("/who")
    def who(api_key: Annotated[str, Query()]) -> str:
        return "ada" if api_key else ""

    with served(app, log_config={"version": 1, "disable_existing_loggers": False}) as url:
        import httpx2 as httpx

        with caplog.at_level(logging.INFO, "uvicorn.access"):
            httpx.get(f"{url}/who", params={"api_key": "sk_secret"}, trust_env=False)
    assert "sk_secret" in caplog.text


def test_decode_wants_the_algorithms() -> None:
    token = jwt.encode({"sub": "ada"}, SECRET)
    with pytest.raises(jwt.DecodeError, match='value for the "algorithms" argument'):
        jwt.decode(token, SECRET)


def test_a_number_is_no_subject() -> None:
    token = jwt.encode({"sub": 7}, SECRET)  # made without a word
    with pytest.raises(jwt.exceptions.InvalidSubjectError):
        jwt.decode(token, SECRET, algorithms=["HS256"])


def test_a_short_secret_is_a_warning() -> None:
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        jwt.encode({"sub": "ada"}, "secret")


def test_claims_can_be_read_without_a_signature_and_that_is_no_check() -> None:
    forged = jwt.encode({"sub": "admin"}, "x" * 32)
    assert jwt.decode(forged, options={"verify_signature": False}) == {"sub": "admin"}


def test_not_every_error_of_the_library_is_an_invalid_token() -> None:
    assert not issubclass(jwt.InvalidKeyError, jwt.InvalidTokenError)
    assert issubclass(jwt.InvalidKeyError, jwt.PyJWTError)


def test_an_expired_token_without_leeway() -> None:
    token = jwt.encode({"exp": time.time() - 5}, SECRET)
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(token, SECRET, algorithms=["HS256"])
    jwt.decode(token, SECRET, algorithms=["HS256"], leeway=30)


def test_a_text_that_is_no_hash_is_an_error() -> None:
    with pytest.raises(UnknownHashError):
        PasswordHash.recommended().verify("x", "x")


def test_a_route_that_forgets_its_guard_is_open() -> None:
    def guard() -> None:
        raise HTTPException(401)

    app = FastAPI()
    app.get("/documents", dependencies=[Depends(guard)])(lambda: "documents")
    app.get("/documents/export")(lambda: "all documents")
    caller = TestClient(app)
    assert caller.get("/documents").status_code == 401
    assert caller.get("/documents/export").json() == "all documents"


def test_an_alias_is_checked_and_something_else_is_asked() -> None:
    ALLOWED, ALIASES = {"mock-small", "latest"}, {"latest": "mock-large"}

    def dispatch(model: str) -> str:
        if model not in ALLOWED:
            raise PermissionError(model)
        return ALIASES.get(model, model)

    def dispatch_today(model: str) -> str:
        model = ALIASES.get(model, model)  # first what it is, then whether it may be
        if model not in ALLOWED:
            raise PermissionError(model)
        return model

    assert dispatch("latest") == "mock-large"
    with pytest.raises(PermissionError, match="mock-large"):
        dispatch_today("latest")


def test_a_default_that_depends_is_no_user_outside_of_fastapi() -> None:
    def current_user() -> str:
        return "ada"

    def read_name(user: str = Depends(current_user)) -> str:
        return user

    assert not isinstance(read_name(), str)
    assert "Depends" in repr(inspect.signature(read_name).parameters["user"].default)
