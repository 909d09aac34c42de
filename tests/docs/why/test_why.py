"""What the page "Why FastAPI" says of three frameworks, seen."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import ROOT
from tests.docs.why import django_service, fastapi_service, flask_service, model

ASGI = {"FastAPI": fastapi_service.app, "Django": django_service.app}
CHAT = {"prompt": "two words"}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    model.seen = model.Seen()
    yield
    model.together = 1


def visitor(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


@pytest.mark.parametrize("framework", ASGI)
async def test_the_same_chat_answers_refuses_and_streams(framework: str) -> None:
    async with visitor(ASGI[framework]) as client:
        answer = await client.post("/chat", json=CHAT)
        refused = await client.post("/chat", json={"prompt": "", "max_tokens": 9999})
        stream = await client.post("/stream", json=CHAT)
    assert answer.json() == {"answer": "TWO WORDS"}
    assert refused.status_code == 422
    assert {tuple(one["loc"])[-1] for one in refused.json()["detail"]} == {"prompt", "max_tokens"}
    assert stream.text == "TWO WORDS "


def test_flask_does_so_too_with_pydantic_at_its_side() -> None:
    client = flask_service.app.test_client()
    assert client.post("/chat", json=CHAT).json == {"answer": "TWO WORDS"}
    refused = client.post("/chat", json={"prompt": "", "max_tokens": 9999})
    assert refused.status_code == 422
    assert {one["loc"][0] for one in refused.get_json()["detail"]} == {"prompt", "max_tokens"}
    assert client.post("/stream", json=CHAT).text == "TWO WORDS "


@pytest.mark.parametrize("framework", ASGI)
async def test_fifty_callers_wait_together_on_one_thread(framework: str) -> None:
    model.together = 50
    async with visitor(ASGI[framework]) as client:
        answers = await asyncio.gather(*(client.post("/chat", json=CHAT) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert model.seen.most_at_once == 50
    assert len(model.seen.threads) == len(model.seen.loops) == 1


def test_flask_runs_async_views_and_each_holds_its_thread() -> None:
    model.together = 50
    with ThreadPoolExecutor(2) as threads:  # gunicorn --threads 2
        calls = [threads.submit(flask_service.app.test_client().post, "/chat", json=CHAT) for _ in range(6)]
        assert {call.result().status_code for call in calls} == {200}
    assert model.seen.most_at_once <= 2


def test_flask_runs_every_async_view_on_a_loop_of_its_own() -> None:
    """So no client can be kept that belongs to a loop."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def note() -> str:
        loops.append(asyncio.get_running_loop())
        return ""

    app = flask_service.Flask("loops")
    app.add_url_rule("/", view_func=note)
    for _ in range(3):
        app.test_client().get("/")
    assert len({id(loop) for loop in loops}) == 3  # all are held here, so no id is used twice


def test_two_of_three_describe_themselves() -> None:
    for schema in (fastapi_service.app.openapi(), json.loads(json.dumps(django_service.api.get_openapi_schema()))):
        assert schema["components"]["schemas"]["Chat"]["properties"]["max_tokens"]["maximum"] == 4096
    assert not any("openapi" in str(rule) for rule in flask_service.app.url_map.iter_rules())


async def test_django_knows_no_lifespan() -> None:
    """What lives as long as the process is opened elsewhere."""

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None: ...

    with pytest.raises(ValueError, match="lifespan"):
        await django_service.app({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]


def test_the_figures_on_the_page_are_those_of_the_benchmark() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "async_vs_sync.json").read_text(encoding="utf-8"))
    page = Path(ROOT / "docs" / "why-fastapi.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ") and "`" in line]
    shown = {row[-1].strip("` |"): [cell.strip() for cell in row[1:4]] for row in rows if len(row) == 5}
    assert len(shown) >= 6
    for id, cells in shown.items():
        (case,) = [one for one in measured["cases"] if one["id"] == id]
        (run,) = [one for one in case["runs"] if one["users"] == 100]
        seen = [
            f"{run['requests_per_s']:.0f}",
            f"{'≥ ' * run['p99_is_at_least']}{run['p99_ms'] / 1000:.1f} s",
            f"{run['cpu_ms_per_request']:.1f} ms",
        ]
        assert cells == seen, f"{id} was measured as {seen}"
