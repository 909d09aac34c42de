# fails: 08.5
# says: securitySchemes has one oauth2
"""Checked and not declared: the docs page has no Authorize button."""

# >>> 08.5
ByPassword = Annotated[Any, Security(OAuth2PasswordBearer("token", scopes=SCOPES, auto_error=False))]
ByKey = Annotated[Any, Security(HTTPBearer(scheme_name="APIKey", auto_error=False))]


async def authorized(wanted: SecurityScopes, principal: CurrentPrincipal) -> Principal:
    """Return who is asking, if they have every scope that the route names."""
    if principal.scopes.issuperset(wanted.scopes):
        return principal
    challenge = f'Bearer error="insufficient_scope", scope="{wanted.scope_str}"'
    raise HTTPException(403, f"this needs the scope {wanted.scope_str}", {"WWW-Authenticate": challenge})


Chatter = Annotated[Principal, Security(authorized, scopes=["chat"])]
Reader = Annotated[Principal, Security(authorized, scopes=["documents"])]
Keeper = Annotated[Principal, Security(authorized, scopes=["keys"])]
# <<< 08.5
