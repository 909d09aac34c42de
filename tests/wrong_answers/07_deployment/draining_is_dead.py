# fails: 07.1
# says: a kill in the middle of the streams
"""A service that is going down is not alive."""

# >>> 07.1 (2)
@router.get("/live")
async def live() -> dict[str, str]:  # not `def`: that waits for a thread, and threads run out first
    if drain.draining:
        raise HTTPException(503, "going down")
    return {"status": "alive"}

@router.get("/ready")
async def ready(response: Response) -> dict[str, Any]:
    states = {} if drain.draining else await readiness.states()
    ill = [part.kind for part in readiness.parts if states.get(part.name, "ok") != "ok"]
    status = "draining" if drain.draining else "not ready" if "needed" in ill else "degraded" if ill else "ready"
    response.status_code = 503 if status in ("draining", "not ready") else 200
    return {"status": status, "parts": states}
# <<< 07.1
