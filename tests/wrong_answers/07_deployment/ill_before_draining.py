# fails: 07.1
# says: Who drains says so, however its parts are
"""Both are a 503, so the first reason that is found will do."""

# >>> 07.1 (2)
@router.get("/live")
async def live() -> dict[str, str]:
    return {"status": "alive"}

@router.get("/ready")
async def ready(response: Response) -> dict[str, Any]:
    states = await readiness.states()
    ill = [part.kind for part in readiness.parts if states.get(part.name, "ok") != "ok"]
    status = "not ready" if "needed" in ill else "draining" if drain.draining else "degraded" if ill else "ready"
    response.status_code = 503 if status in ("draining", "not ready") else 200
    return {"status": status, "parts": states}
# <<< 07.1
