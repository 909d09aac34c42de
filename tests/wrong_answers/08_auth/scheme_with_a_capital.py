# fails: 08.1
# says: is the same in capitals
"""`Bearer ` as it stands in every example; the name of a scheme is case-insensitive."""

# >>> 08.1
async def current_principal(request: Request, services: Using) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not credential.strip():
        raise HTTPException(401, "no key or token", {"WWW-Authenticate": "Bearer"})
    principal = await services.principal_of(credential.strip())
    if principal is None:
        raise HTTPException(401, "not a valid key or token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if principal.tenant in services.suspended:
        raise HTTPException(403, "this account is suspended")
    return principal
# <<< 08.1
