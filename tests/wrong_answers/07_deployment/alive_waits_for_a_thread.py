# fails: 07.1
# says: it waits for a thread
"""Nothing is awaited in it, so it is a plain function."""

# >>> 07.1 (2)
@router.get("/live")
def live() -> dict[str, str]:
    return {"status": "alive"}

@router.get("/ready")
async def ready(response: Response) -> dict[str, Any]:
    states = {} if drain.draining else await readiness.states()
    ill = [part.kind for part in readiness.parts if states.get(part.name, "ok") != "ok"]
    status = "draining" if drain.draining else "not ready" if "needed" in ill else "degraded" if ill else "ready"
    response.status_code = 503 if status in ("draining", "not ready") else 200
    return {"status": status, "parts": states}
# <<< 07.1
