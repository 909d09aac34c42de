# fails: 08.5
# says: Depends() carries no scopes
"""Depends in place of Security: the scopes never arrive, and everybody has all of none."""

# >>> 08.5
ByPassword = Annotated[Any, Security(OAuth2PasswordBearer("token", scopes=SCOPES, auto_error=False))]
ByKey = Annotated[Any, Security(HTTPBearer(scheme_name="APIKey", auto_error=False))]


async def authorized(wanted: SecurityScopes, principal: CurrentPrincipal, _1: ByPassword, _2: ByKey) -> Principal:
    """Return who is asking, if they have every scope that the route names."""
    if principal.scopes.issuperset(wanted.scopes):
        return principal
    challenge = f'Bearer error="insufficient_scope", scope="{wanted.scope_str}"'
    raise HTTPException(403, f"this needs the scope {wanted.scope_str}", {"WWW-Authenticate": challenge})


Chatter = Annotated[Principal, Depends(authorized)]
Reader = Annotated[Principal, Depends(authorized)]
Keeper = Annotated[Principal, Depends(authorized)]
# <<< 08.5
