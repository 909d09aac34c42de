# fails: 08.1
# says: not 401
# says: somebody came in
"""Some routes shall be open, so who shows nothing is a guest: on every route."""

# >>> 08.1
async def current_principal(request: Request, services: Using) -> Principal:
    """Return who is asking. A route that depends on this never runs for anybody else."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        return Principal(id="anonymous", tenant="public")
    principal = await services.principal_of(credential.strip())
    if principal is None:
        raise HTTPException(401, "not a valid key or token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if principal.tenant in services.suspended:
        raise HTTPException(403, "this account is suspended")
    return principal
# <<< 08.1
