# fails: 01.6
# says: the check hangs on each route
"""Both routes are checked, and the next one will not be."""

# >>> 01.6 (2)
router = APIRouter(prefix="/usage", tags=["usage"])

@router.get("")
async def read_usage(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
    return {"team": team, "tokens": USAGE[team]}

@router.get("/total")
async def read_total(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
    return {"team": team, "total": sum(USAGE[team].values())}
# <<< 01.6
