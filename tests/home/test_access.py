"""Who may do what, and how much of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from capstone.main import create_app
from capstone.startup import UnsafeSettings
from tests.home.conftest import service, settings

Key = Callable[..., dict[str, str]]
CHAT = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_key_may_do_what_its_scopes_say_and_nothing_else(client: TestClient, key: Key) -> None:
    chatter = key(scopes=["chat"])
    assert client.post("/v1/chat/completions", json=CHAT, headers=chatter).status_code == 200
    assert client.get("/rag/documents", headers=chatter).status_code == 403
    assert client.post("/auth/keys", json={}, headers=chatter).status_code == 403


def test_a_key_may_be_narrowed_to_models(client: TestClient, key: Key) -> None:
    narrow = key(scopes=["chat"], models=["mock-small"])
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "mock-small"}, headers=narrow).status_code == 200
    assert client.post("/v1/chat/completions", json=CHAT, headers=narrow).status_code == 403


def test_a_rotated_key_ends_and_a_revoked_one_too(client: TestClient) -> None:
    issued = client.post("/auth/keys", json={"name": "x"}).json()
    old = {"Authorization": f"Bearer {issued['key']}"}
    assert client.get("/usage", headers=old).status_code == 200
    newer = client.post(f"/auth/keys/{issued['id']}/rotate").json()
    assert client.get("/usage", headers=old).status_code == 401
    new = {"Authorization": f"Bearer {newer['key']}"}
    assert client.get("/usage", headers=new).status_code == 200
    assert client.delete(f"/auth/keys/{newer['id']}").status_code == 204
    assert client.get("/usage", headers=new).status_code == 401


def test_a_password_gives_a_token_that_ends(client: TestClient) -> None:
    said = client.post("/auth/token", data={"username": "demo", "password": "demo"}).json()
    assert 0 < said["expires_in"] <= 3_600
    headers = {"Authorization": f"Bearer {said['access_token']}"}
    assert client.get("/usage", headers=headers).status_code == 200
    assert client.post("/auth/token", data={"username": "demo", "password": "x"}).status_code == 400
    forged = {"Authorization": f"Bearer {said['access_token'][:-2]}AA"}
    assert client.get("/usage", headers=forged).status_code == 401


def test_tokens_of_a_day_are_not_overspent(client: TestClient, key: Key) -> None:
    few = key(scopes=["chat"], tokens_per_day=50)
    answer = client.post("/v1/chat/completions", json={**CHAT, "max_tokens": 60}, headers=few)
    assert answer.status_code == 429, answer.text
    assert answer.json()["error"]["code"] == "insufficient_quota"
    assert int(answer.headers["retry-after"]) > 0


def test_requests_are_limited_for_each_key_alone(tmp_path: Path) -> None:
    with service(tmp_path, requests_per_minute=5) as client:
        other = {"Authorization": f"Bearer {client.post('/auth/keys', json={}).json()['key']}"}
        statuses = [client.get("/usage").status_code for _ in range(6)]
        assert statuses == [200, 200, 200, 200, 429, 429], "issuing the other key was the first of five"
        assert client.get("/usage", headers=other).status_code == 200


@pytest.mark.parametrize(
    "chosen",
    [
        {"host": "0.0.0.0", "demo": True, "secret": "Zf3-8kQw_0vRtY6mNb2xLp9sHd4jGc7aEu1iOo5T"},  # noqa: S104
        {"host": "0.0.0.0"},  # noqa: S104
        {"host": "0.0.0.0", "secret": "changeme"},  # noqa: S104
    ],
)
def test_nothing_that_everybody_knows_lets_in_from_elsewhere(tmp_path: Path, chosen: dict[str, Any]) -> None:
    with pytest.raises(UnsafeSettings) as refused:
        create_app(settings(tmp_path, **chosen))
    assert "changeme" not in str(refused.value)


def test_the_demo_key_is_for_this_machine_alone(client: TestClient) -> None:
    assert client.get("/usage", headers={"Host": "example.org"}).status_code == 403
