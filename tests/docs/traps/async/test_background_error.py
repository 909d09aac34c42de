"""Background tasks behind an error. The three sections are shown on the page of lesson 03."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.testclient import TestClient

Job = Callable[[str], None]


def broken(log_usage: Job, send_receipt: Job) -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/chat")
    async def create_chat(user: str, background: BackgroundTasks) -> str:
        background.add_task(log_usage, user)
        background.add_task(send_receipt, user)
        if user == "mallory":
            raise HTTPException(402, "no credit left")
        return "42"

    # --8<-- [end:broken]
    return app


def repaired(log_usage: Job, send_receipt: Job) -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    def quietly(job: Callable[..., Any], *args: Any) -> None:
        try:
            job(*args)
        except Exception:
            logging.getLogger("chat").exception("%s failed for %s", job.__name__, args)

    @app.post("/chat")
    async def create_chat(user: str, background: BackgroundTasks) -> str:
        if user == "mallory":
            raise HTTPException(402, "no credit left")
        background.add_task(quietly, log_usage, user)
        background.add_task(quietly, send_receipt, user)
        return "42"

    # --8<-- [end:repaired]
    return app


def log_usage(user: str) -> None:
    raise ConnectionError("the database is down")


def test_one_error_ends_the_rest_and_a_refusal_runs_none() -> None:
    # --8<-- [start:seen]
    sent: list[str] = []
    caller = TestClient(broken(log_usage, send_receipt=sent.append), raise_server_exceptions=False)

    assert caller.post("/chat?user=ada").status_code == 200  # long gone when the database refuses the usage
    assert sent == []  # and the receipt behind it was never tried

    broken_nowhere = broken(log_usage=sent.append, send_receipt=sent.append)
    assert TestClient(broken_nowhere).post("/chat?user=mallory").status_code == 402
    assert sent == []  # a request that is refused runs no task at all, and says nothing
    # --8<-- [end:seen]


def test_each_task_stands_alone(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[str] = []
    assert TestClient(repaired(log_usage, send_receipt=sent.append)).post("/chat?user=ada").status_code == 200
    assert sent == ["ada"]
    assert "the database is down" in caplog.text
