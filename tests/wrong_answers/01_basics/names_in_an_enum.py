# fails: 01.2
# says: an Enum of names
"""The popular way: an Enum of model names as the path parameter."""

# >>> imports
from enum import StrEnum
# <<< imports

# >>> 01.2
class ModelName(StrEnum):
    """Every model there is."""

    CHAT = "acme/mock-chat"
    LARGE = "mock-large"
    SMALL = "mock-small"
    VISION = "mock-vision"


@api.get("/models")
async def list_models(
    limit: Annotated[int, Query(ge=1, le=10)] = 3, offset: Annotated[int, Query(ge=0)] = 0, vision: bool | None = None
) -> dict[str, Any]:
    """List the models, one page at a time."""
    found = [card for card in CATALOG.values() if vision is None or card.vision == vision]
    return {"total": len(found), "items": found[offset : offset + limit]}
# <<< 01.2

# >>> 01.2 (2)
@api.get("/models/{name:path}")  # subtle: a plain {name} ends at the first slash
async def read_model(name: ModelName) -> ModelCard:
    """Find one model by its name."""
    if name not in CATALOG:
        raise HTTPException(404, {"message": f"no model named {name!r}", "available": list(CATALOG)})
    return CATALOG[name]
# <<< 01.2
