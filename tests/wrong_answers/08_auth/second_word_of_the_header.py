# fails: 08.1
# says: IndexError came out of the service
"""Splits the header, and takes what is behind the blank for granted."""

# >>> 08.1
async def current_principal(request: Request, services: Using) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    header = request.headers.get("authorization", "")
    credential = header.split(" ", 1)[1] if header.lower().startswith("bearer") else ""
    if not credential.strip():
        raise HTTPException(401, "no key or token", {"WWW-Authenticate": "Bearer"})
    principal = await services.principal_of(credential.strip())
    if principal is None:
        raise HTTPException(401, "not a valid key or token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if principal.tenant in services.suspended:
        raise HTTPException(403, "this account is suspended")
    return principal
# <<< 08.1
