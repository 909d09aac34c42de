# fails: 01.2
# says: false was taken for absent
"""The filter tests truth, so vision=false filters nothing."""

# >>> 01.2
@api.get("/models")
async def list_models(
    limit: Annotated[int, Query(ge=1, le=10)] = 3, offset: Annotated[int, Query(ge=0)] = 0, vision: bool | None = None
) -> dict[str, Any]:
    """List the models, one page at a time."""
    found = [card for card in CATALOG.values() if not vision or card.vision]
    return {"total": len(found), "items": found[offset : offset + limit]}
# <<< 01.2
