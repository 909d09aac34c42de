# fails: 01.6
# says: the path of the route itself is empty
"""With a prefix and "/", the route is /usage/, and /usage only redirects."""

# >>> 01.6 (2)
router = APIRouter(prefix="/usage", tags=["usage"], dependencies=[Depends(current_team)])

@router.get("/")
async def read_usage(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
    return {"team": team, "tokens": USAGE[team]}

@router.get("/total")
async def read_total(team: Annotated[str, Depends(current_team)]) -> dict[str, Any]:
    return {"team": team, "total": sum(USAGE[team].values())}
# <<< 01.6
