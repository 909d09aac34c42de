# fails: 08.1
# says: a 401 needs WWW-Authenticate: Bearer
"""The status is right, and what a client has to do about it is not said."""

# >>> 08.1
async def current_principal(request: Request, services: Using) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise HTTPException(401)
    principal = await services.principal_of(credential.strip())
    if principal is None:
        raise HTTPException(401)
    if principal.tenant in services.suspended:
        raise HTTPException(403, "this account is suspended")
    return principal
# <<< 08.1
