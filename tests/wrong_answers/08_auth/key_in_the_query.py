# fails: 08.1
# says: The Authorization header alone counts
"""A query parameter for clients that cannot set headers: the key is in every access log."""

# >>> 08.1
async def current_principal(request: Request, services: Using) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if not credential and (credential := request.query_params.get("api_key", "")):
        scheme = "bearer"
    if scheme.lower() != "bearer" or not credential.strip():
        raise HTTPException(401, "no key or token", {"WWW-Authenticate": "Bearer"})
    principal = await services.principal_of(credential.strip())
    if principal is None:
        raise HTTPException(401, "not a valid key or token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if principal.tenant in services.suspended:
        raise HTTPException(403, "this account is suspended")
    return principal
# <<< 08.1
