"""Where a request's time goes: every look at a stack is somebody's, and the chart is the drawing of the figures."""

import importlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = "Runner.run (/usr/lib/asyncio/runners.py:118);Server.run (/v/uvicorn/server.py:86)"


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # scripts beside each other, run from their folder
    return importlib.import_module("service_profile")


def test_the_committed_chart_is_the_drawing_of_the_committed_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    draw = importlib.import_module("service_profile_chart").draw
    found = json.loads((ROOT / "benchmarks" / "results" / "service_profile.json").read_text(encoding="utf-8"))
    assert draw(found).encode() == (ROOT / "docs" / "img" / "service_profile.svg").read_bytes(), (
        "Draw it again: python benchmarks/service_profile_chart.py "
        "< benchmarks/results/service_profile.json > docs/img/service_profile.svg"
    )
    assert sum(one["us"] for one in found["rows"]) == pytest.approx(found["cpu_us_per_request"], abs=1)
    assert sum(one["share"] for one in found["rows"]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("frames", "whose"),
    [
        ("", "the event loop"),
        (";run_asgi (/v/uvicorn/protocols/http/httptools_impl.py:1)", "the server"),
        (";app (/v/fastapi/routing.py:1);send (/v/uvicorn/protocols/http/x.py:1)", "the server"),
        (";app (/v/fastapi/routing.py:1);wait_for (/usr/lib/asyncio/tasks.py:1)", "the framework"),
        (
            ";retry (/w/solutions/03_async/app.py:1);request (/v/aiohttp/client.py:1);x (/v/yarl/_url.py:1)",
            "asking the",
        ),
        (";Metrics.observe (/w/solutions/06_production/telemetry.py:1)", "the log line"),
        (";RequestContext.__call__ (/w/solutions/06_production/telemetry.py:1)", "layers"),
        (";Authenticate.__call__ (/w/capstone/middleware.py:1)", "who asks"),
        (";OneShape.__call__ (/w/capstone/middleware.py:1)", "layers"),
        (";read_chat (/w/capstone/schemas/chat.py:1);validate (/v/pydantic/main.py:1)", "checking"),
        (";ChatService._ask (/w/capstone/services/chat.py:1)", "the route"),
        (";UsageQueue.flush (/w/capstone/services/usage.py:1);x (/v/sqlalchemy/engine.py:1)", "usage records"),
    ],
)
def test_a_look_counts_for_the_innermost_frame_that_is_anybodys(profile: Any, frames: str, whose: str) -> None:
    looks = profile.counted(f"{RUN}{frames} 3\n_worker (/usr/lib/concurrent/futures/thread.py:58) 7\n")
    ((name, count),) = looks.items()
    assert name.startswith(whose)
    assert count == 3, "other threads are left out"


def test_the_rows_make_up_the_whole_and_waiting_is_no_work(profile: Any) -> None:
    looks = Counter({profile.LOOP: 60, "the server (uvicorn)": 40})
    table = profile.rows(looks, 200.0, in_main=0.9, waited=0.2)
    spent = {one["part"]: one["us"] for one in table}
    assert spent == {profile.LOOP: 90.0, "the server (uvicorn)": 90.0, profile.RECORDS: 20.0}
    assert [one["us"] for one in table] == sorted(spent.values(), reverse=True)
