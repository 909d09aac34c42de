# fails: 08.4
# says: What the form says is a wish
"""The token gets the scopes that the form asks for: everybody is an administrator."""

# >>> 08.4 (2)
@app.post("/token")
async def create_token(form: Login, services: Using, response: Response) -> dict[str, str]:
    """Exchange a name and a password for a token."""
    response.headers["Cache-Control"] = "no-store"
    principal = await services.passwords.check(form.username, form.password)
    if principal is None:
        response.status_code = 400
        return {"error": "invalid_grant"}
    scopes = frozenset(form.scopes) or principal.scopes
    token = services.tokens.issue(principal.model_copy(update={"scopes": scopes}))
    return {"access_token": token, "token_type": "bearer", "scope": " ".join(sorted(scopes))}
# <<< 08.4
