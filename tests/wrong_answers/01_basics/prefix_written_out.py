# fails: 01.6
# says: the prefix belongs to the router
"""Each route spells the prefix, as does not the one that is added later."""

# >>> 01.6 (2)
router = APIRouter(tags=["usage"], dependencies=[Depends(current_team)])

@router.get("/usage")
async def read_usage(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
    return {"team": team, "tokens": USAGE[team]}

@router.get("/usage/total")
async def read_total(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
    return {"team": team, "total": sum(USAGE[team].values())}
# <<< 01.6
