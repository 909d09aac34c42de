"""POST /v1/chat/completions, in OpenAI's shape, so that any of its clients works."""

import time
from typing import Annotated, Any

import httpx2 as httpx
from fastapi import APIRouter, Depends, HTTPException, Request

from capstone.parts import models


def provider_client(request: Request) -> httpx.AsyncClient:
    """Find the client that the lifespan opened."""
    return request.state.provider


Provider = Annotated[httpx.AsyncClient, Depends(provider_client)]
router = APIRouter(prefix="/v1", tags=["chat"])


@router.post("/chat/completions")
async def create_chat(
    body: models.ChatRequest,  # pyright: ignore[reportInvalidTypeForm] - whose class it is, is decided at start-up
    provider: Provider,
) -> dict[str, Any]:
    """Answer a conversation."""
    asked: dict[str, Any] = body.model_dump(exclude_none=True)
    if asked.get("stream"):
        raise HTTPException(400, "streaming comes with lesson 04: send stream=false")
    try:
        reply = await provider.post("/chat/completions", json=asked)
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise HTTPException(502, "the provider did not answer") from error
    answer = reply.json()
    choice = answer["choices"][0]
    response = models.ChatResponse.model_validate(
        {
            "id": answer["id"],
            "model": answer["model"],
            "content": choice["message"]["content"] or "",
            "finish_reason": choice["finish_reason"],
            "usage": answer["usage"],
        }
    )
    return as_completion(response)


def as_completion(response: Any) -> dict[str, Any]:
    """Return a ChatResponse in the shape of OpenAI's chat completion."""
    return {
        "id": response.id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": response.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": response.content, "refusal": None},
                "logprobs": None,
                "finish_reason": response.finish_reason,
            }
        ],
        "usage": response.usage.model_dump(),
    }
