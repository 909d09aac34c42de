"""Three doors to one fake, and the official clients at each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from mockllm import LLMTransport, MockLLM, serve_in_thread
from mockllm.server import Served

NO_ANTHROPIC = "the anthropic client is not installed: pip install -e .[dev]"


@dataclass
class Door:
    """A way to the fake. `base` is None where the official addresses work."""

    name: str
    llm: MockLLM
    base: str | None = None

    @property
    def openai_url(self) -> str:
        return f"{self.base or 'https://api.openai.com'}/v1"

    @property
    def anthropic_url(self) -> str:
        return self.base or "https://api.anthropic.com"

    def openai(self, **options: Any) -> Any:
        openai = pytest.importorskip("openai", reason="the openai client is not installed")
        return openai.OpenAI(**self._options(self.openai_url, httpx2.Client, options))

    def async_openai(self, **options: Any) -> Any:
        openai = pytest.importorskip("openai", reason="the openai client is not installed")
        return openai.AsyncOpenAI(**self._options(self.openai_url, httpx2.AsyncClient, options))

    def anthropic(self, **options: Any) -> Any:
        anthropic = pytest.importorskip("anthropic", reason=NO_ANTHROPIC)
        return anthropic.Anthropic(**self._options(self.anthropic_url, httpx2.Client, options))

    def async_anthropic(self, **options: Any) -> Any:
        anthropic = pytest.importorskip("anthropic", reason=NO_ANTHROPIC)
        return anthropic.AsyncAnthropic(**self._options(self.anthropic_url, httpx2.AsyncClient, options))

    def http(self, **options: Any) -> httpx2.AsyncClient:
        """A plain client, as lesson code uses it."""
        return httpx2.AsyncClient(**self._transport(), **options)

    def blocking_http(self, **options: Any) -> httpx2.Client:
        return httpx2.Client(**self._transport(), **options)

    def _transport(self) -> dict[str, Any]:
        return {"transport": LLMTransport(self.llm)} if self.name == "in process" else {}

    def _options(self, url: str, kind: type, options: dict[str, Any]) -> dict[str, Any]:
        own = {"http_client": kind(**self._transport())} if self.name == "in process" else {}
        return {"api_key": "mock", "max_retries": 0, "base_url": url, **own, **options}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server for a module of tests: each test finds it reset."""
    with serve_in_thread() as served:
        yield served


@pytest.fixture(params=["respx", "in process", "socket"])
def door(request: pytest.FixtureRequest) -> Door:
    if request.param == "respx":
        return Door("respx", request.getfixturevalue("llm"))
    if request.param == "in process":
        return Door("in process", MockLLM())
    served: Served = request.getfixturevalue("served")
    served.fake.reset()
    return Door("socket", served.fake, served.url)


@pytest.fixture
def fake() -> Iterator[MockLLM]:
    """A fake without a door."""
    with MockLLM() as fake:
        yield fake


@pytest.fixture
def inside(fake: MockLLM) -> Door:
    return Door("in process", fake)
