# fails: 08.5
# says: Every scope of the route is needed
"""One of the scopes is enough."""

# >>> 08.5
ByPassword = Annotated[Any, Security(OAuth2PasswordBearer("token", scopes=SCOPES, auto_error=False))]
ByKey = Annotated[Any, Security(HTTPBearer(scheme_name="APIKey", auto_error=False))]


async def authorized(wanted: SecurityScopes, principal: CurrentPrincipal, _1: ByPassword, _2: ByKey) -> Principal:
    """Return who is asking, if they have every scope that the route names."""
    if not wanted.scopes or principal.scopes.intersection(wanted.scopes):
        return principal
    challenge = f'Bearer error="insufficient_scope", scope="{wanted.scope_str}"'
    raise HTTPException(403, f"this needs the scope {wanted.scope_str}", {"WWW-Authenticate": challenge})


Chatter = Annotated[Principal, Security(authorized, scopes=["chat"])]
Reader = Annotated[Principal, Security(authorized, scopes=["documents"])]
Keeper = Annotated[Principal, Security(authorized, scopes=["keys"])]
# <<< 08.5
