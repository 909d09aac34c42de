"""The lines of the table "and smaller ones" on the page of lesson 01."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel


def test_the_first_of_two_routes_with_one_path_wins() -> None:
    app = FastAPI()

    @app.post("/chat")
    async def create_chat() -> str:
        return "first"

    @app.post("/chat")
    async def create_chat_again() -> str:
        return "second"

    assert TestClient(app).post("/chat").json() == "first"


def test_two_handlers_with_one_name_are_only_a_warning() -> None:
    app = FastAPI()

    def add() -> None:
        @app.post("/chat")
        async def create_chat() -> str:
            return "one of two"

    add()
    add()
    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        app.openapi()


def test_a_body_without_content_type_is_refused() -> None:
    app = FastAPI()

    class Body(BaseModel):
        prompt: str

    @app.post("/chat")
    async def create_chat(body: Body) -> str:
        return body.prompt

    assert TestClient(app).post("/chat", content=b'{"prompt": "hi"}').status_code == 422


def test_the_documentation_page_loads_scripts_from_elsewhere() -> None:
    assert '<script src="https://' in TestClient(FastAPI()).get("/docs").text
