"""GET /v1/models, in OpenAI's shape."""

from typing import Any

from fastapi import APIRouter

from capstone.dependencies import Caller, ProvidersDep
from capstone.errors import ApiError
from capstone.services.access import may_ask

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models")
async def list_models(caller: Caller, providers: ProvidersDep) -> dict[str, Any]:
    """List the models that this key may ask."""
    names = [name for name in providers.of_model if may_ask(caller, name)]
    return {"object": "list", "data": [card(name, providers.of_model[name].name) for name in names]}


@router.get("/models/{name:path}")
async def read_model(name: str, caller: Caller, providers: ProvidersDep) -> dict[str, Any]:
    """Return one of them."""
    if name not in providers.of_model or not may_ask(caller, name):
        raise ApiError(404, "There is no such model; GET /v1/models lists them.", code="model_not_found", param="model")
    return card(name, providers.of_model[name].name)


def card(name: str, owner: str) -> dict[str, Any]:
    """Return a model as OpenAI describes it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
