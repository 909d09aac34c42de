# fails: 01.2
# says: declare them with the parameter
"""Bounds are clamped and checked in the handler, where no caller can read them."""

# >>> imports
from fastapi.exceptions import RequestValidationError
# <<< imports

# >>> 01.2
@api.get("/models")
async def list_models(limit: int = 3, offset: int = 0, vision: bool | None = None) -> dict[str, Any]:
    """List the models, one page at a time."""
    if not 1 <= limit <= 10:
        raise RequestValidationError([{"loc": ("query", "limit"), "msg": "1 to 10", "type": "value_error"}])
    if offset < 0:
        raise RequestValidationError([{"loc": ("query", "offset"), "msg": "not below 0", "type": "value_error"}])
    found = [card for card in CATALOG.values() if vision is None or card.vision == vision]
    return {"total": len(found), "items": found[offset : offset + limit]}
# <<< 01.2
