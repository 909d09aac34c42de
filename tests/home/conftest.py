"""The service in this process, as its callers meet it. No key is needed, and nothing leaves this machine."""

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from capstone.main import create_app
from capstone.settings import Settings
from mockllm import MockLLM, serve_in_thread

NOBODY: dict[str, Any] = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}
NOBODY |= {"ANTHROPIC_API_KEY": None, "ANTHROPIC_BASE_URL": None}


def settings(data: Path, **chosen: Any) -> Settings:
    """Settings for a service with its files in `data`, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CAPSTONE_")]:
            patch.delenv(name)
        return Settings(_env_file=None, **{"data": data, "corpus": None, **NOBODY, **chosen})  # type: ignore[call-arg]


def service(data: Path, **chosen: Any) -> TestClient:
    """A service of its own, and a client that shows the key `demo`."""
    app = create_app(settings(data, **chosen), io.StringIO())
    headers = {"Authorization": "Bearer demo"}
    return TestClient(app, "http://127.0.0.1", headers=headers, client=("127.0.0.1", 50_000))


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The service that most tests share, offline."""
    with service(tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture(scope="session")
def served() -> Iterator[Any]:
    """A provider behind a socket."""
    with serve_in_thread(MockLLM()) as served:
        yield served


@pytest.fixture(scope="session")
def asking(served: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that asks this provider, and asks it once."""
    provider = {"OPENAI_API_KEY": "sk-mock", "OPENAI_BASE_URL": f"{served.url}/v1"}
    with service(tmp_path_factory.mktemp("data"), retries=0, **provider) as client:
        yield client


@pytest.fixture
def provider(served: Any) -> MockLLM:
    """What that provider is to do, to be said by each test anew."""
    served.fake.reset()
    return served.fake


@pytest.fixture
def key(client: TestClient) -> Callable[..., dict[str, str]]:
    """Issue a key; return the headers that show it."""

    def issue(**wanted: Any) -> dict[str, str]:
        answer = client.post("/auth/keys", json=wanted)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['key']}"}

    return issue


def until(ready: Callable[[], Any], *, within_s: float = 20) -> Any:
    """What `ready` returns, once that is something."""
    deadline = time.monotonic() + within_s
    while not (found := ready()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
    return found
