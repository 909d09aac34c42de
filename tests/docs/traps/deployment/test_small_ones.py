"""The lines of the table "and smaller ones" on the page of lesson 07."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
import uvicorn
from celery import Celery
from celery.app.utils import find_app
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from tests.docs.traps.serving import served


def test_the_worker_class_of_gunicorn_has_moved() -> None:
    source = (Path(uvicorn.__file__).parent / "workers.py").read_text()
    assert "uvicorn-worker" in source
    assert "deprecated" in source


def test_the_bare_package_has_a_command_that_only_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fastapi", "run"], capture_output=True, text=True, check=False, timeout=60
    )
    if "fastapi_cli" in sys.modules:
        pytest.skip("fastapi-cli is installed here")
    assert done.returncode != 0
    assert 'pip install "fastapi[standard]"' in done.stderr


def test_a_limit_on_connections_refuses_the_probes_too() -> None:
    app, go = FastAPI(), threading.Event()

    @app.get("/health/live")
    async def live() -> str:
        return "alive"

    @app.get("/chat")
    def create_chat() -> StreamingResponse:
        def words() -> Iterator[str]:
            yield "one"
            go.wait(20)

        return StreamingResponse(words())

    with served(app, limit_concurrency=2) as url:
        with httpx.stream("GET", f"{url}/chat", timeout=20) as response:
            words = response.iter_text()
            assert next(words) == "one"
            refused = httpx.get(f"{url}/health/live")
            go.set()
        assert refused.status_code == 503
        assert httpx.get(f"{url}/health/live").status_code == 200


def test_celery_looks_for_a_name_that_fastapi_has_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "both.py").write_text(
        "from celery import Celery\nfrom fastapi import FastAPI\napp = FastAPI()\nqueue = Celery('jobs')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert isinstance(find_app("both"), FastAPI)
    assert isinstance(find_app("both:queue"), Celery)
