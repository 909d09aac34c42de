# fails: 01.6
# says: some other way than through Depends
"""The handlers read the header again by themselves."""

# >>> 01.6 (2)
router = APIRouter(prefix="/usage", tags=["usage"], dependencies=[Depends(current_team)])

@router.get("")
async def read_usage(request: Request) -> dict[str, Any]:
    team = request.headers["x-team"]
    return {"team": team, "tokens": USAGE[team]}

@router.get("/total")
async def read_total(request: Request) -> dict[str, Any]:
    team = request.headers["x-team"]
    return {"team": team, "total": sum(USAGE[team].values())}
# <<< 01.6
