"""API keys kept as they are, and compared as texts. The three sections are shown on the page of lesson 08."""

import hmac
import secrets
from typing import Annotated

import pytest
from fastapi import FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

PEPPER = secrets.token_bytes(32)


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()
    API_KEYS = {"ada": "sk-ada-4711"}

    @app.get("/who")
    async def read_user(x_api_key: Annotated[str, Header()]) -> str:
        for user, key in API_KEYS.items():
            if hmac.compare_digest(key, x_api_key):  # in constant time, as one should
                return user
        raise HTTPException(401)

    # --8<-- [end:broken]
    return app


def repaired(records: dict[str, tuple[str, str]]) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    def digest(key: str) -> str:
        return hmac.digest(PEPPER, key.encode(), "sha256").hex()  # 1.5 microseconds

    def create_key(user: str) -> str:
        key_id = secrets.token_hex(6)
        key = f"sk_{key_id}_{secrets.token_urlsafe(32)}"
        records[key_id] = (user, digest(key))  # what is kept opens nothing
        return key  # shown now and never again

    @app.get("/who")
    async def read_user(x_api_key: Annotated[str, Header()]) -> str:
        key_id = x_api_key.removeprefix("sk_").partition("_")[0]
        user, kept = records.get(key_id, ("", ""))
        if not hmac.compare_digest(kept, digest(x_api_key)):  # two digests: always ASCII
            raise HTTPException(401)
        return user

    # --8<-- [end:repaired]
    app.state.create_key = create_key
    return app


def test_an_umlaut_is_a_500_and_the_file_is_the_keys() -> None:
    # --8<-- [start:seen]
    caller = TestClient(broken())
    assert caller.get("/who", headers={"X-API-Key": "sk-ada-4711"}).json() == "ada"

    with pytest.raises(TypeError, match="non-ASCII"):  # every stranger can fill your error log
        caller.get("/who", headers={b"X-API-Key": "schlüssel".encode()})
    # --8<-- [end:seen]


def test_a_digest_is_found_by_its_id() -> None:
    records: dict[str, tuple[str, str]] = {}
    app = repaired(records)
    key, caller = app.state.create_key("ada"), TestClient(app)
    assert caller.get("/who", headers={"X-API-Key": key}).json() == "ada"
    for wrong in (key[:-1], "sk_", "", f"sk_{'0' * 12}_x"):
        assert caller.get("/who", headers={"X-API-Key": wrong}).status_code == 401
    assert caller.get("/who", headers={b"X-API-Key": "schlüssel".encode()}).status_code == 401
    assert key.split("_", 2)[2] not in str(records)
