"""A provider in OpenAI's shape: what the capstone and the official client need of it, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse

app = FastAPI()


def think(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Stand for the model: yield an answer piece by piece."""
    yield from ("You ", "said ", str(messages[-1]["content"]))


# --8<-- [start:provider]
@app.get("/v1/models")
async def read_models() -> dict[str, Any]:
    # one that embeds says so in its name
    return {"object": "list", "data": [{"id": "own-chat"}, {"id": "own-embed"}]}


@app.post("/v1/chat/completions")
def create_chat(body: dict[str, Any]) -> Response:
    pieces = think(body["messages"])
    if body.get("stream"):
        return StreamingResponse(events(pieces), media_type="text/event-stream")
    message = {"role": "assistant", "content": "".join(pieces)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return JSONResponse({"choices": [choice]})


def events(pieces: Iterator[str]) -> Iterator[str]:
    for piece in pieces:
        yield event({"index": 0, "delta": {"content": piece}})
    yield event({"index": 0, "delta": {}, "finish_reason": "stop"})
    yield "data: [DONE]\n\n"  # without it nobody knows whether this was all


def event(choice: dict[str, Any]) -> str:
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


@app.post("/v1/embeddings")
def create_embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = enumerate(vector(text) for text in texts)
    return {"data": [{"index": n, "embedding": one} for n, one in vectors]}


# --8<-- [end:provider]


def vector(text: str) -> list[float]:
    """Stand for the model: how often each of eight letters is there."""
    return [float(text.count(letter)) for letter in "aeinorst"]
