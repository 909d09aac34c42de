"""A prompt that travels in the URL. The three sections are shown on the page of lesson 01."""

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field


def broken() -> FastAPI:
    # --8<-- [start:broken]
    app = FastAPI()

    @app.post("/generate")
    async def create_text(prompt: str) -> dict[str, str]:
        return {"text": f"About {prompt}"}

    # --8<-- [end:broken]
    return app


def repaired() -> FastAPI:
    # --8<-- [start:repaired]
    app = FastAPI()

    class GenerateRequest(BaseModel):
        prompt: str = Field(min_length=1, max_length=4_000)

    @app.post("/generate")
    async def create_text(body: GenerateRequest) -> dict[str, str]:
        return {"text": f"About {body.prompt}"}

    # --8<-- [end:repaired]
    return app


def test_a_json_body_is_not_even_looked_at() -> None:
    client = TestClient(broken())
    # --8<-- [start:seen]
    reply = client.post("/generate", json={"prompt": "my diagnosis"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["query", "prompt"]

    # What the service wants instead stands in every access log on the way.
    reply = client.post("/generate", params={"prompt": "my diagnosis"})
    assert str(reply.request.url).endswith("/generate?prompt=my+diagnosis")
    assert reply.status_code == 200
    # --8<-- [end:seen]


def test_a_model_makes_it_the_body() -> None:
    client = TestClient(repaired())
    reply = client.post("/generate", json={"prompt": "a test"})
    assert reply.json() == {"text": "About a test"}
    assert reply.request.url.query == b""
