# fails: 09.5
# says: a router has raised ApiError(404), and the caller got 500
"""Looks right because both lessons' handlers are there and every form holds; what our own routers raise is a bug."""

# >>> 09.5
models.add_error_handlers(app)
production.add_error_handlers(app)
app.add_middleware(OneShape)
app.add_middleware(production.RequestContext, done=done)
# <<< 09.5
