"""POST /v1/embeddings, in OpenAI's shape."""

from fastapi import APIRouter, Response

from capstone.dependencies import ChatDep, Chatter
from capstone.errors import ApiError
from capstone.schemas.chat import Asked, EmbeddingRequest

router = APIRouter(prefix="/v1", tags=["embeddings"])


@router.post("/embeddings")
async def create_embeddings(body: EmbeddingRequest, caller: Chatter, chat: ChatDep) -> Response:
    """Turn texts into vectors."""
    if body.model not in chat.providers.embedding_models:
        raise ApiError(404, "No such model makes embeddings.", code="model_not_found", param="model")
    asked = Asked(
        body.model_dump(exclude_unset=True),
        body.model,
        streams=False,
        wants_usage=False,
        limit=None,
        prompt_tokens=sum(map(len, body.input)) // 4 + len(body.input),
    )
    return Response(await chat.embed(caller, asked), media_type="application/json")
